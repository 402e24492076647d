//! Checks on the host's upkeep: what writes down what happens, keeps the time, filters packets, starts at boot.

mod settings;
mod units;

use crate::control::Control;
use crate::host::HostFacts;

pub(super) use settings::TEXTS;

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls = units::controls();
    controls.extend(settings::controls());
    controls
}
