//! What can go wrong with a group, by operation.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use super::control_file::ControlFileError;

/// A limit that this host cannot enforce.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{control} cannot be enforced: {reason}; {remedy}")]
pub struct Unenforceable {
    /// The control as OCI's config names it.
    pub control: String,
    /// Why the host lacks it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// The host's cgroup mounts could not be found.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DetectError {
    #[error("find the cgroup hierarchies of this host")]
    Read(#[source] ControlFileError),
    #[error("no cgroup hierarchy is mounted at /sys/fs/cgroup; mount cgroup2 there")]
    NotMounted,
}

/// A group could not be made or opened.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CreateError {
    #[error(transparent)]
    Unenforceable(#[from] Unenforceable),
    #[error("create cgroup {path}")]
    MakeDirectory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("container's cgroup is not empty: {processes} process(es) found in {path}")]
    NotEmpty { path: PathBuf, processes: usize },
    #[error("container's cgroup unexpectedly frozen: thaw or remove {0}")]
    Frozen(PathBuf),
    #[error("cgroup {0} does not exist")]
    Missing(PathBuf),
    #[error("enable the controllers that {path} needs: {missing}")]
    Controllers {
        path: PathBuf,
        missing: String,
        #[source]
        source: Option<io::Error>,
    },
    #[error("prepare the new cgroup")]
    Prepare(#[source] ControlFileError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// A limit could not be set or read back.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ApplyError {
    #[error(transparent)]
    Unenforceable(#[from] Unenforceable),
    #[error("set {control} to {value:?}")]
    Set {
        control: String,
        value: String,
        #[source]
        source: ControlFileError,
    },
    #[error(
        "set memory.limit to {limit} bytes: {usage} bytes are in use, and checkBeforeUpdate forbids reclaiming them"
    )]
    BelowUsage { limit: u64, usage: u64 },
    #[error("read {control} back")]
    ReadBack {
        control: String,
        #[source]
        source: ControlFileError,
    },
    #[error("{action} the device filter of {path}")]
    DeviceFilter {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A process could not be put into a group.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum JoinError {
    #[error("open the cgroup to join")]
    Open(#[source] ControlFileError),
    #[error("join the cgroup")]
    Join(#[source] ControlFileError),
    #[error(transparent)]
    Subgroup(#[from] super::SubgroupError),
    #[error("adding pid 0, the new process itself, to the cgroup")]
    Add(#[source] ControlFileError),
}

/// The processes of a group could not be stopped, found or killed, or its use could not be read.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ControlError {
    #[error(transparent)]
    File(#[from] ControlFileError),
    #[error("{path} was not {wanted} within {waited:?}")]
    Timeout { path: PathBuf, wanted: &'static str, waited: Duration },
    #[error("this host has no way to freeze a cgroup: neither the v1 freezer nor cgroup v2 is mounted")]
    NoFreezer,
    #[error("this host has no memory controller to be told of a lack of memory by")]
    NoMemoryController,
    #[error("watch {path} for a lack of memory")]
    Watch {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("kill process {pid} of {path}")]
    Kill {
        pid: i32,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A group could not be removed.
#[derive(Debug, Error)]
#[error("remove cgroup {path}")]
pub struct DestroyError {
    /// The group's folder.
    pub path: PathBuf,
    /// What the kernel said last.
    #[source]
    pub source: io::Error,
}
