//! What a shim must know of its container beside the plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_kernel::proc::ProcFs;
use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerId;
use cofferdam_policy::{Healthcheck, RestartPolicy};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::log_writer::LogOptions;
use crate::names::KeeperOrders;
use crate::{ContainerDir, RunDir};

/// A shim's orders. They go to the shim at its fork, and from it to itself when it executes itself anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShimSpec {
    /// The container.
    pub id: ContainerId,
    /// Its folder in the state.
    pub dir: PathBuf,
    /// Its folder in the run state.
    pub run_dir: PathBuf,
    /// The file that events are added to.
    pub events: PathBuf,
    /// The folder of the host's key, which signs receipts.
    pub keys: PathBuf,
    /// What its events carry: `name`, `image`, labels.
    pub attributes: BTreeMap<String, String>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// `--rm`
    pub remove: bool,
    /// Its next end is followed by a start that a person asked for: `--rm` waits for another one.
    pub keep: bool,
    /// The volumes that are removed with it.
    pub volumes: Vec<String>,
    /// The first signal of `stop`.
    pub stop_signal: Signal,
    /// Seconds from there to SIGKILL; negative for never.
    pub stop_timeout: i32,
    /// Its input stays open for those who attach (`-i`).
    pub stdin_open: bool,
    /// Its input ends with the first client's.
    pub stdin_once: bool,
    /// Its log; none with `--log-driver none`.
    pub log: Option<LogOptions>,
    /// When its health is probed; none if it is not.
    #[serde(default)]
    pub health: Option<Healthcheck>,
    /// The container whose namespaces it shares.
    #[serde(default)]
    pub joined: Option<Joined>,
    /// Whether it has a link of its own, which ends with it.
    #[serde(default)]
    pub connected: bool,
    /// The keeper of its zone's resolver; none without a link.
    #[serde(default)]
    pub resolver: Option<KeeperOrders>,
    /// The network of an ordinary user's own, in which the link is; none where it is in the host's.
    #[serde(default)]
    pub rootless: Option<UsersNetwork>,
}

/// Where the process that holds an ordinary user's network is, and what it is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsersNetwork {
    /// The socket at which it listens.
    pub socket: PathBuf,
    /// Its orders.
    pub orders: cofferdam_rootless::Orders,
}

/// A container whose namespaces are joined, by its first process: on one boot a number and a start time name one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// Which container.
    pub container: ContainerId,
    /// Its first process as the host numbers it.
    pub pid: i32,
    /// When that started, in clock ticks since boot (proc_pid_stat(5)).
    pub start_time: u64,
}

impl Joined {
    /// Whether that process still runs. Asked after its namespaces were opened by its number: then they were its own.
    #[must_use]
    pub fn still_runs(&self, proc: &ProcFs) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        let stat = proc.process(pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X' | b'x'))
    }
}

impl ShimSpec {
    /// The container's files.
    #[must_use]
    pub fn container_dir(&self) -> ContainerDir {
        let path = self.dir.clone();
        if self.remove { ContainerDir::fleeting(path, &self.run()) } else { ContainerDir::new(path) }
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.attributes.get("name").map_or("", String::as_str)
    }

    /// The container's folder in the run state.
    #[must_use]
    pub fn run(&self) -> RunDir {
        RunDir::new(self.run_dir.clone())
    }
}
