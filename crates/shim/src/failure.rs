//! Why a container did not start, as it travels from the shim to its client.

use std::error::Error;
use std::fmt;

use cofferdam_proof::GateError;
use cofferdam_runtime::step::{Step, StepError};
use rustix::io::Errno;

use crate::{Connection, Frame};

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

    /// The exit code that a container's state shows after a failed start: Docker has 128 there where its client ends with
    /// 125.
    #[must_use]
    pub fn code_in_status(self) -> u8 {
        match self {
            Self::Engine => 128,
            other => other.code(),
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            126 => Self::CannotInvoke,
            127 => Self::NotFound,
            _ => Self::Engine,
        }
    }

    /// What a failed step of a start means.
    #[must_use]
    pub fn of_step(error: &StepError) -> Self {
        if error.step != Step::Exec {
            return Self::Engine;
        }
        match error.errno().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound,
            _ => Self::CannotInvoke,
        }
    }
}

/// A failure with its causes: the first message is the outermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which exit code it means.
    pub class: ExitClass,
    message: String,
    source: Option<Box<Failure>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Failure {
    /// The messages of an error and its causes.
    #[must_use]
    pub fn new(class: ExitClass, error: &dyn Error) -> Self {
        let source = error.source().map(|source| Box::new(Self::new(class, source)));
        Self { class, message: error.to_string(), source }
    }

    /// A failure of the engine's own with the operation before the cause.
    #[must_use]
    pub fn during(operation: impl Into<String>, error: &dyn Error) -> Self {
        let source = Some(Box::new(Self::new(ExitClass::Engine, error)));
        Self { class: ExitClass::Engine, message: operation.into(), source }
    }

    /// A failure without a deeper cause.
    #[must_use]
    pub fn plain(message: impl Into<String>) -> Self {
        Self { class: ExitClass::Engine, message: message.into(), source: None }
    }

    /// The chain in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source.as_deref();
        while let Some(failure) = cause {
            text.push_str(": ");
            text.push_str(&failure.message);
            cause = failure.source.as_deref();
        }
        text
    }

    /// Reads what came in [`Frame::Failed`].
    #[must_use]
    pub fn from_frame(class: u8, messages: &str) -> Self {
        let class = ExitClass::from_code(class);
        let mut lines = messages.split('\0').rev();
        let innermost = Self { class, message: lines.next().unwrap_or_default().to_owned(), source: None };
        lines.fold(innermost, |source, line| Self {
            class,
            message: line.to_owned(),
            source: Some(Box::new(source)),
        })
    }

    /// Sends it.
    ///
    /// # Errors
    /// The client has gone.
    pub fn send(&self, to: &Connection) -> std::io::Result<()> {
        let mut messages = self.message.clone();
        let mut cause = self.source.as_deref();
        while let Some(failure) = cause {
            messages.push('\0');
            messages.push_str(&failure.message);
            cause = failure.source.as_deref();
        }
        to.send(&Frame::Failed { class: self.class.code(), messages: &messages })
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self::new(ExitClass::of_step(&error), &error)
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        Self::new(ExitClass::Engine, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_causes_over_the_wire() {
        let cause = std::io::Error::from_raw_os_error(2);
        let failure = Failure::from(Step::Exec.failed("prog", cause));
        assert_eq!(failure.class, ExitClass::NotFound);
        let (one, other) = Connection::pair().unwrap();
        failure.send(&one).unwrap();
        let mut buffer = [0; crate::MAX_PACKET];
        let Some(Frame::Failed { class, messages }) = other.receive(&mut buffer).unwrap() else { panic!() };
        let read = Failure::from_frame(class, messages);
        assert_eq!(read, failure);
        assert!(read.chain().starts_with("exec prog: No such file"));
    }
}
