//! Facts about control groups: which versions are mounted, and what v1 runs when a group becomes empty.

use serde::Serialize;

use super::{Mounts, Source};
use crate::fact::{Fact, Unknown};

/// The control groups of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cgroups {
    /// Whether version 2 is mounted.
    pub v2: bool,
    /// Where each hierarchy of version 1 is mounted, and the program that it runs as the host's root when a group with
    /// `notify_on_release` becomes empty.
    pub v1: Vec<(String, Option<String>)>,
}

pub(crate) fn gather(source: &Source, mounts: &Fact<Mounts>) -> Fact<Cgroups> {
    if !source.is_running() {
        return Fact::unknown("no system runs in the tree");
    }
    let read = || -> Result<Cgroups, Unknown> {
        let mounts = mounts.get()?;
        let v1 = mounts.0.iter().filter(|mount| mount.kind == "cgroup").map(|mount| {
            let agent = source.tree.value(format!("{}/release_agent", mount.point));
            (mount.point.clone(), agent.known().cloned().flatten().filter(|agent| !agent.is_empty()))
        });
        Ok(Cgroups { v2: mounts.0.iter().any(|mount| mount.kind == "cgroup2"), v1: v1.collect() })
    };
    read().into()
}
