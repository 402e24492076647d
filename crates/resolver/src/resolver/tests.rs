//! The machine against servers and clients that do as they like.

use proptest::prelude::*;

use super::*;
use crate::allow::NameRule;
use crate::limits::Limits;
use crate::local::Container;
use crate::opened::Opened;
use crate::wire::{Answering, CLASS_IN, Header, Reader, Record, Reply, Writer, kind};

fn dice() -> Dice {
    Dice::new(|bytes| {
        for (byte, value) in bytes.iter_mut().zip((0..=255_u8).cycle()) {
            *byte = value.wrapping_mul(167).wrapping_add(13);
        }
    })
}

fn settings(forwarding: Forwarding) -> Settings {
    Settings {
        zone: "blue".parse().unwrap(),
        reaches: vec![],
        containers: vec![Container {
            id: "ab".repeat(32),
            zone: "blue".parse().unwrap(),
            names: vec!["web".to_owned()],
            parts: Vec::new(),
            addresses: vec![[10, 0, 0, 1].into()],
        }],
        forwarding,
        allowed_ranges: vec![],
        host_addresses: vec![],
        neighbours: vec![],
        servers: 2,
        servers_version: 1,
        limits: Limits::default(),
    }
}

fn by_name(patterns: &[&str]) -> Forwarding {
    let rules = (0..).zip(patterns);
    Forwarding::Names(rules.map(|(rule, text)| NameRule { pattern: text.parse().unwrap(), rule }).collect())
}

const CLIENT: Client =
    Client { handle: 9, address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), stream: false };

fn question(name: &str, kind: u16) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    Writer::query(77, &[name.wire(), &kind.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat())
}

/// A resolver and what it did last.
struct Bench {
    resolver: Resolver,
    out: Vec<Effect>,
}

impl Bench {
    fn new(forwarding: Forwarding) -> Self {
        Self { resolver: Resolver::new(settings(forwarding), dice()), out: Vec::new() }
    }

    fn query(&mut self, name: &str, kind: u16, now: u64) -> Vec<Effect> {
        self.resolver.query(CLIENT, &question(name, kind), now, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn answer(&mut self, ticket: Ticket, packet: &[u8], now: u64) -> Vec<Effect> {
        self.resolver.answer(ticket, packet, now, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn changed(&mut self, ticket: Ticket, done: bool, now: u64) -> Vec<Effect> {
        self.resolver.changed(ticket, done, now, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn tick(&mut self, now: u64) -> Vec<Effect> {
        self.resolver.tick(now, &mut self.out);
        std::mem::take(&mut self.out)
    }
}

fn asked(effects: &[Effect]) -> (Ticket, usize, bool, Vec<u8>) {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Ask { ticket, server, stream, packet } => Some((*ticket, *server, *stream, packet.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nobody was asked: {effects:?}"))
}

fn answered(effects: &[Effect]) -> Reply {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Answer { packet, .. } => Some(Reply::read(packet).unwrap()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nobody was answered: {effects:?}"))
}

fn changes(effects: &[Effect]) -> (Ticket, Vec<Change>) {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Change { ticket, changes } => Some((*ticket, changes.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing was changed: {effects:?}"))
}

/// A server's answer to a question that was asked of it.
fn reply(question: &[u8], rcode: Rcode, addresses: &[[u8; 4]], ttl: u32) -> Vec<u8> {
    reply_of(question, rcode, addresses, ttl, 1232)
}

fn reply_of(question: &[u8], rcode: Rcode, addresses: &[[u8; 4]], ttl: u32, limit: usize) -> Vec<u8> {
    let mut reader = Reader::new(question);
    let id = Header::read(&mut reader).unwrap().id;
    let start = reader.position();
    let name = reader.name().unwrap();
    reader.u32().unwrap();
    let mut writer =
        Writer::answer(Answering { id, recursion_desired: true, rcode }, reader.since(start), limit);
    let records: Vec<Record> =
        addresses.iter().map(|address| Record::address_of(name.clone(), (*address).into(), ttl)).collect();
    writer.answers(records.iter().map(|record| (record, record.ttl)));
    writer.finish(None, None)
}

#[test]
fn an_answer_is_kept_for_its_time() {
    let mut bench = Bench::new(Forwarding::All);
    let (ticket, server, stream, packet) = asked(&bench.query("example.org", kind::A, 0));
    assert_eq!((server, stream), (0, false));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    assert!(effects.contains(&Effect::Forget(ticket)));
    assert_eq!(answered(&effects).id, 77);
    let again = answered(&bench.query("EXAMPLE.org", kind::A, 20_000));
    assert_eq!(again.answers.first().map(|record| record.ttl), Some(40));
    asked(&bench.query("example.org", kind::A, 60_000));
}

#[test]
fn an_address_is_open_before_its_answer_leaves() {
    let mut bench = Bench::new(by_name(&["example.org"]));
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })));
    let (ticket, opened) = changes(&effects);
    let address = [8, 8, 8, 8].into();
    assert_eq!(opened, [Change::Open(Opened { rule: 0, address, ttl: 60 })]);
    assert_eq!(answered(&bench.changed(ticket, true, 20)).answers.len(), 1);
    // The name's next answer has another address: the old one is closed.
    bench.resolver.cache.clear();
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 30_000));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 4, 4]], 60), 30_010);
    assert!(changes(&effects).1.contains(&Change::Close { rule: 0, address }));
}

#[test]
fn an_address_that_could_not_be_opened_is_not_told() {
    let mut bench = Bench::new(by_name(&["example.org"]));
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    let (ticket, _) = changes(&effects);
    let told = answered(&bench.changed(ticket, false, 20));
    assert_eq!((told.rcode, told.answers.len()), (Rcode::ServFail, 0));
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 30));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 40);
    assert!(!changes(&effects).1.is_empty(), "it is opened anew");
    assert_eq!(answered(&bench.tick(5_000)).rcode, Rcode::ServFail);
}

