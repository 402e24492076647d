//! What can go wrong, and which of Docker's exit codes it means.

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
        ExitClass::Engine
    }
}
