//! What the engine's operations are asked, and what they answer.

use std::os::fd::BorrowedFd;

use cofferdam_confinement::WindowSize;
use cofferdam_kernel::signal::Signal;
use cofferdam_names::{ContainerId, ContainerPath, Timestamp};
use cofferdam_policy::{EnvEntry, ResourceRequest, RestartPolicy};
pub use cofferdam_shim::Event;
use cofferdam_shim::ExitStatus;
use serde::Serialize;

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the streams' names")]
pub struct Attach {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// How `run` goes on after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunOptions {
    /// The client's terminal size where the container has a terminal.
    pub window: Option<WindowSize>,
    /// The streams to attach; none to detach.
    pub attach: Option<Attach>,
}

/// How a client's own streams are connected to a container's.
#[derive(Debug)]
pub struct RelayOptions<'a> {
    /// Where input comes from; none if the container gets none.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Where output goes.
    pub stdout: BorrowedFd<'a>,
    /// Where errors go.
    pub stderr: BorrowedFd<'a>,
    /// The container has a terminal: put the client's terminal into raw mode and follow its size.
    pub tty: bool,
    /// The bytes that detach (`ctrl-p,ctrl-q` is `[16, 17]`); empty for none.
    pub detach_keys: Vec<u8>,
    /// Pass on the signals that the client gets (`--sig-proxy`; not with a terminal).
    pub forward_signals: bool,
}

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayEnd {
    /// The process ended.
    Exited(ExitStatus),
    /// The client typed the detach keys.
    Detached,
    /// The client was asked three times to end while its signals were passed on.
    Interrupted,
}

/// One more process in a running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecRequest {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// `-e`, `--env-file`
    pub env: Vec<EnvEntry>,
    /// `-u`; absent for the container's own.
    pub user: Option<String>,
    /// `-w`; absent for the container's own.
    pub workdir: Option<ContainerPath>,
    /// `--privileged`
    pub privileged: bool,
    /// `-t`
    pub tty: bool,
    /// `-i`
    pub interactive: bool,
    /// `-d`
    pub detach: bool,
    /// The client's terminal size.
    pub window: Option<WindowSize>,
}

/// Which lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Only the last so many lines.
    pub tail: Option<usize>,
    /// Wait for more until the container ends.
    pub follow: bool,
}

/// One line of a log, or a part of one that was too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written.
    pub time: Timestamp,
    /// Whether it came from standard error.
    pub stderr: bool,
    /// Whether the next record of the stream carries the line on.
    pub partial: bool,
    /// The bytes, with the line's end where it has one.
    pub bytes: Vec<u8>,
}

/// `stop` and `restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopOptions {
    /// The first signal; absent for the container's own.
    pub signal: Option<Signal>,
    /// Seconds until SIGKILL; -1 waits for ever; absent for the container's own.
    pub timeout: Option<i32>,
}

/// `rm`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Also its anonymous volumes.
    pub volumes: bool,
}

/// `wait --condition`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    /// Until it does not run: at once if it does not.
    #[default]
    NotRunning,
    /// Until its next end.
    NextExit,
    /// Until it is removed.
    Removed,
}

/// `update`: what is given is changed, the rest stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateRequest {
    /// Limits.
    pub resources: ResourceRequest,
    /// `--restart`
    pub restart: Option<RestartPolicy>,
}

/// What a path of a container's writable layer is, compared with its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "plain")]
pub enum ChangeKind {
    Changed,
    Added,
    Deleted,
}

/// One line of `diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Its path in the container; bytes that are not UTF-8 are replaced.
    pub path: String,
}

/// One reading of a container's counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct StatsSample {
    /// When it was read.
    pub time: Option<Timestamp>,
    /// Nanoseconds of processor time so far.
    pub cpu_ns: u64,
    /// Processors that are online.
    pub online_cpus: u32,
    /// Bytes, without the inactive page cache (as Docker counts).
    pub memory: u64,
    /// Bytes; the machine's memory where there is no limit.
    pub memory_limit: u64,
    /// Processes.
    pub pids: u64,
    /// Their limit; none if there is none.
    pub pids_limit: Option<u64>,
    /// Bytes read from block devices.
    pub block_read: u64,
    /// Bytes written to block devices.
    pub block_written: u64,
    /// Bytes received over all links but the loopback.
    pub net_received: u64,
    /// Bytes sent over all links but the loopback.
    pub net_sent: u64,
}

/// Which of the things that may be removed `prune` removes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Made before.
    pub until: Option<Timestamp>,
    /// Has all of these labels, with the value if one is given.
    pub labels: Vec<(String, Option<String>)>,
    /// Has none of these.
    pub without_labels: Vec<(String, Option<String>)>,
}

impl Selection {
    /// Whether something that was made then and has these labels is among them.
    pub(crate) fn has(
        &self,
        created: Timestamp,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> bool {
        let carries = |(key, value): &(String, Option<String>)| {
            labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.until.is_none_or(|until| created < until)
            && self.labels.iter().all(carries)
            && !self.without_labels.iter().any(carries)
    }
}

/// What `prune` removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct PruneReport {
    /// The containers.
    pub containers: Vec<ContainerId>,
    /// Bytes of their writable layers and logs.
    pub reclaimed: u64,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// Not before; absent for none of the past.
    pub since: Option<Timestamp>,
    /// Not after; absent to go on for ever (the past alone if `since` is given and this has passed).
    pub until: Option<Timestamp>,
}

/// One process of a container, as `top` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessRow {
    /// As the host numbers it.
    pub pid: i32,
    /// Its parent, as the host numbers it.
    pub ppid: i32,
    /// Its effective user on the host.
    pub uid: u32,
    /// The same user as the container sees it, if its map has it.
    pub container_uid: Option<u32>,
    /// Hundredths of a percent of one processor over its life.
    pub cpu_per_10k: u32,
    /// When it started.
    pub started: Timestamp,
    /// Its terminal, as `tty_nr` of /proc/PID/stat; 0 for none.
    pub tty: i32,
    /// Processor time in clock ticks of 10 ms.
    pub ticks: u64,
    /// Its arguments, or its name in brackets where it has none.
    pub command: String,
}
