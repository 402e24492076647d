//! A container's id (chosen by a machine, or by an OCI caller) and its name (chosen by a person).

use serde::{Deserialize, Serialize};

use crate::text::{InvalidName, checked_name};

/// A container's id: what OCI runtimes accept (letters, digits, `_`, `+`, `-`, `.`), so that it is always a
/// safe file name. The engine makes 64 hexadecimal digits; OCI callers bring their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

checked_name!(ContainerId, check_id);

impl ContainerId {
    /// The first twelve characters, as listings show an id.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    /// An id of 64 hexadecimal digits from 32 random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn check_id(text: &str) -> Result<(), InvalidName> {
    let refuse = |rule| Err(InvalidName::new("container id", text, rule));
    if text.is_empty() || text.len() > 1024 {
        return refuse("it has 1 to 1024 characters");
    }
    if text == "." || text == ".." {
        return refuse("it is not . or ..");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-.".contains(&b)) {
        return refuse("only letters, digits, '_', '+', '-' and '.' are allowed");
    }
    Ok(())
}

/// A container's name as Docker allows it: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, and short enough to be part of a file's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

checked_name!(ContainerName, check_name);

fn check_name(text: &str) -> Result<(), InvalidName> {
    let refuse = |rule| Err(InvalidName::new("container name", text, rule));
    if text.len() < 2 || text.len() > 160 {
        return refuse("it has 2 to 160 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("it starts with a letter or a digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return refuse("only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_always_a_safe_file_name() {
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "ä", "\0"] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
        }
        for good in ["a", "test_1+x-y.z", "...", "-"] {
            assert!(good.parse::<ContainerId>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_random_id_has_64_hexadecimal_digits() {
        let id = ContainerId::from_random([0xab; 32]);
        assert_eq!(id.as_str(), "ab".repeat(32));
        assert_eq!(id.short(), "abababababab");
    }

    #[test]
    fn names_follow_docker() {
        for bad in ["", "a", "-a", ".a", "a/b", "a b"] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad:?}");
        }
        assert!("web-1.test_x".parse::<ContainerName>().is_ok());
    }
}
