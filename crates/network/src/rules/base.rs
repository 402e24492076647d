//! What is always in the table: the ways of packets from, to and between links, and the sets that containers are put into.

use cofferdam_confinement::network::Protocol;

use super::condition::{ANSWER, Conditions, KEY};
use super::{ranges, set};
use crate::nft::{Chain, Expr, Hook, Meta, Operation, Register, Rule, Set, SetKind, Verdict};

/// Grows with each change of what this module makes.
const LAYOUT: u8 = 7;

/// Whether the host is a router only for our links, for IPv4 and for IPv6: then packets that are neither from nor to one are
/// dropped, as they would be without us. Where it was one before they are its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Forwarding(pub(crate) [bool; 2]);

/// What is kept with the table.
pub(crate) fn base_note(forwarding: Forwarding) -> Vec<u8> {
    vec![LAYOUT, u8::from(forwarding.0[0]), u8::from(forwarding.0[1])]
}

/// What was decided when the table with this note was made; none for another version's.
pub(crate) fn forwarding_of(note: &[u8]) -> Option<Forwarding> {
    match note {
        [LAYOUT, v4, v6] => Some(Forwarding([*v4 == 1, *v6 == 1])),
        _ => None,
    }
}

/// Types of parts of keys, as nft(8) numbers them, with their lengths.
const NAME: (u32, u32) = (41, 16);
/// A tag is shown as an IPv6 address would be: nft(8) cannot list numbers of this length.
const TAG: (u32, u32) = (8, 16);
const GROUP: (u32, u32) = (35, 4);
const PROTOCOL: (u32, u32) = (12, 1);
const PORT: (u32, u32) = (13, 2);
const ADDRESS: [(u32, u32); 2] = [(7, 4), (8, 16)];

/// The chains: name and place in a packet's way (`NF_INET_*`, priority).
const HOOKS: [(&str, u32, i32, &str); 8] = [
    // Before connections are looked up, so that a made-up source cannot be taken for another's connection.
    ("spoofed", 0, -300, "filter"),
    ("input", 1, 0, "filter"),
    // What a zone's containers may send, and behind it whom they may reach: a packet must get through both. As one chain that leads
    // on into the other, the kernel would look through all zones' second halves for each zone's first half, at each new zone.
    ("forward", 2, 0, "filter"),
    ("arrive", 2, 1, "filter"),
    // Where a published port has led to its container already: at the hook before, such a packet still leaves by `lo`.
    ("output", 4, 0, "filter"),
    ("publish", 0, -100, "nat"),
    ("publish_local", 3, -100, "nat"),
    ("leave", 4, 100, "nat"),
];
/// Those that are not the beginning of a way.
const FURTHER: [&str; 2] = ["of_link", "from_link"];

/// All chains that are always there.
pub(crate) fn chains() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().map(|hook| hook.0).chain(FURTHER)
}

/// Makes the table.
pub(crate) fn base(forwarding: Forwarding) -> Vec<Operation> {
    let mut all = vec![Operation::AddTable { note: base_note(forwarding) }];
    all.extend(sets().into_iter().map(Operation::AddSet));
    all.extend(ranges::elements().into_iter().map(Operation::AddElement));
    let chain = |name: &str, hook| Operation::AddChain(Chain { name: name.to_owned(), hook });
    all.extend(
        HOOKS.map(|(name, number, priority, kind)| chain(name, Some(Hook { number, priority, kind }))),
    );
    all.extend(FURTHER.map(|name| chain(name, None)));
    all.extend(rules(forwarding).into_iter().map(Operation::AddRule));
    all
}

fn sets() -> Vec<Set> {
    let set = |name: &str, kind: SetKind, key: &[(u32, u32)]| Set {
        name: name.to_owned(),
        kind,
        key: key.to_vec(),
    };
    let zones = [set::OUT, set::IN, set::TO_HOST, set::FROM_HOST];
    let mut all: Vec<Set> = zones.iter().map(|name| set(name, SetKind::Verdicts, &[GROUP])).collect();
    all.push(set(set::NOTES, SetKind::Map(TAG.0, TAG.1), &[GROUP]));
    for (family, address) in ADDRESS.into_iter().enumerate() {
        let target = SetKind::Map((address.0 << 6) | PORT.0, address.1 + 4);
        all.extend([
            set(set::SOURCES[family], SetKind::Plain, &[NAME, address]),
            set(set::MEMBERS[family], SetKind::Plain, &[address, TAG]),
            set(set::NAMED[family], SetKind::Timed, &[TAG, address]),
            set(set::GATEWAYS[family], SetKind::Plain, &[address]),
            set(set::GATEWAY_OF[family], SetKind::Map(address.0, address.1), &[NAME]),
            set(set::PUBLISHED[family], target.clone(), &[address, PROTOCOL, PORT]),
            set(set::PUBLISHED_ANY[family], target, &[PROTOCOL, PORT]),
            set(set::SELF[family], SetKind::Plain, &[address, address]),
            set(set::SPECIAL[family], SetKind::Ranges, &[address]),
            set(set::PRIVATE[family], SetKind::Ranges, &[address]),
            set(set::NEVER[family], SetKind::Ranges, &[address]),
        ]);
    }
    all
}

