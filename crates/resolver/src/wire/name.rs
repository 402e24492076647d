//! Domain names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most octets of a name, the last zero included (RFC 1035, section 2.3.4).
pub(super) const MAX_NAME: usize = 255;
/// Most octets of a label.
pub(super) const MAX_LABEL: usize = 63;

/// A whole domain name in lower case, as the wire has it without compression: labels with their lengths, then a zero.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<[u8]>);

/// A text that is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("domain name {text:?}: {rule}")]
pub struct InvalidDomain {
    /// The text.
    pub text: String,
    /// What it breaks.
    pub rule: &'static str,
}

impl Name {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// From octets that a reader has checked: whole labels, the last one empty. They are made lower case here.
    pub(super) fn from_checked(mut wire: Vec<u8>) -> Self {
        // The lengths of labels are below 64: no letter is among them.
        wire.make_ascii_lowercase();
        Self(wire.into_boxed_slice())
    }

    /// The octets, the last zero included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The labels, from the host's to the top.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let length = usize::from(*length);
            if length == 0 {
                return None;
            }
            let label = after.get(..length)?;
            rest = after.get(length..)?;
            Some(label)
        })
    }

    /// The name without its first label; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(*self.0.first()?);
        if first == 0 {
            return None;
        }
        self.0.get(first + 1..).map(|rest| Self(rest.into()))
    }

    /// Whether it stands below another name, at any depth.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && {
            let mut rest: &[u8] = &self.0;
            // Only whole labels count: `notexample.org` is not below `example.org`.
            while let Some((length, after)) = rest.split_first().filter(|_| rest.len() > other.0.len()) {
                rest = after.get(usize::from(*length)..).unwrap_or_default();
            }
            rest == &*other.0
        }
    }

    /// The address that a reverse name stands for (`4.3.2.1.in-addr.arpa`, RFC 1035; `ip6.arpa`, RFC 3596).
    #[must_use]
    pub fn reverse_address(&self) -> Option<IpAddr> {
        let labels: Vec<&[u8]> = self.labels().collect();
        match labels.as_slice() {
            [bytes @ .., b"in-addr", b"arpa"] if bytes.len() == 4 => {
                let mut octets = [0; 4];
                for (octet, label) in octets.iter_mut().zip(bytes.iter().rev()) {
                    *octet = std::str::from_utf8(label).ok()?.parse().ok()?;
                }
                Some(Ipv4Addr::from(octets).into())
            }
            [digits @ .., b"ip6", b"arpa"] if digits.len() == 32 => {
                let mut value: u128 = 0;
                for label in digits.iter().rev() {
                    let [digit] = label else { return None };
                    value = value << 4 | u128::from(char::from(*digit).to_digit(16)?);
                }
                Some(Ipv6Addr::from(value).into())
            }
            _ => None,
        }
    }

    /// Whether it stands in one of the two trees of reverse names.
    #[must_use]
    pub fn is_reverse(&self) -> bool {
        let mut last = [&[][..]; 2];
        for label in self.labels() {
            last = [last[1], label];
        }
        matches!(last, [b"in-addr" | b"ip6", b"arpa"])
    }
}

impl FromStr for Name {
    type Err = InvalidDomain;

    /// Reads letters, digits, `-` and `_` between dots; one dot may end it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |rule| InvalidDomain { text: text.chars().take(300).collect(), rule };
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.strip_suffix('.').unwrap_or(text).split('.') {
            let length = u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= MAX_LABEL);
            let length = length.filter(|length| *length > 0);
            let length = length.ok_or_else(|| invalid("its labels have 1 to 63 letters"))?;
            if !label.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_')) {
                return Err(invalid("its labels are made of letters, digits, '-' and '_'"));
            }
            wire.push(length);
            wire.extend(label.bytes());
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(invalid("it has at most 253 letters"));
        }
        Ok(Self::from_checked(wire))
    }
}

impl fmt::Display for Name {
    /// Without the last dot; what is no visible letter as `\DDD` (RFC 4343), so that a name from the network can be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (number, label) in self.labels().enumerate() {
            if number > 0 {
                f.write_str(".")?;
            }
            for letter in label {
                match letter {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(*letter))?,
                    0x21..=0x7E => write!(f, "{}", char::from(*letter))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidDomain;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_without_case_and_last_dot() {
        assert_eq!(name("WWW.Example.ORG."), name("www.example.org"));
        assert_eq!(name("www.example.org").to_string(), "www.example.org");
        assert_eq!(name(".").to_string(), ".");
        for bad in ["", "a..b", ".a", "a b", "ä", "a.*", &"x".repeat(64), &["abcdefg"; 40].join(".")] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_whole_labels_make_a_name_stand_below_another() {
        assert!(name("a.example.org").is_below(&name("example.org")));
        assert!(name("b.a.example.org").is_below(&name("example.org")));
        assert!(!name("example.org").is_below(&name("example.org")));
        assert!(!name("notexample.org").is_below(&name("example.org")));
        assert!(name("org").is_below(&Name::root()));
        // The octets of the end of one label can look like a whole name.
        let trick = Name::from_checked(b"\x0dxx\x07example\x03org\x00".to_vec());
        assert!(!trick.is_below(&name("example.org")));
    }

    #[test]
    fn reverse_names_give_their_address() {
        let address = |text: &str| name(text).reverse_address();
        assert_eq!(address("4.3.2.1.in-addr.arpa"), Some("1.2.3.4".parse().unwrap()));
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(address(six), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(address("3.2.1.in-addr.arpa"), None);
        assert!(name("3.2.1.in-addr.arpa").is_reverse());
        assert_eq!(address("256.3.2.1.in-addr.arpa"), None);
        assert!(!name("in-addr.example").is_reverse());
    }

    #[test]
    fn what_is_no_letter_is_shown_as_a_number() {
        assert_eq!(Name::from_checked(b"\x04a\x1b.b\x00".to_vec()).to_string(), "a\\027\\.b");
    }
}
