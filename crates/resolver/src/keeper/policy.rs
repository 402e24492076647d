//! What a zone's packet rules mean for its names.

use cofferdam_confinement::network::{Target, ZoneRules};
use cofferdam_names::ZoneName;

use super::membership::ZonePolicy;
use crate::address::{InvalidRange, Range};
use crate::allow::{NameRule, Pattern};
use crate::settings::Forwarding;
use crate::wire::InvalidDomain;

/// Networks that the words `private` and `any` let a zone reach: its own servers may have names there.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// A rule that cannot be a resolver's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are their sources'")]
pub enum InvalidRules {
    #[error(transparent)]
    Name(#[from] InvalidDomain),
    #[error(transparent)]
    Range(#[from] InvalidRange),
    #[error("a zone has at most 65535 names")]
    TooMany,
}

impl ZonePolicy {
    /// From the rules of a zone. With a name among them only names are answered; else all of them are forwarded where the internet
    /// may be reached, and none where it may not: whoever answers for a name learns which one was asked, so forwarding lets data out
    /// to anybody, and a zone that reaches its own servers alone is not to have that way.
    ///
    /// # Errors
    /// [`InvalidRules`]
    pub fn of(zone: &ZoneName, rules: &ZoneRules) -> Result<Self, InvalidRules> {
        let mut reaches = Vec::new();
        let mut names = Vec::new();
        let mut allowed_ranges = Vec::new();
        let mut outside = false;
        for rule in &rules.egress {
            match &rule.target {
                Target::Zone(other, _) if other != zone && !reaches.contains(other) => {
                    reaches.push(other.clone())
                }
                Target::Zone(..) | Target::Label(_) | Target::Host => {}
                Target::Name(pattern) => {
                    let pattern: Pattern = pattern.as_str().parse()?;
                    let rule = u16::try_from(names.len()).map_err(|_| InvalidRules::TooMany)?;
                    names.push(NameRule { pattern, rule });
                }
                Target::Internet => outside = true,
                Target::Any | Target::Private => {
                    outside |= rule.target == Target::Any;
                    for range in PRIVATE {
                        allowed_ranges.push(range.parse()?);
                    }
                }
                Target::Range(range) => {
                    allowed_ranges.push(range.to_string().parse::<Range>()?);
                }
            }
        }
        let forwarding = match (names.is_empty(), outside) {
            (false, _) => Forwarding::Names(names),
            (true, true) => Forwarding::All,
            (true, false) => Forwarding::Nothing,
        };
        Ok(Self { reaches, forwarding, allowed_ranges, outside, log: rules.log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(egress: &[&str]) -> ZonePolicy {
        let rules = ZoneRules {
            trust: true,
            egress: egress.iter().map(|text| text.parse().unwrap()).collect(),
            ingress: Vec::new(),
            connections: None,
            connections_per_second: None,
            zone_connections: None,
            log: false,
        };
        ZonePolicy::of(&"blue".parse().unwrap(), &rules).unwrap()
    }

    #[test]
    fn a_name_among_the_rules_makes_all_other_names_forbidden() {
        let policy =
            policy(&["internet tcp/80", "*.example.org tcp/443", "api.example.org", "zone:db", "zone:blue"]);
        let Forwarding::Names(names) = policy.forwarding else { unreachable!("there are names") };
        let shown: Vec<String> = names.iter().map(|name| format!("{} {}", name.rule, name.pattern)).collect();
        assert_eq!(shown, ["0 *.example.org", "1 api.example.org"]);
        assert_eq!(policy.reaches, ["db".parse().unwrap()]);
    }

    #[test]
    fn without_egress_nothing_is_forwarded() {
        assert_eq!(policy(&[]).forwarding, Forwarding::Nothing);
        assert_eq!(policy(&["host", "zone:db tcp/1", "label:a=b"]).forwarding, Forwarding::Nothing);
        assert_eq!(policy(&["internet"]).forwarding, Forwarding::All);
        assert!(policy(&["internet"]).allowed_ranges.is_empty());
    }

    /// Each question would carry a label of data to whoever answers for the name, wherever that is.
    #[test]
    fn addresses_of_ones_own_network_open_no_way_out_by_names() {
        for egress in ["10.20.0.5 tcp/5432", "10.0.0.0/8", "private", "fd00::/8", "192.0.2.7 tcp/443"] {
            assert_eq!(policy(&[egress]).forwarding, Forwarding::Nothing, "{egress}");
        }
        assert_eq!(policy(&["10.0.0.0/8", "internet tcp/443"]).forwarding, Forwarding::All);
        assert_eq!(policy(&["any tcp/443"]).forwarding, Forwarding::All);
        let named = policy(&["10.20.0.5 tcp/5432", "db.example.org tcp/5432"]).forwarding;
        assert!(matches!(named, Forwarding::Names(_)), "the names that it says");
    }

    #[test]
    fn a_range_that_is_allowed_may_have_names() {
        let allowed = |egress: &str, address: &str| {
            let address = address.parse().unwrap();
            policy(&[egress]).allowed_ranges.iter().any(|range| range.contains(address))
        };
        assert!(allowed("10.1.0.0/16", "10.1.2.3") && !allowed("10.1.0.0/16", "10.2.0.1"));
        assert!(allowed("private", "192.168.7.7") && allowed("any tcp/1", "fd12::1"));
        assert!(!allowed("private", "169.254.169.254"));
    }
}
