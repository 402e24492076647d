//! Files that people write: TOML, read key by key. Each value keeps the line that it stands on, an unknown key is an error
//! that says what may have been meant, and every problem of a file is told at once, with its line and column.
//!
//! What the values mean is for those who read them. The crate opens no file.

mod place;
mod problem;
mod reader;
mod suggestion;

pub use place::{Place, Setting};
pub use problem::{FileProblem, ProblemList};
pub use reader::{Entry, Reader, Section, unsigned};
