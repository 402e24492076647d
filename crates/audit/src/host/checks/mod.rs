//! The checks on a host, by what they guard.

mod access;
#[cfg(test)]
mod cases;
mod engine;
mod kernel;
#[cfg(test)]
mod planted;
mod upkeep;
mod walls;

pub(super) use access::whole_disk;

use std::collections::BTreeSet;

use super::{HostFacts, Parts, Wanted};
use crate::control::{About, Control};

/// All checks on a host.
#[must_use]
pub fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = walls::controls();
    controls.extend(engine::controls());
    controls.extend(access::controls());
    controls.extend(upkeep::controls());
    controls.extend(kernel::controls());
    controls
}

/// Those of the checks that have one of these ids. Groups of checks are made until all are found.
pub(super) fn controls_named(ids: &[String]) -> Vec<Control<HostFacts>> {
    let mut found = kernel::controls_named(ids);
    for group in [walls::controls, upkeep::controls, access::controls, engine::controls] {
        if found.len() >= ids.len() {
            break;
        }
        found.extend(group().into_iter().filter(|control| ids.iter().any(|id| *id == control.about.id)));
    }
    found
}

/// The kinds of facts that a check judges by. One that is not told here has everything looked at; one that is told wrongly is
/// unknown, and never passes.
pub(super) fn parts_of(about: &About) -> Parts {
    match about.area {
        "kernel options" => Parts::OPTIONS,
        "kernel parameters" | "network parameters" | "kernel surface" | "boot parameters" => {
            if kernel::asks_for_options(&about.id) {
                Parts::OPTIONS
            } else {
                Parts::NONE
            }
        }
        "core dumps" | "namespaces" | "processor" | "security modules" => Parts::NONE,
        "control groups" => Parts::MOUNTS,
        "kernel modules" => Parts::MODULES.and(Parts::OPTIONS),
        "file permissions" => Parts::FILES,
        "file systems" => Parts::MOUNTS.and(Parts::FILES).and(Parts::TEXTS),
        "files and programs" => Parts::SURVEY,
        "accounts" | "authentication" | "privileges" => Parts::ACCOUNTS.and(Parts::TEXTS).and(Parts::FILES),
        "ssh" => Parts::SSH,
        "open ports" => Parts::SOCKETS,
        "updates" => Parts::PACKAGES.and(Parts::FILES),
        "containers" => Parts::PROCESSES.and(Parts::MOUNTS),
        "docker" | "podman" | "containerd" | "kubelet" => {
            Parts::PROCESSES.and(Parts::MOUNTS).and(Parts::FILES).and(Parts::TEXTS).and(Parts::ACCOUNTS)
        }
        _ => Parts::ALL,
    }
}

/// What all checks ask about.
pub(super) fn wanted() -> Wanted {
    wanted_of(Parts::ALL, kernel::parameters_looked_at())
}

/// What the checks with these ids ask about.
pub(super) fn wanted_for(ids: &[String], controls: &[Control<HostFacts>]) -> Wanted {
    let parts = controls.iter().map(|control| parts_of(&control.about)).fold(Parts::NONE, Parts::and);
    wanted_of(parts, kernel::parameters_of(ids))
}

fn wanted_of(parts: Parts, mut parameters: BTreeSet<String>) -> Wanted {
    parameters.extend(walls::PARAMETERS.iter().map(|name| (*name).to_owned()));
    Wanted {
        parts,
        parameters,
        files: access::files().chain(engine::files()).chain(upkeep::FILES).collect(),
        texts: access::TEXTS.iter().chain(upkeep::TEXTS).copied().collect(),
    }
}
