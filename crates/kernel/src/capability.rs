//! Capabilities (capabilities(7)): the names and sets; [`crate::credentials`] applies them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The capabilities in the order of their kernel numbers (`<linux/capability.h>`).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// One capability, known to be one that the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(u8);

/// A word that names no capability.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown capability {0:?}")]
pub struct UnknownCapability(pub String);

impl Capability {
    /// Administration of the machine; the one that most privileged system calls ask for.
    pub const SYS_ADMIN: Self = Self(21);
    /// Administration of a network namespace.
    pub const NET_ADMIN: Self = Self(12);
    /// Changing of groups, and mapping of them in user namespaces.
    pub const SETGID: Self = Self(6);
    /// Changing of users, and mapping of them.
    pub const SETUID: Self = Self(7);
    /// Tracing of other processes.
    pub const SYS_PTRACE: Self = Self(19);
    /// Lowering of `oom_score_adj`, raising of hard limits.
    pub const SYS_RESOURCE: Self = Self(24);

    /// All capabilities that this code knows, in the kernel's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(NAMES).map(|(number, _)| Self(number))
    }

    /// The kernel's number, as `PR_CAPBSET_DROP` takes it.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The name with its `CAP_` prefix.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("CAP_?")
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads `CAP_CHOWN`, `chown` and what lies between, as Docker does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        (0u8..)
            .zip(NAMES)
            .find(|(_, name)| name.strip_prefix("CAP_") == Some(bare))
            .map(|(number, _)| Self(number))
            .ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

impl TryFrom<String> for Capability {
    type Error = UnknownCapability;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> String {
        capability.name().to_owned()
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities, as the kernel keeps it: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Capability>", into = "Vec<Capability>")]
pub struct CapSet(u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// The set with these 64 bits (`CapEff` and its like in `/proc/PID/status`), also bits without a name here.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// All capabilities that this code knows.
    #[must_use]
    pub const fn full() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// The 64 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the capability is in the set.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// Puts one in.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability.0;
    }

    /// Takes one out.
    pub fn remove(&mut self, capability: Capability) {
        self.0 &= !(1 << capability.0);
    }

    /// What both hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either holds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this one holds and the other does not.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether everything in this set is in the other.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its named members in the kernel's order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::all().filter(move |capability| self.contains(*capability))
    }
}

impl FromIterator<Capability> for CapSet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::EMPTY, |mut set, capability| {
            set.insert(capability);
            set
        })
    }
}

impl From<Vec<Capability>> for CapSet {
    fn from(capabilities: Vec<Capability>) -> Self {
        capabilities.into_iter().collect()
    }
}

impl From<CapSet> for Vec<Capability> {
    fn from(set: CapSet) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_with_the_header() {
        assert_eq!("sys_admin".parse::<Capability>().unwrap().number(), 21);
        assert_eq!("CAP_CHECKPOINT_RESTORE".parse::<Capability>().unwrap().number(), 40);
        assert!("CAP_FLY".parse::<Capability>().is_err());
        assert_eq!(Capability::SYS_PTRACE.name(), "CAP_SYS_PTRACE");
        assert_eq!(Capability::SYS_RESOURCE.name(), "CAP_SYS_RESOURCE");
    }

    #[test]
    fn set_algebra() {
        let a: CapSet = ["CAP_CHOWN", "CAP_KILL"].iter().map(|n| n.parse().unwrap()).collect();
        assert!(a.is_subset(CapSet::full()));
        assert!(!CapSet::full().is_subset(a));
        assert_eq!(a.difference(a), CapSet::EMPTY);
        assert_eq!(a.bits(), 0b10_0001);
    }
}
