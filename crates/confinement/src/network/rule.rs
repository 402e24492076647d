//! The packet rules of a zone.

use std::fmt;
use std::str::FromStr;

use cofferdam_names::ZoneName;
use serde::{Deserialize, Serialize};

use super::address::{AddressRange, InvalidNetworkText, as_text};
use super::port::Service;

/// The packet rules of a zone. What no rule allows is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneRules {
    /// Whether containers of the zone reach each other, each in its segments.
    pub trust: bool,
    /// Where its containers may connect to. To a container of another zone only as that zone's `ingress` says too.
    pub egress: Vec<Rule>,
    /// Who may connect to its containers. From outside only to published ports.
    pub ingress: Vec<Rule>,
    /// The most connections that one container may have open; none for no limit.
    pub connections: Option<u32>,
    /// The most connections that one container may begin in a second; none for no limit.
    pub connections_per_second: Option<u32>,
    /// The most connections that all containers of the zone together may have begun and have open; none for no limit.
    pub zone_connections: Option<u32>,
    /// Whether denied packets are recorded.
    pub log: bool,
}

/// Who or what, and which services there: `TARGET [PROTOCOL[/PORTS]]...`, such as `zone:db tcp/5432`. All services where none is
/// named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// Who or what.
    pub target: Target,
    /// The services; empty for all.
    pub services: Vec<Service>,
}

as_text!(Rule);

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `any`: everything outside this host but link-local addresses, such as the metadata services of clouds.
    Any,
    /// `internet`: public addresses.
    Internet,
    /// `private`: private addresses (RFC 1918, RFC 6598, RFC 4193) that are no container's.
    Private,
    /// `host`: the host itself.
    Host,
    /// Addresses outside this host.
    Range(AddressRange),
    /// What a DNS name stands for; for `egress` alone.
    Name(NamePattern),
    /// `zone:NAME [label:KEY=VALUE]`: containers of another zone, or of the own one.
    Zone(ZoneName, Option<LabelSelector>),
    /// `label:KEY=VALUE`: containers of the own zone.
    Label(LabelSelector),
}

/// A label that a container must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "KEY=VALUE")]
pub struct LabelSelector {
    pub key: String,
    pub value: String,
}

/// A DNS name, or with `*.` before it every name below it and not itself; in lower case, without a dot at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern(String);

as_text!(NamePattern);

impl NamePattern {
    /// Whether a name is meant; case and a dot at the end do not matter.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        match self.0.strip_prefix('*') {
            Some(below) => name.len() > below.len() && name.ends_with(below),
            None => name == self.0,
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamePattern {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        // RFC 1035, 2.3.4; a last part of digits alone would be an address. Without a dot it could be a mistyped word.
        let last = name.rsplit('.').next().unwrap_or_default();
        let valid = name.len() <= 253
            && name.contains('.')
            && name.split('.').all(label)
            && !last.bytes().all(|byte| byte.is_ascii_digit());
        let rule = "it is a DNS name with a dot in it, and may begin with \"*.\"";
        if valid { Ok(Self(lower)) } else { Err(InvalidNetworkText::new("DNS name", text, rule)) }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "label:{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_what_is_below() {
        let below: NamePattern = "*.Example.org".parse().unwrap();
        assert!(below.matches("a.example.org") && below.matches("a.b.EXAMPLE.org."));
        assert!(!below.matches("example.org") && !below.matches("badexample.org"));
        let one: NamePattern = "api.example.org.".parse().unwrap();
        assert!(one.matches("api.example.org") && !one.matches("x.api.example.org"));
        for text in ["", "*", "*.", "internte", "a..b", "-a.b", "1.2.3.4", "a b.c", "*.*.a"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text}");
        }
    }
}
