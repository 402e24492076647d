//! Checks on container engines: their settings, their files, what watches them, and the containers that they run.

mod audit_rules;
mod containers;
mod docker;
mod docker_records;
mod files;
mod kubelet;
mod podman;

use crate::control::Control;
use crate::host::HostFacts;

pub(super) use files::paths as files;

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = docker::controls();
    controls.extend(docker_records::controls());
    controls.extend(podman::controls());
    controls.extend(kubelet::controls());
    controls.extend(files::controls());
    controls.extend(audit_rules::controls());
    controls.extend(containers::controls());
    controls
}
