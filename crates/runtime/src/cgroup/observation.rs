//! One control as it was planned and as the kernel has it.

use serde::{Deserialize, Serialize};

/// One control as it was planned and as the kernel has it. What could not be read is no observation but an error, and
/// what could be read and not understood is observed as `unknown: ...`, which never equals a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// OCI's name of the control, with the control file.
    pub control: String,
    /// What the kernel says if it does what was planned: its own rounding and spelling.
    pub planned: String,
    /// What it says.
    pub observed: String,
}

impl Observation {
    /// Whether the control is in force as planned.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.planned == self.observed
    }
}
