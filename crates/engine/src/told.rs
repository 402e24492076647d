//! An error that another process has told of: its messages, from the operation down to the cause.

use std::error::Error;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_along() {
        let inner = std::io::Error::other("no room");
        let error = crate::Error::io("write", "a file", inner);
        let told: Told = serde_json::from_str(&serde_json::to_string(&Told::of(&error)).unwrap()).unwrap();
        assert_eq!(told.to_string(), "cannot write a file");
        assert_eq!(told.source().unwrap().to_string(), error.source().unwrap().to_string());
    }
}