/// Every rule of the chains above, in order.
pub(crate) fn rules(forwarding: Forwarding) -> Vec<Rule> {
    let mut all = Vec::new();
    spoofed(&mut |chain, comment, expressions| all.push(rule(chain, comment, expressions)));
    input(&mut |comment, expressions| all.push(rule("input", comment, expressions)));
    forward(forwarding, &mut |chain, comment, expressions| all.push(rule(chain, comment, expressions)));
    arrive(&mut |comment, expressions| all.push(rule("arrive", comment, expressions)));
    output(&mut |comment, expressions| all.push(rule("output", comment, expressions)));
    for chain in ["publish", "publish_local"] {
        publish(&mut |comment, expressions| all.push(rule(chain, comment, expressions)));
    }
    leave(&mut |comment, expressions| all.push(rule("leave", comment, expressions)));
    all
}

fn rule(chain: &str, comment: &str, expressions: Vec<Expr>) -> Rule {
    Rule { chain: chain.to_owned(), expressions, comment: comment.to_owned() }
}

fn dropped(conditions: Conditions) -> Vec<Expr> {
    conditions.and(Expr::Counter).then(Verdict::Drop)
}

/// What comes by a link must have an address of that link's as its source, and nothing else may have it.
fn spoofed(add: &mut impl FnMut(&str, &str, Vec<Expr>)) {
    let of_link = Verdict::Goto("of_link".to_owned());
    add("spoofed", "by a link", Conditions::new().by_link(true).then(of_link));
    for v6 in [false, true] {
        // The set has each address twice: there is none with it once.
        let both = Conditions::of(v6).load_source(v6, KEY).load_source(v6, Register(if v6 { 4 } else { 1 }));
        let claimed = both.in_set(set::SELF[usize::from(v6)], true);
        add("spoofed", "a container's address by another way", dropped(claimed));
    }
    // CVE-2020-8558: services that listen on the loopback address only must not be reached by a link that has a way to it.
    let loopback = |equal: bool| header(16, equal, vec![127]);
    // No options, so no source routes.
    let plain = |equal: bool| header(0, equal, vec![0x45]);
    // ::1, :: and all that stands for an address of IPv4: who takes such a packet on by a socket of IPv6 (pasta) comes to that one.
    let low = |equal: bool| header(24, equal, vec![0; 8]);
    // Most packets end here, so it is one rule.
    for v6 in [false, true] {
        let more = if v6 { vec![low(false)] } else { vec![plain(true), loopback(false)] };
        let more = more.into_iter().flatten().fold(Conditions::of(v6), Conditions::and);
        let own = more.load_in_name(KEY).load_source(v6, Register(4));
        let own = own.in_set(set::SOURCES[usize::from(v6)], true).then(Verdict::Accept);
        add("of_link", "the link's own address", own);
    }
    let counted =
        |v6: bool, part: [Expr; 2]| dropped(part.into_iter().fold(Conditions::of(v6), Conditions::and));
    add("of_link", "no loopback address by a link", counted(false, loopback(true)));
    add("of_link", "no loopback address and none of IPv4 by a link", counted(true, low(true)));
    add("of_link", "no IP options: no source routes", counted(false, plain(false)));
    add("of_link", "any other source", dropped(Conditions::new()));
}

/// Whether a part of a packet's network header is this.
fn header(offset: u32, equal: bool, value: Vec<u8>) -> [Expr; 2] {
    let len = u32::try_from(value.len()).unwrap_or(0);
    let load = Expr::Payload { header: crate::nft::Header::Network, offset, len, to: KEY };
    [load, Expr::Cmp { from: KEY, equal, value }]
}

fn input(add: &mut impl FnMut(&str, Vec<Expr>)) {
    add("not by a link", Conditions::new().by_link(false).then(Verdict::Accept));
    add("known connections", Conditions::new().known_connection().then(Verdict::Accept));
    add("what the zone may ask of the host", Conditions::new().verdict_of(Meta::InGroup, set::TO_HOST));
    add("all else", dropped(Conditions::new()));
}

