//! What all parsers of this module share: their error, and numbers out of bytes.

use thiserror::Error;

/// A text that is not what the kernel's documentation says it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {what}: {text:?}")]
pub struct ParseError {
    /// What was expected ("uid_map line", "CapEff", ...).
    pub what: &'static str,
    /// What was there, cut to 80 characters.
    pub text: String,
}

impl ParseError {
    pub(super) fn new(what: &'static str, bytes: &[u8]) -> Self {
        Self { what, text: String::from_utf8_lossy(bytes).chars().take(80).collect() }
    }
}

/// A decimal number that is the whole of `bytes`.
pub(super) fn decimal<T: std::str::FromStr>(what: &'static str, bytes: &[u8]) -> Result<T, ParseError> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ParseError::new(what, bytes))
}

/// An unsigned number in `radix` that is the whole of `bytes`.
pub(super) fn radix(what: &'static str, bytes: &[u8], radix: u32) -> Result<u64, ParseError> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| u64::from_str_radix(text, radix).ok())
        .ok_or_else(|| ParseError::new(what, bytes))
}

/// The words of `bytes` between ASCII white space.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The lines of `bytes`; a last line without a newline counts, an empty one does not.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}
