//! How much a failure counts: how bad it is, what an escaping container gains, and which part of the posture it is of.

use serde::Serialize;

/// How bad it is when the check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth doing, seldom decisive; or a setting that most distributions choose otherwise for good reasons.
    Low,
    /// Makes an attack easier.
    Medium,
    /// Opens a known way.
    High,
    /// The way is open: no further weakness is needed.
    Critical,
}

impl Severity {
    /// The severity that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical].into_iter().find(|one| one.name() == word)
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a process that escapes, or tries to, would gain from the weakness. The order is that of the ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gain {
    /// Nothing at once; it makes everything else a little easier to keep in order.
    Hygiene,
    /// Time: nobody sees what it does, or can prove it afterwards.
    Concealment,
    /// Others are kept from working.
    Denial,
    /// Knowledge that an attack needs: addresses, names, traffic.
    Information,
    /// A foothold that outlives the container, or a way to other accounts and hosts.
    Foothold,
    /// More of the kernel within reach, or weaknesses in it that are easier to use.
    KernelReach,
    /// The memory or files of other containers or of the host.
    OtherTenants,
    /// Root on the host.
    HostRoot,
}

impl Gain {
    /// The gain that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "hygiene" => Self::Hygiene,
            "concealment" => Self::Concealment,
            "denial" => Self::Denial,
            "information" => Self::Information,
            "foothold" => Self::Foothold,
            "kernel-reach" => Self::KernelReach,
            "other-tenants" => Self::OtherTenants,
            "host-root" => Self::HostRoot,
            _ => return None,
        })
    }

    /// What is gained, as the end of "an escaping container would gain ...".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::HostRoot => "root on the host",
            Self::OtherTenants => "the data of other containers or of the host",
            Self::KernelReach => "an easier way through the kernel",
            Self::Foothold => "a foothold that outlives it",
            Self::Information => "knowledge that an attack needs",
            Self::Denial => "the power to stop others",
            Self::Concealment => "time unseen",
            Self::Hygiene => "nothing at once",
        }
    }
}

/// The talk's four dimensions of container security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// The kernel below and its hardening.
    HostKernel,
    /// The container platform and its interfaces.
    Engine,
    /// Access to the host's and the engine's controls.
    ControlPlane,
    /// The processes themselves.
    Processes,
}

impl Dimension {
    /// All four, in the talk's order.
    pub const ALL: [Self; 4] = [Self::HostKernel, Self::Engine, Self::ControlPlane, Self::Processes];

    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostKernel => "host kernel",
            Self::Engine => "engine",
            Self::ControlPlane => "control plane",
            Self::Processes => "processes",
        }
    }
}
