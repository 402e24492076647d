//! Addresses that a forwarded name may not lead to.
//!
//! A name's owner decides which addresses it has. If one could be the host's, its neighbours' or the metadata service's, whoever owns
//! an allowed name would choose what a container reaches there ("DNS rebinding"). So an address that is not of the open internet is
//! taken out of an answer, but where the zone allows that address by itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::LazyLock;

use cofferdam_confinement::network::METADATA;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A range of addresses, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no range of addresses (10.0.0.0/8, 2001:db8::/32)")]
pub struct InvalidRange(String);

impl Range {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                (u64::from(first.to_bits()) >> shift) == (u64::from(address.to_bits()) >> shift)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                let part = |value: u128| value.checked_shr(shift).unwrap_or(0);
                part(first.to_bits()) == part(address.to_bits())
            }
            _ => false,
        }
    }
}

impl Range {
    /// The range of an address's network.
    #[must_use]
    pub fn around(address: IpAddr, bits: u8) -> Self {
        Self { first: address, bits: bits.min(if address.is_ipv4() { 32 } else { 128 }) }
    }
}

/// The addresses near this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Near {
    /// Its own: none where they are not known.
    pub own: Vec<IpAddr>,
    /// The networks that they are of.
    pub neighbours: Vec<Range>,
}

impl Near {
    /// What is known of the host by its addresses, each with the leading bits that its network has.
    #[must_use]
    pub fn of(addresses: impl IntoIterator<Item = (IpAddr, u8)>) -> Self {
        let mut near = Self::default();
        for (address, bits) in addresses {
            near.own.push(address);
            near.neighbours.push(Range::around(address, bits));
        }
        near
    }

    /// Whether an address of the open internet is a neighbour's all the same.
    #[must_use]
    pub fn is_neighbour(&self, address: IpAddr) -> bool {
        self.neighbours.iter().any(|range| range.contains(address))
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRange(text.chars().take(100).collect());
        let (first, bits) = text.split_once('/').map_or((text, None), |(first, bits)| (first, Some(bits)));
        let first: IpAddr = first.parse().map_err(|_| invalid())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| invalid()))?;
        if bits > most {
            return Err(invalid());
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl TryFrom<String> for Range {
    type Error = InvalidRange;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

/// What an address is, as far as it keeps it out of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// One of the open internet.
    Public,
    /// Of a network that is somebody's own, or of one with a special use: allowed where the zone allows it by itself.
    Private,
    /// The reader's own machine, its link, a group, or nothing: never in an answer.
    Never,
}

/// The class of an address (the registries of special-purpose addresses, RFC 6890). An IPv6 address that carries an IPv4 one (mapped,
/// translated by the well-known prefix, 6to4) is as that is.
#[must_use]
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// Whether a cloud's metadata service is there.
fn is_metadata(address: IpAddr) -> bool {
    static RANGES: LazyLock<Vec<Range>> =
        LazyLock::new(|| METADATA.iter().filter_map(|text| text.parse().ok()).collect());
    RANGES.iter().any(|range| range.contains(address))
}

fn class_v4(address: Ipv4Addr) -> Class {
    if is_metadata(address.into()) {
        return Class::Never;
    }
    match address.octets() {
        [0 | 127 | 224..=255, ..] | [169, 254, ..] => Class::Never,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Class::Private,
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Class::Private
        }
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    if is_metadata(address.into()) {
        return Class::Never;
    }
    let segments = address.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // Mapped: a socket that is bound to IPv6 reaches the IPv4 address with it.
        [0, 0, 0, 0, 0, 0xFFFF, ..] | [0, 0, 0, 0, 0xFFFF, 0, ..] => Class::Never,
        // ::, ::1 and the old "compatible" ones.
        [0, 0, 0, 0, 0, 0, ..] => Class::Never,
        // Link-local, the old site-local, multicast.
        [0xFE80..=0xFEFF, ..] | [0xFF00..=0xFFFF, ..] => Class::Never,
        // NAT64 (RFC 6052), and 6to4.
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => class_v4(inner(high, low)),
        [0x2002, high, low, ..] => class_v4(inner(high, low)),
        // Unique local, local NAT64, discard-only.
        [0xFC00..=0xFDFF, ..] | [0x64, 0xFF9B, ..] | [0x100, ..] => Class::Private,
        // Teredo, ORCHID and their like; documentation.
        [0x2001, 0..=0x1FF, ..] | [0x2001, 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Class::Private,
        // Only this is given out.
        [0x2000..=0x3FFF, ..] => Class::Public,
        _ => Class::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(text: &str) -> Class {
        class(text.parse().unwrap())
    }

    #[test]
    fn the_machine_and_its_link_are_never_answered() {
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::fb",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "64:ff9b::a83f:8110",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            assert_eq!(class_of(address), Class::Never, "{address}");
        }
    }

    #[test]
    fn private_networks_are_told_from_public_ones() {
        for address in ["10.1.2.3", "172.31.0.1", "192.168.0.1", "100.100.100.201", "fd00::1", "2001:db8::1"]
        {
            assert_eq!(class_of(address), Class::Private, "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "2606:4700::1", "64:ff9b::808:808"] {
            assert_eq!(class_of(address), Class::Public, "{address}");
        }
    }

    #[test]
    fn a_range_holds_its_own_addresses() {
        let inside =
            |range: &str, address: &str| range.parse::<Range>().unwrap().contains(address.parse().unwrap());
        assert!(inside("10.0.0.0/8", "10.255.0.1") && !inside("10.0.0.0/8", "11.0.0.1"));
        assert!(
            inside("0.0.0.0/0", "8.8.8.8") && inside("::/0", "2001:db8::1") && !inside("::/0", "8.8.8.8")
        );
        assert!(inside("2001:db8::/32", "2001:db8:1::1") && !inside("2001:db8::/32", "2001:db9::1"));
        assert!(inside("192.0.2.7", "192.0.2.7") && !inside("192.0.2.7", "192.0.2.8"));
        assert!("10.0.0.0/33".parse::<Range>().is_err() && "x/8".parse::<Range>().is_err());
    }
}
