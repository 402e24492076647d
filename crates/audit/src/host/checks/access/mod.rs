//! Checks on who gets in, and what they find: files, accounts, SSH, mounts, open ports.

mod accounts;
mod authentication;
pub(super) mod files;
mod mounts;
mod ports;
mod privileges;
mod programs;
mod ssh;

pub(in crate::host) use programs::whole_disk;

use crate::control::Control;
use crate::host::HostFacts;

/// Paths whose owner and mode are asked for.
pub(super) fn files() -> impl Iterator<Item = &'static str> {
    files::paths().chain(mounts::paths())
}

/// Files that are read as they are.
pub(super) const TEXTS: &[&str] = &["/proc/swaps"];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = accounts::controls();
    controls.extend(privileges::controls());
    controls.extend(programs::controls());
    controls.extend(authentication::controls());
    controls.extend(files::controls());
    controls.extend(ssh::controls());
    controls.extend(mounts::controls());
    controls.extend(ports::controls());
    controls
}

/// Has each line of the tables fail and pass.
#[cfg(test)]
pub(super) fn try_tables() {
    files::tests::every_line_passes_with_its_mode_and_fails_with_more_or_another_owner();
    ports::tests::every_port_is_found_on_all_addresses_and_not_on_the_loopback();
    programs::tests::what_is_known_passes_and_what_is_not_fails();
    ssh::tests::every_setting_can_pass_and_can_fail();
}