#[test]
fn a_rebinding_answer_opens_nothing_and_is_told() {
    let mut bench = Bench::new(by_name(&["example.org"]));
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    let bad = [[169, 254, 169, 254], [127, 0, 0, 1], [10, 0, 0, 7]];
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &bad, 60), 10);
    assert_eq!(answered(&effects).answers.len(), 0);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Denied(denied) if denied.address.is_some()))
    );
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Change { .. })));
}

#[test]
fn who_guesses_is_asked_by_tcp() {
    let mut bench = Bench::new(Forwarding::All);
    let (ticket, .., packet) = asked(&bench.query("www.example.org", kind::A, 0));
    let mut wrong = reply(&packet, Rcode::NoError, &[[6, 6, 6, 6]], 60);
    wrong[0] ^= 1;
    for _ in 0..3 {
        assert_eq!(bench.answer(ticket, &wrong, 1), []);
    }
    let (_, server, stream, _) = asked(&bench.answer(ticket, &wrong, 1));
    assert_eq!((server, stream), (0, true));
    // The right number with the question in another case.
    let mut bench = Bench::new(Forwarding::All);
    let (ticket, .., packet) = asked(&bench.query("www.example.org", kind::A, 0));
    let mut flat = reply(&packet.to_ascii_lowercase(), Rcode::NoError, &[[6, 6, 6, 6]], 60);
    flat[..2].copy_from_slice(&packet[..2]);
    let (ticket, _, stream, packet) = asked(&bench.answer(ticket, &flat, 1));
    assert!(stream);
    let mut flat = reply(&packet.to_ascii_lowercase(), Rcode::NoError, &[[8, 8, 8, 8]], 60);
    flat[..2].copy_from_slice(&packet[..2]);
    assert_eq!(answered(&bench.answer(ticket, &flat, 2)).answers.len(), 1);
}

#[test]
fn the_next_server_is_asked_where_one_is_silent_or_fails() {
    let mut bench = Bench::new(Forwarding::All);
    assert_eq!(asked(&bench.query("example.org", kind::A, 0)).1, 0);
    assert_eq!(bench.resolver.deadline(), 1_000);
    let (ticket, server, _, packet) = asked(&bench.tick(1_000));
    assert_eq!(server, 1);
    let (_, server, ..) = asked(&bench.answer(ticket, &reply(&packet, Rcode::ServFail, &[], 0), 1_100));
    assert_eq!(server, 0);
    asked(&bench.tick(4_000));
    assert_eq!(answered(&bench.tick(10_000)).rcode, Rcode::ServFail);
    assert!(bench.resolver.pending.is_empty() && bench.resolver.tickets.is_empty());
}

#[test]
fn one_question_is_asked_once_for_all() {
    let mut bench = Bench::new(Forwarding::All);
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    assert_eq!(bench.query("example.org", kind::A, 1), []);
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count(), 2);
}

#[test]
fn what_is_open_has_a_bound() {
    let mut bench = Bench::new(by_name(&["*.example.org"]));
    let mut full = false;
    for n in 0..200_u64 {
        let [low, ..] = n.to_le_bytes();
        let addresses: Vec<[u8; 4]> = (0..=255).map(|last| [8, 8, low, last]).collect();
        let now = n * 10;
        let name = format!("n{n}.example.org");
        let (ticket, .., packet) = asked(&bench.query(&name, kind::A, now));
        // By TCP an answer can have that many.
        let packet = reply_of(&packet, Rcode::NoError, &addresses, 600, 65_535);
        let effects = bench.answer(ticket, &packet, now);
        let opens = effects.iter().find_map(|effect| match effect {
            Effect::Change { ticket, changes } => Some((*ticket, changes.len())),
            _ => None,
        });
        match opens {
            Some((ticket, count)) => {
                assert!(count <= 32);
                assert!(answered(&bench.changed(ticket, true, now)).answers.len() <= 32);
            }
            None => full = answered(&effects).rcode == Rcode::ServFail,
        }
    }
    assert!(full, "more is open than there may be");
}

