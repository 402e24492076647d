//! The packet rules, as data: the table with what is always in it, what a zone adds, and what a container adds. Pure.
//!
//! A container adds elements to sets and nothing else, and its link is in its zone's group, so that neither a packet's way nor a
//! container's start grows with the number of containers and zones.

mod base;
mod condition;
mod container;
mod ranges;
mod segment;
mod zone;

use std::fmt::Write;

use cofferdam_confinement::network::{LabelSelector, NamePattern};
use cofferdam_names::ZoneName;
use sha2::{Digest, Sha256};

pub(crate) use base::{Forwarding, base, base_note, chains, forwarding_of, rules as base_rules};
pub(crate) use container::{elements, is_way_of, named, shared_elements, target_address, ways};
pub(crate) use ranges::{Range, is_in};
pub(crate) use segment::{is_way, segments};
pub(crate) use zone::{ZoneObjects, zone};

/// The one table that is ours.
pub const TABLE: &str = "cofferdam";
/// The group of nfnetlink_log that denied packets are told to.
pub const LOG_GROUP: u16 = 0xcfd;

/// A set that has every container in it.
pub(crate) const ALL: &str = set::GATEWAY_OF[0];

/// What stands for a zone, or for some of its containers, in the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(crate) [u8; 16]);

impl Tag {
    fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // Each with its length, so that no two lists are the same text.
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest.finalize()[..16]);
        Self(tag)
    }

    /// A zone.
    #[must_use]
    pub fn zone(realm: &str, zone: &ZoneName) -> Self {
        Self::of(&["zone", realm, zone.as_str()])
    }

    /// The containers of a zone that have a label.
    #[must_use]
    pub fn label(realm: &str, zone: &ZoneName, label: &LabelSelector) -> Self {
        Self::of(&["label", realm, zone.as_str(), &label.key, &label.value])
    }

    /// The containers of a segment of a zone; an empty name for the zone's own one.
    #[must_use]
    pub fn segment(realm: &str, zone: &ZoneName, segment: &str) -> Self {
        Self::of(&["segment", realm, zone.as_str(), segment])
    }

    /// The addresses that a name rule of a zone stands for.
    #[must_use]
    pub fn name(realm: &str, zone: &ZoneName, pattern: &NamePattern) -> Self {
        Self::of(&["name", realm, zone.as_str(), pattern.as_str()])
    }

    /// The group of network devices that a zone's links are in (`IFLA_GROUP`), above those that people use. Two zones with the
    /// same one cannot be in the table together.
    #[must_use]
    pub fn group(self) -> u32 {
        u32::from_be_bytes([self.0[0] | 0x80, self.0[1], self.0[2], self.0[3]])
    }

    fn hex(self) -> String {
        self.0[..8].iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The names of the sets.
pub(crate) mod set {
    /// Which source addresses each link has.
    pub(crate) const SOURCES: [&str; 2] = ["sources4", "sources6"];
    /// What a zone's containers may send, to whom they are, what they may ask of the host, and what the host may of them.
    pub(crate) const OUT: &str = "out";
    pub(crate) const IN: &str = "in";
    pub(crate) const TO_HOST: &str = "to_host";
    pub(crate) const FROM_HOST: &str = "from_host";
    /// What each zone's rules were made from.
    pub(crate) const NOTES: &str = "notes";
    /// Which addresses have which tags.
    pub(crate) const MEMBERS: [&str; 2] = ["members4", "members6"];
    /// Which addresses names stand for, for a time.
    pub(crate) const NAMED: [&str; 2] = ["named4", "named6"];
    /// The host's addresses on the links.
    pub(crate) const GATEWAYS: [&str; 2] = ["gateways4", "gateways6"];
    /// The host's address on each link.
    pub(crate) const GATEWAY_OF: [&str; 2] = ["gateway_of4", "gateway_of6"];
    /// Published ports of one address of the host, and of all.
    pub(crate) const PUBLISHED: [&str; 2] = ["published4", "published6"];
    pub(crate) const PUBLISHED_ANY: [&str; 2] = ["published_any4", "published_any6"];
    /// Each address with itself: what a container sends to its own published port.
    pub(crate) const SELF: [&str; 2] = ["self4", "self6"];
    /// Addresses that are not public, that are private, and that no rule but their own means.
    pub(crate) const SPECIAL: [&str; 2] = ["special4", "special6"];
    pub(crate) const PRIVATE: [&str; 2] = ["private4", "private6"];
    pub(crate) const NEVER: [&str; 2] = ["never4", "never6"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_realms_zones_and_kinds_apart() {
        let (a, b): (ZoneName, ZoneName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let tags = [
            Tag::zone("/x", &a),
            Tag::zone("/x", &b),
            Tag::zone("/y", &a),
            Tag::segment("/x", &a, ""),
            Tag::segment("/x", &a, "s"),
            Tag::label("/x", &a, &LabelSelector { key: "s".to_owned(), value: String::new() }),
            Tag::name("/x", &a, &"s.example".parse().unwrap()),
        ];
        let different: std::collections::BTreeSet<_> = tags.into_iter().collect();
        assert_eq!(different.len(), 7);
    }
}
