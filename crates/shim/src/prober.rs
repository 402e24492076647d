//! The short-lived process that probes a container's health once: this program, executed anew, so that a shim keeps neither the code
//! nor the memory of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use cofferdam_kernel::exec::{CStringArray, fexecve};
use cofferdam_kernel::fork;
use cofferdam_kernel::signal::{SignalSet, set_mask};
use cofferdam_names::ContainerId;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};

use crate::spec::ShimSpec;

/// The subcommand of the program that probes a container's health.
pub const PROBER_SUBCOMMAND: &str = "health-probe";

/// What is probed. How, stands in the container's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeOrders {
    /// The container.
    pub id: ContainerId,
    /// Its folder in the state.
    pub dir: PathBuf,
    /// Its folder in the run state.
    pub run_dir: PathBuf,
    /// The last one did not come to its end in time: it is only written down that it failed.
    pub overdue: bool,
}

/// Starts the process, which ends with this one. With 0 it says that the probe succeeded.
pub(crate) fn start(spec: &ShimSpec, overdue: bool) -> io::Result<Pid> {
    let orders =
        ProbeOrders { id: spec.id.clone(), dir: spec.dir.clone(), run_dir: spec.run_dir.clone(), overdue };
    let program = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let args = CStringArray::new([
        "cofferdam".to_owned(),
        PROBER_SUBCOMMAND.to_owned(),
        serde_json::to_string(&orders)?,
    ])?;
    let env = CStringArray::new(Vec::<String>::new())?;
    let shim = getpid();
    fork::child(&[program.as_raw_fd()], move |prepared| {
        let ready = prepared.is_ok() && set_mask(SignalSet::EMPTY).is_ok() && fork::end_with(shim).is_ok();
        if ready {
            let _error = fexecve(program.as_fd(), &args, &env);
        }
        1
    })
}
