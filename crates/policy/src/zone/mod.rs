//! A trust zone: the floor under every container in it. A container may be stricter than its zone, never looser.
//!
//! Each setting remembers the file and line that it comes from, so that a refusal can name them.

mod builtin;
mod check;
mod image_rules;
mod mount_rules;
mod network;
mod parse;
mod sections;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_confinement::network::{PublishRange, Rule};
use cofferdam_confinement::resources::{DeviceAccess, Limit};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::rlimit::Resource;
use cofferdam_names::ZoneName;

pub use builtin::{BUILTIN_ZONES, UnknownBuiltinZone, builtin_zone, default_zone};
pub use check::ZoneWarning;
pub use cofferdam_settings::{FileProblem, Place, Setting};
pub use image_rules::{CertifiedSigner, ImageRules, SignerPattern};
pub use mount_rules::{MountAccess, MountRules};
pub use parse::{ZoneFileError, parse_zone};

/// How strongly containers are walled off. `vm` is read and refused: its enforcement is not built yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Namespaces, filters and limits of one kernel.
    Process,
}

/// Which containers share a range of host ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdScope {
    /// None: each has its own.
    PerContainer,
}

/// The system call filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyscallRules {
    /// Our default profile.
    Default,
    /// Our strict profile.
    Strict,
}

/// The label of a security module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LsmRules {
    /// Whatever the host gives by itself.
    None,
    /// An AppArmor profile by name, loaded on the host.
    AppArmor(String),
    /// An SELinux label (`user:role:type:level`).
    Selinux(String),
}

/// Whose namespaces a container may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody's.
    None,
    /// Those of containers in the same zone.
    Zone,
}

/// `[process]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRules {
    /// What a container has that asks for nothing.
    pub capabilities: Setting<CapSet>,
    /// The most that `--cap-add` may reach.
    pub capabilities_max: Setting<CapSet>,
    /// The loosest filter.
    pub syscalls: Setting<SyscallRules>,
    /// Whether the root file system may be written.
    pub writable: Setting<bool>,
    /// Whether set-user-id programs and file capabilities may give rights (no `PR_SET_NO_NEW_PRIVS`).
    pub new_privileges: Setting<bool>,
    /// The security module's label.
    pub lsm: Setting<LsmRules>,
}

/// A soft and a hard resource limit; `u64::MAX` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are getrlimit(2)'s")]
pub struct SoftHard {
    pub soft: u64,
    pub hard: u64,
}

/// `[limits]`: what a container has that asks for nothing, and the most that it may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRules {
    /// Bytes.
    pub memory: Setting<Limit>,
    /// Bytes.
    pub memory_max: Setting<Limit>,
    /// Billionths of a processor.
    pub cpus: Setting<Limit>,
    /// Billionths of a processor.
    pub cpus_max: Setting<Limit>,
    /// Tasks.
    pub pids: Setting<Limit>,
    /// Tasks.
    pub pids_max: Setting<Limit>,
    /// Below which groups a container may ask for its own: patterns of paths below the hierarchies' roots.
    pub cgroup_parents: Setting<Vec<String>>,
    /// The lowest `oom_score_adj` that a container may have.
    pub oom_score_adj_min: Setting<i32>,
    /// Resource limits of the first process.
    pub ulimits: Setting<BTreeMap<Resource, SoftHard>>,
    /// How far `--ulimit` may go; a resource that is in neither table stays as the host has it.
    pub ulimits_max: Setting<BTreeMap<Resource, u64>>,
}

/// `[namespaces]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRules {
    /// Host namespaces that a container may share.
    pub host: Setting<BTreeSet<Namespace>>,
    /// Namespaces of other containers.
    pub share: Setting<Sharing>,
}

/// What kind of network the containers of a zone have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkAccess {
    /// Only the container's own loopback.
    None,
    /// A link of the container's own, under the zone's rules.
    Zone,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRules {
    /// What a container has that asks for nothing, and the most that it may have.
    pub mode: Setting<NetworkAccess>,
    /// Whether a container may share the host's network.
    pub host: Setting<bool>,
    /// Whether containers of the zone reach each other.
    pub trust: Setting<bool>,
    /// Where they may connect to.
    pub egress: Setting<Vec<Rule>>,
    /// Who may connect to them.
    pub ingress: Setting<Vec<Rule>>,
    /// Ports of the host that they may publish.
    pub publish: Setting<Vec<PublishRange>>,
    /// The most open connections of one container; none for no limit.
    pub connections: Setting<Option<u32>>,
    /// The most connections that one container may begin in a second; none for no limit.
    pub connections_per_second: Setting<Option<u32>>,
    /// The most connections that all its containers together have begun and have open; none for no limit.
    pub zone_connections: Setting<Option<u32>>,
    /// Whether denied packets are recorded.
    pub log: Setting<bool>,
}

/// A zone, complete and valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: Setting<ZoneName>,
    /// What it is for, in a line.
    pub about: Setting<String>,
    /// How strongly its containers are walled off.
    pub isolation: Setting<Isolation>,
    /// `[identity] ids`
    pub ids: Setting<IdScope>,
    /// `[process]`
    pub process: ProcessRules,
    /// `[limits]`
    pub limits: LimitRules,
    /// `[mounts]`
    pub mounts: MountRules,
    /// `[namespaces]`
    pub namespaces: NamespaceRules,
    /// `[devices.access]`: devices of the host that a container may ask for.
    pub devices: Setting<BTreeMap<PathBuf, Setting<DeviceAccess>>>,
    /// `[network]`
    pub network: NetworkRules,
    /// `[images]`
    pub images: ImageRules,
    /// `[placement] require`: checks of the audit that the host must pass before a container of the zone starts on it.
    pub posture: Setting<Vec<String>>,
}

/// Whether a text fits a pattern in which `*` stands for any text.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("host", "host", true),
            ("host", "hosts", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*b", "ab", false),
            ("reg.example/*:1", "reg.example/x:1", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }
}
