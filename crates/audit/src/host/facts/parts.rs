//! Which facts are looked at: an audit wants all, a start only those that its zone's checks judge by.

use crate::fact::Fact;

/// A set of kinds of facts. Those that cost next to nothing are always looked at and have no bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parts(u16);

/// Why a fact is not known that nobody asked for.
pub(super) const NOT_ASKED_FOR: &str = "it was not looked at";

pub(super) fn not_asked_for<T>() -> Fact<T> {
    Fact::unknown(NOT_ASKED_FOR)
}

impl Parts {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u16::MAX);
    /// The kernel's configuration, which is long.
    pub(crate) const OPTIONS: Self = Self(1);
    pub(crate) const MODULES: Self = Self(1 << 1);
    /// Owners and modes.
    pub(crate) const FILES: Self = Self(1 << 2);
    /// Small files as they are, and the audit's rules.
    pub(crate) const TEXTS: Self = Self(1 << 3);
    pub(crate) const ACCOUNTS: Self = Self(1 << 4);
    pub(crate) const SSH: Self = Self(1 << 5);
    pub(crate) const SOCKETS: Self = Self(1 << 6);
    pub(crate) const UNITS: Self = Self(1 << 7);
    /// Processes, and with them engines and containers.
    pub(crate) const PROCESSES: Self = Self(1 << 8);
    pub(crate) const PACKAGES: Self = Self(1 << 9);
    /// The walk through all programs.
    pub(crate) const SURVEY: Self = Self(1 << 10);
    pub(crate) const MOUNTS: Self = Self(1 << 11);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, part: Self) -> bool {
        self.0 & part.0 != 0
    }

    /// A fact, if it is among those that are looked at.
    pub(super) fn fact<T>(self, part: Self, look: impl FnOnce() -> Fact<T>) -> Fact<T> {
        if self.has(part) { look() } else { not_asked_for() }
    }
}
