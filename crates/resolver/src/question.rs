//! What is to be done about a question, before anybody is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Class, class};
use crate::allow::Allowed;
use crate::local::{Found, LocalNames, TTL};
use crate::wire::{Name, Question, Rcode, Record, kind};

/// Extended errors (RFC 8914) that say why.
pub(crate) const BLOCKED: u16 = 15;
/// The record type is not answered here.
pub(crate) const FILTERED: u16 = 17;
/// No server could be reached.
pub(crate) const NO_REACHABLE_AUTHORITY: u16 = 22;

/// What names that are no container's are.
#[derive(Debug, Clone)]
pub(crate) enum Others {
    All,
    Names(Allowed),
    Nothing,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This is the answer.
    Answer { rcode: Rcode, records: Vec<Record>, extended_error: Option<u16> },
    /// The zone does not allow the name.
    Denied,
    /// A server is asked; the addresses are opened under these rules.
    Ask { rules: Vec<u16> },
}

impl Decision {
    fn records(records: Vec<Record>) -> Self {
        Self::Answer { rcode: Rcode::NoError, records, extended_error: None }
    }

    fn absent() -> Self {
        Self::Answer { rcode: Rcode::NxDomain, records: Vec::new(), extended_error: None }
    }
}

/// Types that are asked for in a zone whose egress is by name. `TXT` and the rest carry no way to the name, but a way for data;
/// `HTTPS` and `SVCB` carry addresses that nobody has opened.
const BY_NAME: [u16; 7] = [kind::A, kind::AAAA, kind::CNAME, kind::MX, kind::SRV, kind::NS, kind::SOA];

/// Decides. The order is a matter of safety: what could be a container's name is never asked elsewhere, and a name that is not
/// allowed never leaves in any form.
pub(crate) fn decide(question: &Question, asker: IpAddr, local: &LocalNames, others: &Others) -> Decision {
    if question.class != crate::wire::CLASS_IN {
        return Decision::Answer { rcode: Rcode::Refused, records: Vec::new(), extended_error: None };
    }
    if !question.is_ordinary() {
        return Decision::Answer { rcode: Rcode::NotImp, records: Vec::new(), extended_error: None };
    }
    if let Some(decision) = special(question) {
        return decision;
    }
    if let Some(address) = question.name.reverse_address() {
        if let Some(name) = local.name_of(address, asker) {
            let pointer = || Record::pointer(question.name.clone(), name, TTL);
            return Decision::records((question.kind == kind::PTR).then(pointer).into_iter().collect());
        }
        // Whose addresses these are is not asked outside (RFC 6303).
        if class(address) != Class::Public {
            return Decision::absent();
        }
    }
    match local.find(&question.name, asker) {
        Found::Addresses(addresses) => Decision::records(of_family(question, &addresses)),
        Found::Absent => Decision::absent(),
        Found::Elsewhere => elsewhere(question, others),
    }
}

fn elsewhere(question: &Question, others: &Others) -> Decision {
    match others {
        Others::All => Decision::Ask { rules: Vec::new() },
        Others::Nothing => Decision::Denied,
        Others::Names(allowed) => {
            let rules = allowed.rules(&question.name);
            if rules.is_empty() {
                Decision::Denied
            } else if BY_NAME.contains(&question.kind) {
                Decision::Ask { rules }
            } else {
                let extended_error = Some(FILTERED);
                Decision::Answer { rcode: Rcode::NoError, records: Vec::new(), extended_error }
            }
        }
    }
}

fn of_family(question: &Question, addresses: &[IpAddr]) -> Vec<Record> {
    let asked = |address: &&IpAddr| match question.kind {
        kind::A => address.is_ipv4(),
        kind::AAAA => address.is_ipv6(),
        _ => false,
    };
    let found = addresses.iter().filter(asked);
    found.map(|address| Record::address_of(question.name.clone(), *address, TTL)).collect()
}

