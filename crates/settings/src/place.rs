//! Values with the place where they are written.

use std::fmt;
use std::sync::Arc;

/// Where a setting is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as messages show it: a path, or `<built in>/NAME.toml`.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A value with the place where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub place: Place,
}

impl<T> Setting<T> {
    /// Puts both together.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}
