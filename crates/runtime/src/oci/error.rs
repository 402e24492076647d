//! Why a configuration is refused.

use thiserror::Error;

/// One property of a `config.json` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The path of the property, as `jq` would address it without its leading dot: `linux.namespaces[2].path`.
    pub field: String,
    /// What is wrong with it, why, and what to do.
    pub problem: String,
}

impl ConfigError {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// For `map_err`: a value's own error as the problem of a property.
pub(super) fn at<E: std::fmt::Display>(field: impl Into<String>) -> impl FnOnce(E) -> ConfigError {
    move |error| ConfigError::new(field, error.to_string())
}