/// Names that are everybody's own, or nobody's (RFC 6761, RFC 7686).
fn special(question: &Question) -> Option<Decision> {
    let top = last_label(&question.name)?;
    match top {
        b"localhost" => {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            Some(Decision::records(of_family(question, &both)))
        }
        b"invalid" | b"onion" => Some(Decision::absent()),
        _ => None,
    }
}

fn last_label(name: &Name) -> Option<&[u8]> {
    name.labels().last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Container;
    use crate::wire::CLASS_IN;

    const ASKER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    fn local() -> LocalNames {
        let container = Container {
            id: "1".repeat(64),
            zone: "blue".parse().unwrap(),
            names: vec!["web".to_owned()],
            parts: Vec::new(),
            addresses: vec![[10, 0, 0, 1].into()],
        };
        LocalNames::new(&"blue".parse().unwrap(), &[], &[container])
    }

    fn by_name() -> Others {
        let rule = crate::allow::NameRule { pattern: "*.example.org".parse().unwrap(), rule: 7 };
        Others::Names(Allowed::new(&[rule]))
    }

    fn decision(name: &str, kind: u16, others: &Others) -> Decision {
        decide(&Question { name: name.parse().unwrap(), kind, class: CLASS_IN }, ASKER, &local(), others)
    }

    fn rcode(decision: &Decision) -> Option<(Rcode, usize)> {
        match decision {
            Decision::Answer { rcode, records, .. } => Some((*rcode, records.len())),
            _ => None,
        }
    }

    #[test]
    fn containers_are_answered_here_and_nowhere_else() {
        for others in [Others::All, by_name(), Others::Nothing] {
            assert_eq!(rcode(&decision("web", kind::A, &others)), Some((Rcode::NoError, 1)));
            assert_eq!(rcode(&decision("web.blue", kind::AAAA, &others)), Some((Rcode::NoError, 0)));
            assert_eq!(rcode(&decision("wep", kind::A, &others)), Some((Rcode::NxDomain, 0)));
            assert_eq!(rcode(&decision("x.localhost", kind::A, &others)), Some((Rcode::NoError, 1)));
            let reverse = decision("1.0.0.10.in-addr.arpa", kind::PTR, &others);
            assert_eq!(rcode(&reverse), Some((Rcode::NoError, 1)));
            let reverse = decision("2.0.0.10.in-addr.arpa", kind::PTR, &others);
            assert_eq!(rcode(&reverse), Some((Rcode::NxDomain, 0)));
        }
    }

    #[test]
    fn a_name_that_is_not_allowed_is_never_asked_for() {
        for kind in [kind::A, kind::TXT, kind::NS, kind::HTTPS, kind::PTR] {
            for name in ["evil.example", "example.org", "x.org", ".", "8.8.8.8.in-addr.arpa"] {
                assert_eq!(decision(name, kind, &by_name()), Decision::Denied, "{name}");
                assert_eq!(decision(name, kind, &Others::Nothing), Decision::Denied, "{name}");
                assert_eq!(decision(name, kind, &Others::All), Decision::Ask { rules: vec![] }, "{name}");
            }
        }
    }

    #[test]
    fn an_allowed_name_is_asked_for_by_types_that_carry_no_data() {
        assert_eq!(decision("a.example.org", kind::AAAA, &by_name()), Decision::Ask { rules: vec![7] });
        assert_eq!(rcode(&decision("a.example.org", kind::TXT, &by_name())), Some((Rcode::NoError, 0)));
        assert_eq!(rcode(&decision("a.example.org", kind::HTTPS, &by_name())), Some((Rcode::NoError, 0)));
    }

    #[test]
    fn transfers_and_other_classes_are_refused() {
        assert_eq!(rcode(&decision("example.org", 252, &Others::All)), Some((Rcode::NotImp, 0)));
        let chaos = Question { name: "version.bind".parse().unwrap(), kind: kind::TXT, class: 3 };
        assert_eq!(rcode(&decide(&chaos, ASKER, &local(), &Others::All)), Some((Rcode::Refused, 0)));
    }
}