fn forward(forwarding: Forwarding, add: &mut impl FnMut(&str, &str, Vec<Expr>)) {
    let from_link = Verdict::Goto("from_link".to_owned());
    add("forward", "by a link", Conditions::new().by_link(true).then(from_link));
    add("forward", "judged where it arrives", Conditions::new().leaving_by_link(true).then(Verdict::Accept));
    for v6 in [false, true].into_iter().filter(|v6| forwarding.0[usize::from(*v6)]) {
        add("forward", "this host is no router but for its links", dropped(Conditions::of(v6)));
    }
    add("from_link", "known connections", Conditions::new().known_connection().then(Verdict::Accept));
    add("from_link", "no connection at all", dropped(Conditions::new().invalid()));
    add("from_link", "what the zone may send", Conditions::new().verdict_of(Meta::InGroup, set::OUT));
    add("from_link", "no zone", dropped(Conditions::new()));
}

fn arrive(add: &mut impl FnMut(&str, Vec<Expr>)) {
    add("known connections", Conditions::new().known_connection().then(Verdict::Accept));
    add("not to a link", Conditions::new().leaving_by_link(false).then(Verdict::Accept));
    add("no connection at all", dropped(Conditions::new().invalid()));
    add("who may reach the zone", Conditions::new().verdict_of(Meta::OutGroup, set::IN));
    add("no zone", dropped(Conditions::new()));
}

fn output(add: &mut impl FnMut(&str, Vec<Expr>)) {
    add("not to a link", Conditions::new().leaving_by_link(false).then(Verdict::Accept));
    add("judged where it was forwarded", Conditions::new().by_any_link().then(Verdict::Accept));
    add("known connections", Conditions::new().known_connection().then(Verdict::Accept));
    add("what the host may ask of the zone", Conditions::new().verdict_of(Meta::OutGroup, set::FROM_HOST));
    add("no zone", dropped(Conditions::new()));
}

/// Published ports lead to their containers.
fn publish(add: &mut impl FnMut(&str, Vec<Expr>)) {
    let mut only_lo = vec![0; 15];
    only_lo.push(1);
    // There is no way for ::1 to be answered by another link: the host itself says that nobody listens.
    let loopback = Conditions::of(true).load_destination(true, KEY);
    add(
        "not by ::1",
        loopback.and(Expr::Cmp { from: KEY, equal: true, value: only_lo }).then(Verdict::Accept),
    );
    for v6 in [false, true] {
        let family = usize::from(v6);
        let width = if v6 { 4 } else { 1 };
        // With it a container would answer for the names of all zones.
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let gateway = Conditions::of(v6).load_destination(v6, KEY).in_set(set::GATEWAYS[family], true);
            add("never the zones' name servers", gateway.port(protocol, 53, v6).then(Verdict::Accept));
        }
        let dnat = Expr::Dnat { v6, address: ANSWER, port: Register(ANSWER.0 + width) };
        let one = Conditions::of(v6).load_destination(v6, KEY).load_service(Register(width));
        add("ports of one address", one.in_map(set::PUBLISHED[family]).and(dnat.clone()).end());
        let own = Conditions::of(v6).and(Expr::DestinationKind { to: KEY });
        // `RTN_LOCAL`
        let own = own.and(Expr::Cmp { from: KEY, equal: true, value: 2_u32.to_ne_bytes().to_vec() });
        add(
            "ports of all addresses",
            own.load_service(KEY).in_map(set::PUBLISHED_ANY[family]).and(dnat).end(),
        );
    }
}

/// Sources that the other side could not answer are replaced; all others are kept.
fn leave(add: &mut impl FnMut(&str, Vec<Expr>)) {
    for v6 in [false, true] {
        let family = usize::from(v6);
        let snat = |conditions: Conditions| {
            let gateway = conditions.load_out_name(KEY).in_map(set::GATEWAY_OF[family]);
            gateway.and(Expr::Snat { v6, address: ANSWER }).end()
        };
        if !v6 {
            let loopback = Conditions::of(false).load_source(false, KEY).and(Expr::Mask {
                from: KEY,
                to: KEY,
                mask: vec![0xff, 0, 0, 0],
            });
            let loopback = loopback.and(Expr::Cmp { from: KEY, equal: true, value: vec![127, 0, 0, 0] });
            add("from the host's loopback address", snat(loopback));
        }
        let both = Conditions::of(v6).load_source(v6, KEY);
        let both = both.load_destination(v6, Register(if v6 { 4 } else { 1 }));
        add("to its own published port", snat(both.in_set(set::SELF[family], true)));
    }
    add("to the outside", Conditions::new().by_link(true).leaving_by_link(false).and(Expr::Masquerade).end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_in_a_chain_that_is_made_and_read_back() {
        let known: Vec<&str> = chains().collect();
        let base = base(Forwarding([true; 2]));
        for operation in &base {
            match operation {
                Operation::AddChain(chain) => assert!(known.contains(&chain.name.as_str()), "{}", chain.name),
                Operation::AddRule(rule) => assert!(known.contains(&rule.chain.as_str()), "{}", rule.chain),
                _ => {}
            }
        }
    }
}
