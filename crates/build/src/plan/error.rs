//! Why a Dockerfile cannot be carried out as it is.

use thiserror::Error;

use crate::dockerfile::DockerfileError;

/// What stops a build before its first step.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PlanError {
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
    #[error(
        "line {line}: RUN: cannot run programs of {asked}: this machine is {host}, and binfmt_misc (/proc/sys/fs/binfmt_misc) has no \
         handler for them with the flag F; install one (Debian: qemu-user-static with binfmt-support), or begin a stage that runs something \
         with `FROM --platform=$BUILDPLATFORM`, and copy out of it"
    )]
    Platform { line: usize, asked: String, host: String },
    #[error("line {line}: the configuration of image {image} is not known")]
    NoBase { line: usize, image: String },
}

impl PlanError {
    /// The same error with the place in the Dockerfile of what it is about.
    #[must_use]
    pub fn located(self, text: &str) -> Self {
        match self {
            Self::Dockerfile(error) => Self::Dockerfile(error.located(text)),
            other => other,
        }
    }
}
