//! Which routing table packets are sent by (ip-rule(8)).

use std::io;
use std::net::IpAddr;

use super::{Change, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, RouteSocket, bytes_of};
use crate::netlink::{CREATE, DUMP, EXCLUSIVE, Request, attribute, u32_at};

/// Attributes of a rule (`<linux/fib_rules.h>`).
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
/// `FR_ACT_TO_TBL`
const TO_TABLE: u8 = 1;
/// `struct fib_rule_hdr`
const RULE_PART: usize = 12;
/// `AF_INET` and `AF_INET6`
const FAMILIES: [u8; 2] = [2, 10];

/// Packets look into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRule {
    /// Whether it is for IPv6.
    pub v6: bool,
    /// The lowest one is looked at first.
    pub priority: u32,
    /// Only packets from this address; none for all.
    pub from: Option<IpAddr>,
    /// Which table.
    pub table: u32,
    /// The table's default route does not count.
    pub no_default: bool,
}

impl PolicyRule {
    fn request(&self, kind: u16, flags: u16) -> Request {
        let mut part = [0; RULE_PART];
        (part[0], part[7]) = (FAMILIES[usize::from(self.v6)], TO_TABLE);
        if let Some(from) = self.from {
            part[2] = if from.is_ipv4() { 32 } else { 128 };
        }
        Request::new(kind, flags, &part).with(|attributes| {
            attributes.number(FRA_PRIORITY, self.priority).number(FRA_TABLE, self.table);
            if let Some(from) = self.from {
                attributes.put(FRA_SRC, &bytes_of(from));
            }
            if self.no_default {
                attributes.number(FRA_SUPPRESS_PREFIXLEN, 0);
            }
        })
    }
}

impl Change {
    /// Adds a rule, which must not be there.
    #[must_use]
    pub fn add_policy(rule: &PolicyRule) -> Self {
        Self(rule.request(RTM_NEWRULE, CREATE | EXCLUSIVE))
    }

    /// Takes a rule away.
    #[must_use]
    pub fn remove_policy(rule: &PolicyRule) -> Self {
        Self(rule.request(RTM_DELRULE, 0))
    }
}

impl RouteSocket {
    /// The rules that lead packets of one address, or all, to a table.
    pub fn policies(&self) -> io::Result<Vec<PolicyRule>> {
        let mut all = Vec::new();
        for v6 in [false, true] {
            let mut part = [0; RULE_PART];
            part[0] = FAMILIES[usize::from(v6)];
            all.extend(self.0.ask(&Request::new(RTM_GETRULE, DUMP, &part), |message| {
                if message.kind != RTM_NEWRULE || *message.body.get(7)? != TO_TABLE {
                    return None;
                }
                let after = message.after(RULE_PART);
                let number = |kind| attribute(after, kind).and_then(|value| u32_at(value, 0));
                let from = attribute(after, FRA_SRC).and_then(|value| match value.len() {
                    4 => Some(IpAddr::from(*value.first_chunk::<4>()?)),
                    16 => Some(IpAddr::from(*value.first_chunk::<16>()?)),
                    _ => None,
                });
                Some(PolicyRule {
                    v6,
                    priority: number(FRA_PRIORITY).unwrap_or(0),
                    from,
                    table: number(FRA_TABLE).unwrap_or(u32::from(*message.body.get(4)?)),
                    no_default: number(FRA_SUPPRESS_PREFIXLEN) == Some(0),
                })
            })?);
        }
        Ok(all)
    }
}
