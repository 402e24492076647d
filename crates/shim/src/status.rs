//! What became of a container: `status.json`, replaced as a whole by whoever holds the container's lock.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_kernel::signal::Signal;
use cofferdam_names::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Failure;

/// The states that Docker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its first process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended, and will be started again after a delay.
    Restarting,
    /// It is being removed.
    Removing,
    /// It ended.
    Exited,
    /// It could not be started or removed.
    Dead,
}

impl ContainerState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether a shim must be alive in this state.
    #[must_use]
    pub fn has_shim(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl std::fmt::Display for ContainerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ContainerState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use ContainerState::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
        [Created, Running, Paused, Restarting, Removing, Exited, Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("unknown container state {text:?}"))
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitStatus {
    /// Its exit code; 128 and the signal's number where a signal ended it.
    pub code: u8,
    /// The signal that ended it.
    pub signal: Option<Signal>,
    /// Whether the kernel killed a process of the container for want of memory.
    pub oom_killed: bool,
}

/// The contents of `status.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Its state.
    pub state: ContainerState,
    /// Its first process as the host numbers it; 0 when there is none.
    pub pid: i32,
    /// The last start.
    pub started: Option<Timestamp>,
    /// The last end.
    pub finished: Option<Timestamp>,
    /// How it ended the last time.
    pub exit: Option<ExitStatus>,
    /// Why it could not be started, or what was lost.
    pub error: Option<String>,
    /// How often its restart policy has started it since a person did.
    pub restarts: u32,
    /// Whether a person stopped it (`unless-stopped` looks at it).
    pub stopped_by_user: bool,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: ContainerState::Created,
            pid: 0,
            started: None,
            finished: None,
            exit: None,
            error: None,
            restarts: 0,
            stopped_by_user: false,
        }
    }
}

/// Why a status could not be read or written.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The file system said no.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// `read` or `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no container status", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: serde_json::Error,
    },
}

impl Status {
    /// What becomes of it by a start that failed: as with Docker, the state stays what it was, with the reason and the exit
    /// code that the container would have had.
    #[must_use]
    pub fn of_failed_start(&self, failure: &Failure) -> Self {
        let exit = ExitStatus { code: failure.class.code_in_status(), ..ExitStatus::default() };
        Self { error: Some(failure.chain()), exit: Some(exit), ..self.clone() }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`StatusError`]; a missing file is an I/O error of kind `NotFound`.
    pub fn read(path: &Path) -> Result<Self, StatusError> {
        read_record(path)
    }

    /// Replaces the file: a reader sees the old or the new one, never a part. Not synced: after a power cut the old
    /// status may be back, which the next command sees by the free lock.
    ///
    /// # Errors
    /// [`StatusError::Io`]
    pub fn write(&self, path: &Path) -> Result<(), StatusError> {
        write_record(self, path)
    }
}

/// Reads what is known of a container from its file.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Path) -> Result<T, StatusError> {
    let text = std::fs::read(path).map_err(|source| StatusError::Io {
        operation: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| StatusError::Malformed { path: path.to_owned(), source })
}

/// Replaces such a file in one step.
pub(crate) fn write_record(record: &impl Serialize, path: &Path) -> Result<(), StatusError> {
    let fail = |source| StatusError::Io { operation: "write", path: path.to_owned(), source };
    let text = serde_json::to_vec(record)
        .map_err(|source| StatusError::Malformed { path: path.to_owned(), source })?;
    let next = path.with_extension("next");
    std::fs::write(&next, text).map_err(fail)?;
    std::fs::rename(&next, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        assert!(matches!(Status::read(&path), Err(StatusError::Io { .. })));
        let status = Status {
            state: ContainerState::Exited,
            started: Some(Timestamp::from_unix(1, 2)),
            exit: Some(ExitStatus { code: 137, signal: Some(Signal::KILL), oom_killed: true }),
            ..Status::default()
        };
        status.write(&path).unwrap();
        assert_eq!(Status::read(&path).unwrap(), status);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Status::read(&path), Err(StatusError::Malformed { .. })));
    }
}
