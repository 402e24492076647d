//! What all names share: how a refusal reads, and the glue between a checked string and serde.

use thiserror::Error;

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid {kind} {text:?}: {rule}")]
pub struct InvalidName {
    /// What was expected, in the field's words ("container name", "zone name", ...).
    pub kind: &'static str,
    /// The text as it was given, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl InvalidName {
    pub(crate) fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), rule }
    }
}

/// Gives a newtype over `String` its way in (`FromStr`, `TryFrom<String>`, serde) and its ways out.
macro_rules! checked_name {
    ($name:ident, $check:path) => {
        impl std::str::FromStr for $name {
            type Err = $crate::text::InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = $crate::text::InvalidName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text)?;
                Ok(Self(text))
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use checked_name;
