//! The name of a key that this host trusts.

use serde::{Deserialize, Serialize};

use crate::text::{InvalidName, checked_name};

/// What a trusted key is called (`image trust`): a file name without surprises.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

checked_name!(KeyName, check_key);

fn check_key(text: &str) -> Result<(), InvalidName> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'-' | b'_' | b'.'));
    if good {
        Ok(())
    } else {
        Err(InvalidName::new(
            "key name",
            text,
            "it is 1 to 64 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_name_is_a_plain_file_name() {
        for bad in ["", ".", "..", "a/b", "A", "-a", ".a", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
        }
        assert!("release-2026.1".parse::<KeyName>().is_ok());
    }
}
