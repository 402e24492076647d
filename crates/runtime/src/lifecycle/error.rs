//! What can go wrong between the commands of a container's life.

use std::path::PathBuf;

use cofferdam_names::ContainerId;
use thiserror::Error;

use crate::cgroup::error::{ApplyError, ControlError, CreateError, DestroyError, DetectError};
use crate::step::StepError;

/// Why a command failed. Where callers of OCI runtimes look for a text, it is runc's.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LifecycleError {
    #[error("container with given ID already exists: {0}")]
    Exists(ContainerId),
    #[error("container does not exist: {0}")]
    Missing(ContainerId),
    #[error("container {0} is being created or deleted by another command")]
    Busy(ContainerId),
    #[error("{what} {path}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the record {path} cannot be read; remove the container with delete --force")]
    Record { path: PathBuf, source: serde_json::Error },
    #[error("cannot start an already running container")]
    AlreadyRunning,
    #[error("cannot start a container that has stopped")]
    HasStopped,
    #[error("container not running")]
    NotRunning,
    #[error("container not running or created: {0}")]
    NotPausable(&'static str),
    #[error("container not paused")]
    NotPaused,
    #[error("cannot delete container {id} that is not stopped: {status}")]
    NotStopped { id: ContainerId, status: &'static str },
    #[error("the container has no cgroup of its own")]
    NoGroup,
    #[error("cannot send signal {signal} to the container's process")]
    Signal { signal: i32, source: std::io::Error },
    #[error("the container's first process did not end when it was killed")]
    WouldNotEnd,
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the container was not let run")]
    Gate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot find the control groups")]
    Detect(#[from] DetectError),
    #[error("cannot open the container's cgroup")]
    Open(#[from] CreateError),
    #[error("cannot control the container's cgroup")]
    Control(#[from] ControlError),
    #[error("cannot change the container's limits")]
    Apply(#[from] ApplyError),
    #[error("cannot remove the container's cgroup")]
    Destroy(#[from] DestroyError),
    #[error("failed to connect with seccomp agent {path}, to hand it the listener")]
    Agent { path: PathBuf, source: std::io::Error },
}

impl LifecycleError {
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<std::io::Error>,
    ) -> Self {
        Self::File { what, path: path.into(), source: source.into() }
    }
}
