//! `linux.memoryPolicy` (set_mempolicy(2)).

use std::collections::BTreeSet;

use cofferdam_confinement::{MemoryMode, MemoryPolicy, NodeMeaning};
use cofferdam_wire_oci as wire;

use super::ConfigError;
use crate::process::affinity;

pub(super) const BALANCING: &str = "MPOL_F_NUMA_BALANCING";
pub(super) const RELATIVE: &str = "MPOL_F_RELATIVE_NODES";
pub(super) const STATIC: &str = "MPOL_F_STATIC_NODES";

pub(super) fn memory_policy(wire: &wire::MemoryPolicy) -> Result<MemoryPolicy, ConfigError> {
    let known = MemoryMode::ALL.into_iter().find(|mode| mode.name() == wire.mode);
    let Some(mode) = known else {
        let names = MemoryMode::ALL.map(MemoryMode::name).join(", ");
        let problem = format!("unknown memory policy mode {:?}: it is one of {names}", wire.mode);
        return Err(ConfigError::new("linux.memoryPolicy.mode", problem));
    };
    let mut policy = MemoryPolicy { mode, meaning: None, balancing: false, nodes: nodes(&wire.nodes)? };
    for (index, flag) in wire.flags.iter().enumerate() {
        let field = format!("linux.memoryPolicy.flags[{index}]");
        let meaning = match flag.as_str() {
            BALANCING => {
                policy.balancing = true;
                continue;
            }
            RELATIVE => NodeMeaning::Relative,
            STATIC => NodeMeaning::Static,
            other => {
                let problem = format!(
                    "unknown memory policy flag {other:?}: it is one of {BALANCING}, {RELATIVE}, {STATIC}"
                );
                return Err(ConfigError::new(field, problem));
            }
        };
        if policy.meaning.replace(meaning).is_some_and(|other| other != meaning) {
            return Err(ConfigError::new(field, format!("{RELATIVE} and {STATIC} exclude each other")));
        }
    }
    check_nodes(&policy)?;
    Ok(policy)
}

fn nodes(list: &str) -> Result<BTreeSet<u16>, ConfigError> {
    let field = "linux.memoryPolicy.nodes";
    if list.is_empty() {
        return Ok(BTreeSet::new());
    }
    let problem = || ConfigError::new(field, format!("{list:?} is no list of nodes, such as 0-3,7"));
    let numbers = affinity::parse(list).ok_or_else(problem)?;
    numbers.into_iter().map(|number| u16::try_from(number).map_err(|_| problem())).collect()
}

/// What the kernel answers EINVAL to, said in words.
fn check_nodes(policy: &MemoryPolicy) -> Result<(), ConfigError> {
    let name = policy.mode.name();
    let refuse = |problem: String| Err(ConfigError::new("linux.memoryPolicy.nodes", problem));
    match policy.mode {
        MemoryMode::Default | MemoryMode::Local if !policy.nodes.is_empty() => {
            refuse(format!("{name} takes no nodes: remove the list"))
        }
        MemoryMode::Bind
        | MemoryMode::Interleave
        | MemoryMode::PreferredMany
        | MemoryMode::WeightedInterleave
            if policy.nodes.is_empty() =>
        {
            refuse(format!("{name} needs at least one node"))
        }
        _ => Ok(()),
    }
}
