//! From which NUMA nodes a process gets its memory (set_mempolicy(2)).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What set_mempolicy(2) is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryPolicy {
    /// How the nodes are used.
    pub mode: MemoryMode,
    /// What they mean when the cpuset changes; none is the kernel's own way.
    pub meaning: Option<NodeMeaning>,
    /// `MPOL_F_NUMA_BALANCING`: pages may move to the node that uses them.
    pub balancing: bool,
    /// Numbers of nodes.
    pub nodes: BTreeSet<u16>,
}

/// `MPOL_*` of `<linux/mempolicy.h>`, in the order of the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum MemoryMode {
    Default,
    Preferred,
    Bind,
    Interleave,
    Local,
    PreferredMany,
    WeightedInterleave,
}

impl MemoryMode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Default,
        Self::Preferred,
        Self::Bind,
        Self::Interleave,
        Self::Local,
        Self::PreferredMany,
        Self::WeightedInterleave,
    ];

    /// Its number for set_mempolicy(2).
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its name in the kernel's header, and so in OCI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "MPOL_DEFAULT",
            Self::Preferred => "MPOL_PREFERRED",
            Self::Bind => "MPOL_BIND",
            Self::Interleave => "MPOL_INTERLEAVE",
            Self::Local => "MPOL_LOCAL",
            Self::PreferredMany => "MPOL_PREFERRED_MANY",
            Self::WeightedInterleave => "MPOL_WEIGHTED_INTERLEAVE",
        }
    }
}

/// `MPOL_F_STATIC_NODES` or `MPOL_F_RELATIVE_NODES`: they exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMeaning {
    /// Those very nodes, whatever the cpuset.
    Static,
    /// Counted within the cpuset.
    Relative,
}
