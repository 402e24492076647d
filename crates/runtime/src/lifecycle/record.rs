//! What is written down of a container.

use std::path::PathBuf;

use cofferdam_confinement::Plan;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::Timestamp;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A container's first process. The start time keeps a process that got the same number later from being taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitProcess {
    /// Its number in the runtime's pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot (proc_pid_stat(5)).
    pub start_time: u64,
}

/// Whether the letter of a process's state says that it has ended.
fn has_ended(state: u8) -> bool {
    matches!(state, b'Z' | b'X' | b'x')
}

impl InitProcess {
    /// The identity of a process that lives.
    pub(super) fn observe(pid: Pid) -> std::io::Result<Self> {
        let stat = ProcFs::open()?.process(pid)?.stat()?;
        Ok(Self { pid: pid.as_raw_nonzero().get(), start_time: stat.start_time })
    }

    /// Its handle while it lives; none once it has ended, whoever has its number now.
    #[must_use]
    pub fn open(self) -> Option<(Pid, OwnedFd)> {
        let pid = Pid::from_raw(self.pid)?;
        // The descriptor first: what it stands for cannot change any more when the start time is compared.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let stat = ProcFs::open().ok()?.process(pid).ok()?.stat().ok()?;
        (stat.start_time == self.start_time && !has_ended(stat.state)).then_some((pid, pidfd))
    }
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What the container is confined by.
    pub plan: Plan,
    /// Its bundle, absolute.
    pub bundle: PathBuf,
    /// When it was created.
    pub created: Timestamp,
    /// Its first process; none while it is being created.
    pub init: Option<InitProcess>,
    /// How many descriptors from 3 on its first process inherits.
    #[serde(default)]
    pub preserved_fds: u32,
    /// User id of whoever created it.
    pub owner: u32,
}
