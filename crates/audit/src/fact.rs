//! A fact: a value, or the reason why nobody knows it.

use serde::{Serialize, Serializer};

/// Something that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is this.
    Known(T),
    /// It could not be found out.
    Unknown(Unknown),
}

/// Why something is not known. A check that meets one ends with it (`?`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unknown(pub String);

impl<T> Fact<T> {
    /// The fact that nothing is known, for this reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(Unknown(reason.into()))
    }

    /// The value, or the reason why there is none.
    pub fn get(&self) -> Result<&T, Unknown> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(reason) => Err(reason.clone()),
        }
    }

    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The same about another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(change(value)),
            Self::Unknown(reason) => Fact::Unknown(reason),
        }
    }
}

impl<T> From<Result<T, Unknown>> for Fact<T> {
    fn from(result: Result<T, Unknown>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(reason) => Self::Unknown(reason),
        }
    }
}

/// A known value as itself, an unknown one as `{"unknown": "reason"}`.
impl<T: Serialize> Serialize for Fact<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Gap<'a> {
            unknown: &'a Unknown,
        }
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Unknown(unknown) => Gap { unknown }.serialize(serializer),
        }
    }
}
