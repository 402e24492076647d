//! The word that a program at the gate may run.

use rustix::process::Pid;

use super::Gated;

/// Leave for one process, held at the gate, to run: what [`Gated::release`] demands.
///
/// This crate decides nothing and reads nothing back, so it takes the word of the crate that does: `cofferdam-proof` makes
/// a permit where every control of the plan was read back from that process and holds. No other crate may call
/// [`Permit::after_reading_back`]; `cargo xtask tidy` fails where one does.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pid: Pid,
}

impl Permit {
    /// Leave for this process, whose controls have just been read back.
    #[must_use]
    pub fn after_reading_back(gated: &Gated) -> Self {
        Self { pid: gated.pid() }
    }

    /// Whether it was given for that process: a number cannot be reused while its process is held.
    pub(super) fn is_for(&self, pid: Pid) -> bool {
        self.pid == pid
    }
}
