//! What of a server's answer is kept: the chain from the name that was asked to its records, and no record beside it.

use std::net::IpAddr;

use crate::address::{Class, Range, class};
use crate::cache::Entry;
use crate::wire::{Question, Rcode, Record, Reply, kind};

/// Aliases that are followed.
const LONGEST_CHAIN: usize = 12;
/// Seconds that an answer is kept at least: a server that says 0 would be asked for each packet.
pub(crate) const SHORTEST: u32 = 5;
/// And at most: addresses stay open for as long.
pub(crate) const LONGEST: u32 = 3600;
/// The same for an answer that says there is nothing.
const LONGEST_ABSENCE: u32 = 300;

/// Addresses that are kept of one answer.
const MOST_ADDRESSES: usize = 32;

/// Which addresses may stand in an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reachable {
    pub(crate) ranges: Vec<Range>,
    pub(crate) host: Vec<IpAddr>,
    pub(crate) neighbours: Vec<Range>,
}

impl Reachable {
    fn allows(&self, address: IpAddr) -> bool {
        if self.host.contains(&address) {
            return false;
        }
        let is_in = |ranges: &[Range]| ranges.iter().any(|range| range.contains(address));
        match class(address) {
            Class::Public if !is_in(&self.neighbours) => true,
            Class::Public | Class::Private => is_in(&self.ranges),
            Class::Never => false,
        }
    }
}

/// An answer after it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What is kept of it.
    pub(crate) entry: Entry,
    /// The addresses in it.
    pub(crate) addresses: Vec<IpAddr>,
    /// Seconds that it is kept.
    pub(crate) ttl: u32,
    /// An address that was taken out because the name may not lead there.
    pub(crate) taken_out: Option<IpAddr>,
}

/// Looks at an answer to a question; none where it answers nothing, so that another server is asked.
pub(crate) fn check(question: &Question, reply: &Reply, reachable: &Reachable, now: u64) -> Option<Checked> {
    if !matches!(reply.rcode, Rcode::NoError | Rcode::NxDomain) {
        return None;
    }
    let chain = chain(question, &reply.answers)?;
    let mut taken_out = None;
    let mut addresses = Vec::new();
    let mut answers = Vec::with_capacity(chain.len());
    for record in chain {
        match record.address() {
            Some(address) if !reachable.allows(address) => taken_out = Some(address),
            Some(address) if addresses.contains(&address) || addresses.len() >= MOST_ADDRESSES => {}
            Some(address) => {
                addresses.push(address);
                answers.push(record.clone());
            }
            None => answers.push(record.clone()),
        }
    }
    let found = answers.iter().any(|record| record.kind == question.kind);
    if taken_out.is_some() && !found {
        answers.clear();
    }
    let shortest = answers.iter().map(|record| record.ttl).min();
    let authority = if found { None } else { soa(reply) };
    let ttl = if found {
        shortest.unwrap_or(0).clamp(SHORTEST, LONGEST)
    } else {
        // An absence without a SOA may not be kept (RFC 2308); a few seconds keep a server from being asked at each packet.
        authority.as_ref().and_then(Record::negative_ttl).unwrap_or(0).clamp(SHORTEST, LONGEST_ABSENCE)
    };
    let rcode = reply.rcode;
    let entry = Entry { rcode, answers, authority, expires: now + u64::from(ttl) * 1000 };
    Some(Checked { entry, addresses, ttl, taken_out })
}

/// The records that answer, in their order: aliases from the question's name on, then what the last name has.
fn chain<'r>(question: &Question, records: &'r [Record]) -> Option<Vec<&'r Record>> {
    let mut name = question.name.clone();
    let mut chain = Vec::new();
    if question.kind != kind::CNAME {
        while let Some((record, target)) = alias_of(&name, records) {
            if chain.len() >= LONGEST_CHAIN {
                return None;
            }
            chain.push(record);
            name = target;
        }
    }
    chain.extend(records.iter().filter(|record| record.kind == question.kind && record.owner == name));
    Some(chain)
}

fn alias_of<'r>(name: &crate::wire::Name, records: &'r [Record]) -> Option<(&'r Record, crate::wire::Name)> {
    let mut of_name = records.iter().filter(|record| record.owner == *name);
    of_name.find_map(|record| Some((record, record.alias()?)))
}

