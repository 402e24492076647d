//! What can go wrong with a step.

use std::io;
use std::path::PathBuf;

use cofferdam_image::{DocumentError, LayerError, StoreError};
use cofferdam_names::Digest;
use thiserror::Error;

use super::order::RunnerError;

/// Why a build failed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
#[non_exhaustive]
pub enum BuildError {
    #[error("line {line}: {text}")]
    Step { line: usize, text: String, source: Box<BuildError> },
    #[error("cannot {operation} {}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("the command ended with exit code {code}")]
    Exit { code: i32 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error("cannot use a document of the store")]
    Document(#[source] DocumentError),
    #[error("cannot run the command")]
    Runner(#[source] RunnerError),
    #[error("{path} is not in {tree}{hint}")]
    NotFound { path: String, tree: &'static str, hint: String },
    #[error("nothing matches {pattern} in {tree}")]
    NoMatch { pattern: String, tree: &'static str },
    #[error("cannot fetch {url}")]
    Fetch { url: String, source: RunnerError },
    #[error("{url} is {found}, and should be {expected}")]
    Checksum { url: String, expected: Digest, found: Digest },
    #[error("{0}")]
    Refused(String),
    #[error("there is no user or group {name:?} in the stage")]
    NoAccount { name: String },
    #[error("image {name} is not here")]
    NoImage { name: String },
    #[error(transparent)]
    Aside(RunnerError),
    #[error("the plan names a stage that it does not have")]
    NoStage,
}

impl BuildError {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}
