//! From bytes to a shape, with the place of a fault.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes that are not the JSON shape they should be.
#[derive(Debug, Error)]
#[error("{place}: {source}")]
pub struct ParseError {
    /// The path of the faulty property (`linux.namespaces[0].type`), or "the document".
    pub place: String,
    /// What is wrong there, with line and column.
    pub source: serde_json::Error,
}

/// Reads one document.
///
/// The place of a fault is found by a second, slower reading, so that a good document costs one plain reading.
///
/// # Errors
/// If the bytes are no JSON, or a property has another type or value than the specification gives it.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ParseError> {
    serde_json::from_slice(bytes).map_err(|source| {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(traced) if traced.path().iter().next().is_some() => {
                ParseError { place: traced.path().to_string(), source: traced.into_inner() }
            }
            _ => ParseError { place: "the document".to_owned(), source },
        }
    })
}
