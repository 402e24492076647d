//! A content digest as OCI writes it (`sha256:` and 64 hexadecimal digits).

use serde::{Deserialize, Serialize};

use crate::text::{InvalidName, checked_name};

/// A SHA-256 content digest (OCI image-spec, descriptor.md, "Digests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

checked_name!(Digest, check_digest);

impl Digest {
    /// The digest whose 32 bytes were computed elsewhere.
    #[must_use]
    pub fn sha256(bytes: [u8; 32]) -> Self {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// The 64 hexadecimal digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

fn check_digest(text: &str) -> Result<(), InvalidName> {
    let valid = text
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    if valid {
        Ok(())
    } else {
        Err(InvalidName::new("digest", text, "it is sha256: and 64 lower-case hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sha256_with_64_digits() {
        assert!(Digest::sha256([7; 32]).as_str().parse::<Digest>().is_ok());
        for bad in ["", "sha256:", "sha512:00", &format!("sha256:{}", "A".repeat(64))] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
    }
}
