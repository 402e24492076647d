//! What is wrong in a file.

use std::fmt;

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// All that is wrong in a file: one line for each problem, `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Debug, Clone, Copy)]
pub struct ProblemList<'a> {
    /// The file, as given.
    pub file: &'a str,
    /// In the order of the text.
    pub problems: &'a [FileProblem],
}

impl fmt::Display for ProblemList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FileProblem { line, column, message } in self.problems {
            write!(f, "\n  {}:{line}:{column}: {message}", self.file)?;
        }
        Ok(())
    }
}
