//! What a command of this face can fail with, and how it is told.

use std::path::PathBuf;

use cofferdam_runtime::lifecycle::LifecycleError;
use cofferdam_runtime::oci::{BundleError, ConfigError, DocumentError};
use cofferdam_runtime::step::{Step, StepError};
use thiserror::Error;

/// A command line that cannot be understood.
#[derive(Debug, Error)]
pub(super) enum UsageError {
    #[error("flag provided but not defined: {0}")]
    UnknownFlag(String),
    #[error("flag needs an argument: --{0}")]
    MissingValue(String),
    #[error("{0}: a switch takes true or false")]
    NotABoolean(String),
    #[error("invalid value {text:?} for --{flag}: it is a number")]
    NotANumber { flag: &'static str, text: String },
    #[error("invalid value {text:?} for --{flag}: {rule}")]
    Value { flag: &'static str, text: String, rule: String },
    #[error("{command:?} requires {wanted}, and {given} were given")]
    Count { command: &'static str, wanted: &'static str, given: usize },
    #[error("No help topic for '{0}': there is no such command; --help lists them")]
    UnknownCommand(String),
    #[error("an argument is not UTF-8: {0:?}")]
    NotText(std::ffi::OsString),
    #[error(transparent)]
    Name(#[from] cofferdam_names::InvalidName),
}

/// Why a command failed.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("invalid configuration")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("{what} {path}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{what}")]
    System { what: &'static str, source: std::io::Error },
}

impl CommandError {
    /// What a caller of `run` and `create` reads: the chain, with runc's words before it that say how far the start came.
    pub(super) fn of_start(&self) -> String {
        let Some(error) = self.step() else { return chain(self) };
        let text = chain(error);
        match error.step {
            Step::Channel | Step::OpenNamespace | Step::Cgroup | Step::CgroupLimit | Step::Clone => {
                format!("unable to start container process: {text}")
            }
            _ => format!("unable to start container process: error during container init: {text}"),
        }
    }

    fn step(&self) -> Option<&StepError> {
        match self {
            Self::Lifecycle(LifecycleError::Step(error)) | Self::Step(error) => Some(error),
            _ => None,
        }
    }

    /// Whether all was well but the container's program could not be executed.
    pub(super) fn is_exec(&self) -> bool {
        self.step().is_some_and(|error| error.step == Step::Exec)
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// The whole chain in one line, outermost first. Error numbers read as C's strerror(3) has them in lower case: that is
/// how Go's runtimes write them, and what their callers look for.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut link = Some(error);
    while let Some(error) = link {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&one(error));
        link = error.source();
    }
    text
}

fn one(error: &(dyn std::error::Error + 'static)) -> String {
    let text = match error.downcast_ref::<StepError>() {
        // runc's words, which its callers know.
        Some(StepError { step: Step::Mount | Step::MountSource, subject, .. }) => {
            format!("error mounting {subject}")
        }
        _ => error.to_string(),
    };
    let Some(number) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) else {
        return text;
    };
    // std adds the number: "Permission denied (os error 13)".
    let words = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_one_line_with_gos_words_for_error_numbers() {
        let source = std::io::Error::from_raw_os_error(13);
        let error = CommandError::File { what: "cannot open", path: "/x".into(), source };
        assert_eq!(chain(&error), "cannot open /x: permission denied");
    }
}
