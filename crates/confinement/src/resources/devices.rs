//! Which device nodes a group may open or make.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ResourceError;

/// The kinds of node that a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceRuleKind {
    /// `a`: both.
    All,
    /// `c`
    Character,
    /// `b`
    Block,
}

/// What may be done with a node; never nothing. Written as in `devices.allow`: letters of `rwm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceAccess(u8);

impl DeviceAccess {
    /// mknod(2)
    pub const MKNOD: Self = Self(1);
    /// open(2) for reading.
    pub const READ: Self = Self(2);
    /// open(2) for writing.
    pub const WRITE: Self = Self(4);
    /// `rwm`
    pub const ALL: Self = Self(7);

    /// As the kernel's `BPF_DEVCG_ACC_*` bits: mknod 1, read 2, write 4.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From the kernel's bits; none if there is no bit or an unknown one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits == 0 || bits > 7 { None } else { Some(Self(bits)) }
    }

    /// Everything in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both; none where that is nothing.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Option<Self> {
        Self::from_bits(self.0 & other.0)
    }

    /// What is here and not in `other`; none where that is nothing.
    #[must_use]
    pub const fn without(self, other: Self) -> Option<Self> {
        Self::from_bits(self.0 & !other.0)
    }

    /// Whether everything in `other` is here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl TryFrom<&str> for DeviceAccess {
    type Error = ResourceError;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let invalid = || ResourceError::DeviceAccess(text.to_owned());
        let bits = text.chars().try_fold(0, |bits, letter| match letter {
            'm' => Ok(bits | Self::MKNOD.0),
            'r' => Ok(bits | Self::READ.0),
            'w' => Ok(bits | Self::WRITE.0),
            _ => Err(invalid()),
        })?;
        Self::from_bits(bits).ok_or_else(invalid)
    }
}

impl TryFrom<String> for DeviceAccess {
    type Error = ResourceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(text.as_str())
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (access, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if self.contains(access) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl From<DeviceAccess> for String {
    fn from(access: DeviceAccess) -> String {
        access.to_string()
    }
}

/// One rule. Of the rules that match an access, the last one decides, for each letter of `rwm` on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRule {
    /// Allowed or denied.
    pub allow: bool,
    /// Which kind of node.
    pub kind: DeviceRuleKind,
    /// Major number; absent for every one.
    pub major: Option<u32>,
    /// Minor number; absent for every one.
    pub minor: Option<u32>,
    /// Which accesses.
    pub access: DeviceAccess,
}

impl DeviceRule {
    /// No device at all: the rule that a list begins with.
    pub const DENY_ALL: Self =
        Self { allow: false, kind: DeviceRuleKind::All, major: None, minor: None, access: DeviceAccess::ALL };

    /// Every access to one character device, or to all minors of a major.
    #[must_use]
    pub const fn allow_character(major: u32, minor: Option<u32>) -> Self {
        Self {
            allow: true,
            kind: DeviceRuleKind::Character,
            major: Some(major),
            minor,
            access: DeviceAccess::ALL,
        }
    }
}

impl fmt::Display for DeviceRule {
    /// `allow c 1:3 rwm`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.allow { "allow" } else { "deny" };
        let kind = match self.kind {
            DeviceRuleKind::All => 'a',
            DeviceRuleKind::Character => 'c',
            DeviceRuleKind::Block => 'b',
        };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(f, "{verb} {kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

/// What every container may use: no device but null, zero, full, random, urandom, tty, console, ptmx and the
/// pseudo-terminals. Making other nodes is not among it, and neither is `/dev/net/tun`.
#[must_use]
pub fn default_rules() -> Vec<DeviceRule> {
    const CHARACTER: [(u32, Option<u32>); 9] = [
        (1, Some(3)), // null
        (1, Some(5)), // zero
        (1, Some(7)), // full
        (1, Some(8)), // random
        (1, Some(9)), // urandom
        (5, Some(0)), // tty
        (5, Some(1)), // console
        (5, Some(2)), // ptmx
        (136, None),  // pts/*
    ];
    std::iter::once(DeviceRule::DENY_ALL)
        .chain(CHARACTER.map(|(major, minor)| DeviceRule::allow_character(major, minor)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_letters_of_rwm() {
        for (text, written) in [("rwm", "rwm"), ("mwr", "rwm"), ("r", "r"), ("mm", "m")] {
            assert_eq!(DeviceAccess::try_from(text).unwrap().to_string(), written);
        }
        for bad in ["", "x", "rw ", "R"] {
            assert!(DeviceAccess::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_default_denies_first_and_lets_no_other_node_be_made() {
        let rules = default_rules();
        assert_eq!(rules[0], DeviceRule::DENY_ALL);
        assert!(rules[1..].iter().all(|rule| rule.allow && rule.major.is_some()));
        assert_eq!(rules[1].to_string(), "allow c 1:3 rwm");
        assert_eq!(rules.last().unwrap().to_string(), "allow c 136:* rwm");
    }
}
