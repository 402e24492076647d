//! Ranges of addresses and hardware addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text of the network's that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid {what} {text:?}: {rule}")]
pub struct InvalidNetworkText {
    /// What it should be.
    pub what: &'static str,
    /// As given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl InvalidNetworkText {
    pub(super) fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.to_owned(), rule }
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = InvalidNetworkText;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
pub(super) use as_text;

/// All addresses that begin with the same bits (RFC 4632).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    first: IpAddr,
    prefix: u8,
}

as_text!(AddressRange);

impl AddressRange {
    /// The range of a first address and the number of bits that are the same; none if the address has bits below them.
    #[must_use]
    pub fn new(first: IpAddr, prefix: u8) -> Option<Self> {
        let range = Self { first, prefix };
        (prefix <= range.width() && bits(first) & range.host_bits() == 0).then_some(range)
    }

    /// One address alone.
    #[must_use]
    pub fn only(address: IpAddr) -> Self {
        Self { first: address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn width(self) -> u8 {
        if self.first.is_ipv4() { 32 } else { 128 }
    }

    fn host_bits(self) -> u128 {
        let low = u32::from(self.width() - self.prefix);
        if low == 128 { u128::MAX } else { (1 << low) - 1 }
    }

    /// Its first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// Its last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        self.at_bits(bits(self.first) | self.host_bits())
    }

    /// How many leading bits are the same.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The address at a place in it, from 0; none beyond its end.
    #[must_use]
    pub fn nth(self, place: u32) -> Option<IpAddr> {
        let place = u128::from(place);
        (place <= self.host_bits()).then(|| self.at_bits(bits(self.first) | place))
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && bits(address) & !self.host_bits() == bits(self.first)
    }

    /// Whether two have an address in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    fn at_bits(self, bits: u128) -> IpAddr {
        match self.first {
            IpAddr::V4(_) => {
                Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or_default()).into()
            }
            IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for AddressRange {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "it is an address, or a first address and a number of bits such as 10.1.0.0/16";
        let invalid = || InvalidNetworkText::new("address range", text, rule);
        let Some((first, prefix)) = text.split_once('/') else {
            return Ok(Self::only(text.parse().map_err(|_| invalid())?));
        };
        let first = first.parse().map_err(|_| invalid())?;
        Self::new(first, prefix.parse().map_err(|_| invalid())?).ok_or_else(invalid)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == self.width() {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.prefix)
        }
    }
}

/// The hardware address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

as_text!(MacAddress);

impl FromStr for MacAddress {
    type Err = InvalidNetworkText;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "it is six hexadecimal bytes such as 02:42:ac:11:00:02, not of a group";
        let invalid = || InvalidNetworkText::new("hardware address", text, rule);
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        // The lowest bit of the first byte marks a group, which no link may have as its own (IEEE 802).
        let usable = parts.next().is_none() && bytes[0] & 1 == 0 && bytes != [0; 6];
        if usable { Ok(Self(bytes)) } else { Err(invalid()) }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_begins_alike() {
        let range: AddressRange = "10.4.0.0/14".parse().unwrap();
        assert_eq!(range.last().to_string(), "10.7.255.255");
        assert!(range.contains("10.6.1.2".parse().unwrap()));
        assert!(!range.contains("10.8.0.0".parse().unwrap()) && !range.contains("::".parse().unwrap()));
        assert_eq!(range.nth(257).unwrap().to_string(), "10.4.1.1");
        assert_eq!(range.nth(1 << 18), None);
        assert!(
            range.overlaps("10.0.0.0/8".parse().unwrap()) && range.overlaps("10.5.0.0/24".parse().unwrap())
        );
        assert!(!range.overlaps("10.8.0.0/16".parse().unwrap()));
        for text in ["0.0.0.0/0", "::/0", "fd00::/8", "10.0.0.1", "fd00::1"] {
            assert_eq!(text.parse::<AddressRange>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "x", "fd00::/129", ""] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn hardware_addresses() {
        let mac: MacAddress = "02:42:AC-11:00:02".parse().unwrap();
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        for text in ["01:00:00:00:00:00", "02:42:ac:11:00", "02:42:ac:11:00:02:3", "00:00:00:00:00:00", "x"] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