/// The SOA of the zone in which there is nothing: one above the name that was asked, or above the end of its aliases.
fn soa(reply: &Reply) -> Option<Record> {
    reply.authorities.iter().find(|record| record.kind == kind::SOA).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{CLASS_IN, Name};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn alias(owner: &str, target: &str) -> Record {
        Record { owner: name(owner), kind: kind::CNAME, ttl: 100, data: name(target).wire().into() }
    }

    fn address(owner: &str, address: &str, ttl: u32) -> Record {
        Record::address_of(name(owner), address.parse().unwrap(), ttl)
    }

    fn question() -> Question {
        Question { name: name("www.example.org"), kind: kind::A, class: CLASS_IN }
    }

    fn reply(rcode: Rcode, answers: Vec<Record>) -> Reply {
        let question = question();
        Reply { id: 1, question, echoed: vec![], truncated: false, rcode, answers, authorities: vec![] }
    }

    fn checked(answers: Vec<Record>) -> Option<Checked> {
        check(&question(), &reply(Rcode::NoError, answers), &Reachable::default(), 0)
    }

    #[test]
    fn only_the_chain_from_the_question_is_kept() {
        let found = checked(vec![
            address("other.example", "8.8.4.4", 60),
            address("cdn.example", "8.8.8.8", 60),
            alias("www.example.org", "cdn.example"),
            address("cdn.example", "8.8.8.8", 50),
            address("www.example.org", "1.1.1.1", 60),
        ])
        .unwrap();
        assert_eq!(found.addresses, ["8.8.8.8".parse::<IpAddr>().unwrap()]);
        assert_eq!(found.entry.answers.len(), 2);
        assert_eq!(found.ttl, 60);
    }

    #[test]
    fn a_chain_without_end_is_no_answer() {
        assert_eq!(checked(vec![alias("www.example.org", "a.b"), alias("a.b", "www.example.org")]), None);
    }

    #[test]
    fn private_addresses_are_taken_out() {
        let records = || {
            vec![
                address("www.example.org", "169.254.169.254", 60),
                address("www.example.org", "10.0.0.5", 60),
                address("www.example.org", "8.8.8.8", 60),
            ]
        };
        let found = checked(records()).unwrap();
        assert_eq!(found.addresses, ["8.8.8.8".parse::<IpAddr>().unwrap()]);
        assert!(found.taken_out.is_some());
        let reachable = Reachable {
            neighbours: vec!["9.9.9.0/24".parse().unwrap(), "9.9.8.0/24".parse().unwrap()],
            ranges: vec!["10.0.0.0/8".parse().unwrap(), "169.254.0.0/16".parse().unwrap()],
            host: vec!["8.8.8.8".parse().unwrap()],
        };
        let found = check(&question(), &reply(Rcode::NoError, records()), &reachable, 0).unwrap();
        assert_eq!(found.addresses, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        // A neighbour of the host's with an address of the internet is as a private one.
        let near = ["9.9.8.7", "9.9.9.7"].map(|it| address("www.example.org", it, 60)).to_vec();
        let allowed = Reachable { ranges: vec!["9.9.8.0/28".parse().unwrap()], ..reachable };
        let found = check(&question(), &reply(Rcode::NoError, near), &allowed, 0).unwrap();
        assert_eq!(found.addresses, ["9.9.8.7".parse::<IpAddr>().unwrap()]);
        let only_bad =
            checked(vec![alias("www.example.org", "evil.example"), address("evil.example", "127.0.0.1", 9)]);
        let only_bad = only_bad.unwrap();
        assert!(only_bad.addresses.is_empty() && only_bad.entry.answers.is_empty());
    }

    #[test]
    fn lifetimes_have_bounds() {
        let life = |ttl| checked(vec![address("www.example.org", "8.8.8.8", ttl)]).unwrap().ttl;
        assert_eq!([life(0), life(77), life(1 << 30)], [5, 77, 3600]);
        let mut absent = reply(Rcode::NxDomain, vec![]);
        let data = [&b"\x00\x00"[..], &[0; 16], &9000_u32.to_be_bytes()].concat();
        absent.authorities =
            vec![Record { owner: name("example.org"), kind: kind::SOA, ttl: 7000, data: data.into() }];
        assert_eq!(check(&question(), &absent, &Reachable::default(), 0).unwrap().ttl, 300);
        absent.authorities.clear();
        assert_eq!(check(&question(), &absent, &Reachable::default(), 0).unwrap().ttl, 5);
        assert_eq!(check(&question(), &reply(Rcode::ServFail, vec![]), &Reachable::default(), 0), None);
    }
}
