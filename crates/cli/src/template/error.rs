//! What can be wrong with a template.

use thiserror::Error;

/// A template that cannot be read, or that does not fit the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("--format: {message} (column {column})")]
pub(crate) struct TemplateError {
    /// What is wrong.
    pub(crate) message: String,
    /// Where: the first character of the template is column 1.
    pub(crate) column: usize,
}

impl TemplateError {
    pub(super) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), column }
    }
}
