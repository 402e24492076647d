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

use super::{HostFacts, Wanted};
use crate::control::Control;

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

/// What the checks ask about.
pub(super) fn wanted() -> Wanted {
    let mut parameters = kernel::parameters_looked_at();
    parameters.extend(walls::PARAMETERS.iter().map(|name| (*name).to_owned()));
    Wanted {
        parameters,
        files: access::files().chain(engine::files()).chain(upkeep::FILES).collect(),
        texts: access::TEXTS.iter().chain(upkeep::TEXTS).copied().collect(),
    }
}
