//! A trust zone's name.

use serde::{Deserialize, Serialize};

use crate::text::{InvalidName, checked_name};

/// A zone's name: a DNS label (RFC 1123: lower-case letters, digits and `-`, at most 63), because the zone's
/// resolver and Kubernetes labels use it as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);

checked_name!(ZoneName, check_zone);

fn check_zone(text: &str) -> Result<(), InvalidName> {
    let label = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-');
    if label {
        Ok(())
    } else {
        Err(InvalidName::new(
            "zone name",
            text,
            "it is a DNS label: 1 to 63 of a-z, 0-9 and '-', not at either end",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_name_is_a_dns_label() {
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(64)] {
            assert!(bad.parse::<ZoneName>().is_err(), "{bad:?}");
        }
        assert!("host-tools".parse::<ZoneName>().is_ok());
    }
}
