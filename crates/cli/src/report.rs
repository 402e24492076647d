//! What a person is told when a command fails, and the exit status that goes with it.

use std::error::Error;
use std::fmt::Write;
use std::process::ExitCode;

use crate::plain;

/// Docker's status for "the engine could not do it" of `run`, `create` and `exec`.
pub(crate) const ENGINE_FAILED: u8 = 125;

/// A failure: what was attempted, why it did not work, and what could be done.
#[derive(Debug)]
pub(crate) struct Report {
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    status: u8,
    /// Nobody reads what would be said (`cofferdam ps | head -1`).
    silent: bool,
}

/// What a command ends with: its exit status, or a report.
pub(crate) type Outcome = Result<ExitCode, Report>;

impl Report {
    /// A failure in one line: operation and subject.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hints: Vec::new(), status: 1, silent: false }
    }

    /// The failure that an error and its sources describe.
    pub(crate) fn from_error(error: &dyn Error) -> Self {
        let report = Self::new(error.to_string());
        match error.source() {
            Some(source) => report.because(source),
            None => report,
        }
    }

    /// Adds an error and its sources as causes. One that only repeats what was said before it is left out.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last().unwrap_or(&self.message) != &text {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds what could be done.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit status.
    pub(crate) fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// Whether the command fails by it: what is said with exit status 0 is only told.
    pub(crate) fn is_failure(&self) -> bool {
        self.status != 0
    }

    /// The text, with a newline at its end.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("cofferdam: {}\n", indented(&self.message, "  "));
        for (word, lines) in [("cause", &self.causes), ("hint", &self.hints)] {
            for line in lines {
                let _ = writeln!(text, "  {word}: {}", indented(line, "         "));
            }
        }
        // Texts of images, archives and registries may be in it, and must not drive the terminal.
        plain::lines(&text).into_owned()
    }

    /// Says it on standard error and gives the exit status.
    pub(crate) fn finish(self) -> ExitCode {
        if !self.silent {
            use std::io::Write;
            // Nothing is left to tell where even standard error is gone.
            let _ = std::io::stderr().lock().write_all(self.text().as_bytes());
        }
        ExitCode::from(self.status)
    }
}

/// A text whose further lines are seen to be its own: a name with a line end in it makes no line of ours.
fn indented(text: &str, margin: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{margin}"))
}

/// Writing to standard output failed. A closed pipe is no failure to talk about: the reader has seen enough.
impl From<std::io::Error> for Report {
    fn from(error: std::io::Error) -> Self {
        const KILLED_BY_SIGPIPE: u8 = 128 + 13;
        let report = Self::new("cannot write the output").because(&error);
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { silent: true, ..report.status(KILLED_BY_SIGPIPE) };
        }
        report
    }
}

impl From<crate::template::TemplateError> for Report {
    fn from(error: crate::template::TemplateError) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_no_line_of_ours_and_moves_no_cursor() {
        let text = Report::new("cannot copy c:/\x1b[2Jf\n  hint: run rm").text();
        assert_eq!(text, "cofferdam: cannot copy c:/\\x1b[2Jf\n    hint: run rm\n");
    }

    #[test]
    fn one_chain() {
        let inner = std::io::Error::from_raw_os_error(2);
        let report = Report::new("cannot read x").because(&inner).hint("make x").hint("two\nlines");
        assert_eq!(
            report.text(),
            "cofferdam: cannot read x\n  cause: No such file or directory (os error 2)\n  hint: make x\n  hint: two\n         lines\n"
        );
    }
}