#[test]
fn other_rules_close_what_the_old_ones_opened() {
    let mut bench = Bench::new(by_name(&["example.org"]));
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    let effects = bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    bench.changed(changes(&effects).0, true, 20);
    bench.resolver.apply(settings(by_name(&["other.example"])), &mut bench.out);
    let effects = std::mem::take(&mut bench.out);
    assert_eq!(changes(&effects).1, [Change::Close { rule: 0, address: [8, 8, 8, 8].into() }]);
    assert_eq!(answered(&bench.query("example.org", kind::A, 30)).rcode, Rcode::NxDomain);
}

#[test]
fn new_containers_leave_what_was_learned() {
    let mut bench = Bench::new(Forwarding::All);
    let (ticket, .., packet) = asked(&bench.query("example.org", kind::A, 0));
    bench.answer(ticket, &reply(&packet, Rcode::NoError, &[[8, 8, 8, 8]], 60), 10);
    let mut more = settings(Forwarding::All);
    more.containers[0].names.push("alias".to_owned());
    bench.resolver.apply(more, &mut bench.out);
    assert_eq!(bench.out, []);
    assert_eq!(answered(&bench.query("alias", kind::A, 30)).answers.len(), 1);
    assert_eq!(answered(&bench.query("example.org", kind::A, 30)).answers.len(), 1);
}

#[test]
fn a_flood_of_one_client_leaves_the_others_their_answers() {
    let mut bench = Bench::new(Forwarding::All);
    for n in 0..5_000 {
        bench.query(&format!("n{n}.example"), kind::A, 0);
    }
    assert!(bench.resolver.pending.len() <= 64);
    let other = Client { address: [10, 0, 0, 2].into(), ..CLIENT };
    bench.resolver.query(other, &question("example.org", kind::A), 0, &mut bench.out);
    asked(&bench.out);
}

proptest! {
    /// Whatever comes, in whatever order: no name that is not allowed is asked for, no address is told that is not open, nothing is
    /// left behind.
    #[test]
    fn nothing_leaves_that_is_not_allowed(
        steps in proptest::collection::vec((0_u8..6, 0_usize..6, any::<u8>(), 1_u64..900), 1..120),
    ) {
        let names = ["a.example.org", "example.org", "evil.test", "a.evil.test", "web", "x.a.example.org"];
        let mut bench = Bench::new(by_name(&["*.example.org"]));
        let mut now = 0;
        let mut exchanges: Vec<(Ticket, Vec<u8>)> = Vec::new();
        let mut waiting: Vec<(Ticket, Vec<Change>)> = Vec::new();
        let mut open: Vec<IpAddr> = Vec::new();
        for (step, which, byte, later) in steps {
            now += later;
            let effects = match step {
                0 | 1 => bench.query(names[which], if byte & 1 == 0 { kind::A } else { kind::TXT }, now),
                2 if !exchanges.is_empty() => {
                    let (ticket, packet) = exchanges.swap_remove(which % exchanges.len());
                    let addresses = [[8, 8, 8, byte], [10, 0, 0, byte]];
                    bench.answer(ticket, &reply(&packet, Rcode::NoError, &addresses, 5), now)
                }
                3 if !exchanges.is_empty() => {
                    let (ticket, mut packet) = exchanges[which % exchanges.len()].clone();
                    if let Some(place) = packet.get_mut(usize::from(byte)) {
                        *place ^= 0x55;
                    }
                    bench.answer(ticket, &packet, now)
                }
                4 if !waiting.is_empty() => {
                    let (ticket, list) = waiting.swap_remove(which % waiting.len());
                    let done = byte > 60;
                    for change in list.iter().filter(|_| done) {
                        if let Change::Open(opened) = change {
                            open.push(opened.address);
                        }
                    }
                    bench.changed(ticket, done, now)
                }
                _ => bench.tick(now),
            };
            for effect in effects {
                match effect {
                    Effect::Ask { ticket, packet, .. } => {
                        let name = Query::read(&packet).unwrap().question.name.to_string();
                        prop_assert!(name.ends_with(".example.org"), "{name}");
                        exchanges.push((ticket, packet));
                    }
                    Effect::Change { ticket, changes } => {
                        for change in &changes {
                            if let Change::Open(opened) = change {
                                prop_assert!(opened.address != IpAddr::from([10, 0, 0, byte]));
                            }
                        }
                        waiting.push((ticket, changes));
                    }
                    Effect::Answer { packet, .. } => {
                        for record in Reply::read(&packet).unwrap().answers {
                            let address = record.address().unwrap();
                            let is_web = record.owner.to_string() == "web";
                            prop_assert!(is_web || open.contains(&address), "{address} is not open");
                        }
                    }
                    Effect::Forget(_) | Effect::Denied(_) => {}
                }
            }
        }
        for _ in 0..12 {
            now += 5_000;
            bench.tick(now);
        }
        prop_assert!(bench.resolver.pending.is_empty() && bench.resolver.tickets.is_empty());
    }
}
