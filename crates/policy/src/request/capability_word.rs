//! `--cap-add` and `--cap-drop`.

use std::fmt;
use std::str::FromStr;

use cofferdam_kernel::capability::{CapSet, Capability};
use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// A capability, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CapabilityWord {
    /// `ALL`
    All,
    /// `CAP_CHOWN`, `chown`, ...
    One(Capability),
}

impl CapabilityWord {
    /// The set that a list of words names.
    #[must_use]
    pub fn set(words: &[Self]) -> CapSet {
        words.iter().fold(CapSet::EMPTY, |mut set, word| match word {
            Self::All => CapSet::full(),
            Self::One(capability) => {
                set.insert(*capability);
                set
            }
        })
    }
}

impl FromStr for CapabilityWord {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        text.parse()
            .map(Self::One)
            .map_err(|_| InvalidOption::new("capability", text, "the kernel has none with this name"))
    }
}

impl TryFrom<String> for CapabilityWord {
    type Error = InvalidOption;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CapabilityWord> for String {
    fn from(word: CapabilityWord) -> String {
        word.to_string()
    }
}

impl fmt::Display for CapabilityWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::One(capability) => write!(f, "{capability}"),
        }
    }
}
