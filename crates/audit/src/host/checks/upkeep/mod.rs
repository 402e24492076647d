//! Checks on the host's upkeep: what writes down what happens, keeps the time, filters packets, starts at boot.

mod settings;
mod units;
mod updates;

use crate::control::Control;
use crate::host::HostFacts;

pub(super) use settings::TEXTS;

/// Paths whose owner and mode are asked for.
pub(super) const FILES: [&str; 1] = ["/run/reboot-required"];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = units::controls();
    controls.extend(settings::controls());
    controls.extend(updates::controls());
    controls
}

/// Has each line of the tables fail and pass.
#[cfg(test)]
pub(super) fn try_tables() {
    settings::tests::every_file_can_be_good_and_bad();
    units::tests::every_service_can_be_missed_and_found();
    updates::tests::every_check_can_fail_and_can_pass();
}
