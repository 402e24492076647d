//! An error that another process has told of: its messages, from the operation down to the cause.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One message of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    message: String,
    cause: Option<Box<Told>>,
}

impl Told {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let cause = error.source().map(|cause| Box::new(Self::of(cause)));
        Self { message: error.to_string(), cause }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Writes what another process is to have as an answer.
pub(crate) fn write_answer<T: Serialize>(
    answer: crate::error::Result<T>,
    mut to: impl Write,
) -> io::Result<()> {
    let answer = answer.map_err(|error| Told::of(&error));
    to.write_all(&serde_json::to_vec(&answer)?)
}

/// Reads what another process has written so, until it has closed its end.
pub(crate) fn read_answer<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Result<T, Told>> {
    let mut text = Vec::new();
    from.read_to_end(&mut text)?;
    if text.is_empty() {
        return Err(io::Error::other("the process that was to do it has ended without an answer"));
    }
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_along() {
        let inner = io::Error::other("no room");
        let error = crate::Error::io("write", "a file", inner);
        let told: Told = serde_json::from_str(&serde_json::to_string(&Told::of(&error)).unwrap()).unwrap();
        assert_eq!(told.to_string(), "cannot write a file");
        assert_eq!(told.source().unwrap().to_string(), error.source().unwrap().to_string());
    }

    #[test]
    fn an_answer_arrives_and_a_missing_one_is_an_error() {
        let mut text = Vec::new();
        write_answer(Ok(7), &mut text).unwrap();
        assert_eq!(read_answer::<u32>(text.as_slice()).unwrap(), Ok(7));
        let missing = read_answer::<u32>([].as_slice()).unwrap_err();
        assert!(missing.to_string().contains("without an answer"), "{missing}");
    }
}
