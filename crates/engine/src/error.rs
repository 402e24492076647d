//! What can go wrong, and which of Docker's exit codes it means.

use std::io;

use cofferdam_names::ContainerId;
use cofferdam_policy::PolicyError;
use cofferdam_runtime::step::{Step, StepError};
use cofferdam_shim::StatusError;
use thiserror::Error;

/// The exit codes that `docker run` and `docker exec` have for failures that are not the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitClass {
    /// 125: the engine refused or failed.
    Engine,
    /// 126: the program was found but cannot be executed.
    CannotInvoke,
    /// 127: the program was not found.
    NotFound,
}

impl ExitClass {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Engine => 125,
            Self::CannotInvoke => 126,
            Self::NotFound => 127,
        }
    }
}

/// Any operation's failure. Each message says operation and subject; the cause is in `source()`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call or a file.
    #[error("cannot {operation} {subject}")]
    Io {
        /// What was done.
        operation: &'static str,
        /// What it was done to.
        subject: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The container does not run.
    #[error("container {} is not running", id.short())]
    NotRunning {
        /// Which.
        id: ContainerId,
    },
    /// The container is paused.
    #[error("container {} is paused; unpause it first", id.short())]
    Paused {
        /// Which.
        id: ContainerId,
    },
    /// The container has no cgroup of its own, so nothing counts for it.
    #[error("container {} has no cgroup of its own: its resources are not counted", id.short())]
    NoCgroup {
        /// Which.
        id: ContainerId,
    },
    /// Its cgroup could not be used.
    #[error("cannot use the cgroup of container {}", id.short())]
    Cgroup {
        /// Whose.
        id: ContainerId,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its status could not be read.
    #[error("cannot tell the state of a container")]
    Status {
        /// The reason.
        #[source]
        source: StatusError,
    },
    /// A step in the container failed.
    #[error("cannot start a process in the container")]
    Step {
        /// Which, and why.
        #[source]
        source: StepError,
    },
    /// The zone or the request does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The operation is not built yet.
    #[error("cannot {0}: this version does not have it yet")]
    NotBuilt(&'static str),
}

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Which of Docker's exit codes it means.
    #[must_use]
    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::Step { source } => step_class(source),
            _ => ExitClass::Engine,
        }
    }

    pub(crate) fn io(operation: &'static str, subject: impl std::fmt::Display, source: io::Error) -> Self {
        Self::Io { operation, subject: subject.to_string(), source }
    }
}

impl From<StepError> for Error {
    fn from(source: StepError) -> Self {
        Self::Step { source }
    }
}

/// A program that is not there is 127, one that cannot be executed 126; everything else is the engine's 125.
fn step_class(error: &StepError) -> ExitClass {
    match (error.step, error.source.kind()) {
        (Step::Exec | Step::WorkingDirectory, io::ErrorKind::NotFound) => ExitClass::NotFound,
        (Step::Exec | Step::WorkingDirectory, _) => ExitClass::CannotInvoke,
        _ => ExitClass::Engine,
    }
}
