//! Which addresses are open because a name has them.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::wire::Name;

/// An address that is to be let through under a rule of the zone's, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The rule, by its number in the zone.
    pub rule: u16,
    /// The address.
    pub address: IpAddr,
    /// Seconds from now.
    pub ttl: u32,
}

/// One change of what is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Let it through, for that long from now on, also if it is let through already.
    Open(Opened),
    /// Let it through no longer.
    Close {
        /// The rule.
        rule: u16,
        /// The address.
        address: IpAddr,
    },
}

/// A rule and an address that it lets through.
type Place = (u16, IpAddr);

/// Most addresses that are open at once: whoever owns the names below a `*` could make a set grow without end.
const MOST: usize = 4096;

/// What is open, and by which names until when, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    names: HashMap<Place, Vec<(Name, u64)>>,
}

impl Openings {
    /// A name has these addresses of one family from now on: they are opened under its rules, and those that it had and has no
    /// longer are closed, unless another name still has them. None where too many are open already: then nothing changes.
    pub(crate) fn learn(
        &mut self,
        name: &Name,
        ipv6: bool,
        rules: &[u16],
        addresses: &[IpAddr],
        ttl: u32,
        now: u64,
    ) -> Option<Vec<Change>> {
        let places = rules.iter().flat_map(|rule| addresses.iter().map(move |address| (*rule, *address)));
        let new = places.filter(|place| !self.names.contains_key(place)).count();
        if self.names.len() + new > MOST {
            self.sweep(now);
            if self.names.len() + new > MOST {
                return None;
            }
        }
        let until = now + u64::from(ttl) * 1000;
        let mut changes = self.lose(name, ipv6, rules, addresses, now);
        for &rule in rules {
            for &address in addresses {
                let names = self.names.entry((rule, address)).or_default();
                names.retain(|(other, _)| other != name);
                names.push((name.clone(), until));
                let longest = names.iter().map(|(_, until)| *until).max().unwrap_or(until);
                let ttl = u32::try_from(longest.saturating_sub(now).div_ceil(1000)).unwrap_or(ttl);
                changes.push(Change::Open(Opened { rule, address, ttl }));
            }
        }
        Some(changes)
    }

    /// Takes a name from the addresses of a family that are not in `kept`; closes those that no name has now.
    fn lose(&mut self, name: &Name, ipv6: bool, rules: &[u16], kept: &[IpAddr], now: u64) -> Vec<Change> {
        let mut closed = Vec::new();
        self.names.retain(|&(rule, address), names| {
            let stays = kept.contains(&address) && rules.contains(&rule);
            if address.is_ipv6() != ipv6 || stays || !names.iter().any(|(other, _)| other == name) {
                return true;
            }
            names.retain(|(other, until)| other != name && *until > now);
            if names.is_empty() {
                closed.push(Change::Close { rule, address });
            }
            !names.is_empty()
        });
        closed
    }

    /// Forgets what is past: the kernel has closed it by itself.
    pub(crate) fn sweep(&mut self, now: u64) {
        self.names.retain(|_, names| {
            names.retain(|(_, until)| *until > now);
            !names.is_empty()
        });
    }

    /// Closes everything: the rules are others now.
    pub(crate) fn close_all(&mut self) -> Vec<Change> {
        self.names.drain().map(|((rule, address), _)| Change::Close { rule, address }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [8, 8, 8, 8];
    const B: [u8; 4] = [8, 8, 4, 4];

    fn open(rule: u16, address: [u8; 4], ttl: u32) -> Change {
        Change::Open(Opened { rule, address: address.into(), ttl })
    }

    fn close(rule: u16, address: [u8; 4]) -> Change {
        Change::Close { rule, address: address.into() }
    }

    #[test]
    fn an_address_that_a_name_has_no_longer_is_closed() {
        let mut openings = Openings::default();
        let name: Name = "a.example".parse().unwrap();
        let changes = openings.learn(&name, false, &[1, 2], &[A.into()], 60, 0);
        assert_eq!(changes.unwrap(), [open(1, A, 60), open(2, A, 60)]);
        let changes = openings.learn(&name, false, &[1, 2], &[B.into()], 60, 1000).unwrap();
        assert_eq!(changes.len(), 4);
        for change in [close(1, A), close(2, A), open(1, B, 60), open(2, B, 60)] {
            assert!(changes.contains(&change), "{change:?}");
        }
        // The other family is another answer.
        assert_eq!(openings.learn(&name, true, &[1, 2], &[], 60, 2000).unwrap(), []);
        assert_eq!(openings.close_all().len(), 2);
    }

    #[test]
    fn an_address_of_two_names_stays_as_long_as_one_has_it() {
        let mut openings = Openings::default();
        let (one, other): (Name, Name) = ("one.example".parse().unwrap(), "other.example".parse().unwrap());
        openings.learn(&one, false, &[1], &[A.into()], 600, 0);
        assert_eq!(openings.learn(&other, false, &[1], &[A.into()], 10, 0).unwrap(), [open(1, A, 600)]);
        assert_eq!(openings.learn(&one, false, &[1], &[], 5, 1000).unwrap(), []);
        openings.sweep(11_000);
        assert!(openings.names.is_empty());
        openings.learn(&one, false, &[1], &[A.into()], 600, 20_000);
        openings.learn(&other, false, &[1], &[A.into()], 1, 20_000);
        // The other name's time is over: only the first one held it.
        assert_eq!(openings.learn(&one, false, &[1], &[], 5, 22_000).unwrap(), [close(1, A)]);
    }
}
