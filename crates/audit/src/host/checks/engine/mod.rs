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

/// Has each line of the tables fail and pass.
#[cfg(test)]
pub(super) fn try_tables() {
    audit_rules::tests::every_path_is_found_where_a_rule_names_it_or_its_folder();
    containers::tests::every_check_can_fail_and_can_pass();
    docker::tests::every_setting_can_pass_and_can_fail();
    docker_records::tests::every_record_can_pass_and_can_fail();
    files::tests::every_line_passes_with_its_mode_and_fails_with_more();
    kubelet::tests::every_setting_can_pass_and_can_fail();
    podman::tests::every_setting_can_pass_and_can_fail();
}
