//! What comes to containers from outside, and what of theirs must not get there, each by real packets (docs/escapes.md).
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use cofferdam_kernel::rtnetlink::{Change, RouteSocket};
use support::eventually;
use support::field::{EVIL, Field, RIGHTS, address, holds};
use support::hosts::{INTERNET, Node, zone_with};
use support::packets::{self, Sniffer, UDP, frame, ip};
use support::place::Place;

#[test]
fn a_host_outside_that_claims_a_containers_address_gets_nowhere() {
    let Some(field) = Field::new("a_host_outside_that_claims_a_containers_address_gets_nowhere") else {
        return;
    };
    // Nothing but our rules may keep it out: the kernel's own check of sources is off.
    for link in ["all", "up1"] {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{link}/rp_filter"), "0").unwrap();
    }
    let mac = |place: &Place, link: &str| {
        place.inside(|| RouteSocket::open().unwrap().link_details(link).unwrap().unwrap().mac.unwrap())
    };
    let (own, hosts) = (mac(&field.hosts.internet, "up0"), mac(&field.hosts.host, "up1"));
    let (victim, beside) = (Sniffer::at(&field.victim.place), Sniffer::at(&field.beside.place));
    // Connections that the kernel knows, for the outside to get into.
    let [own_mac, hosts_mac] = field.beside.macs;
    let honest = [0, 1].map(|family| {
        let (from, to) = (field.beside.addresses[family], field.victim.addresses[family]);
        let packet = ip(from, to, UDP, &[], &packets::udp(from, to, 80, b"its own"));
        frame(hosts_mac, own_mac, &packet)
    });
    field.sender.send(&field.beside.place, "eth0", &honest);
    let mut answers = 0;
    assert!(eventually(|| {
        answers += beside.frames().iter().filter(|frame| frame[6..12] == hosts_mac).count();
        answers >= 2
    }));
    let mut sent = Vec::new();
    // The victim's zone trusts its own: another one of it, and the victim itself.
    for from in field.beside.addresses.into_iter().chain(field.victim.addresses) {
        let to = field.victim.addresses[usize::from(from.is_ipv6())];
        sent.push(ip(from, to, UDP, &[], &packets::udp(from, to, 80, b"claimed")));
    }
    let frames: Vec<Vec<u8>> = sent.iter().map(|packet| frame(hosts, own, packet)).collect();
    field.sender.send(&field.hosts.internet, "up0", &frames);
    let seen = field.settle(&victim);
    let claimed: Vec<_> = seen.iter().filter(|frame| holds(frame, b"claimed")).collect();
    assert!(claimed.is_empty(), "{claimed:02x?}");
}

#[test]
fn trust_reaches_no_further_than_links() {
    let Some(field) = Field::new("trust_reaches_no_further_than_links") else { return };
    field.hosts.host.default_way("up1", &INTERNET.map(address));
    let internet = Sniffer::at(&field.hosts.internet);
    // What the zone trusts has just gone, and its addresses lead nowhere but outside.
    field.hosts.host.inside(|| {
        let routes = RouteSocket::open().unwrap();
        let link = routes.link(&field.beside.link).unwrap().unwrap().index;
        routes.make(Change::link_down(link)).unwrap();
    });
    let [own, hosts] = field.victim.macs;
    let frames = [0, 1].map(|family| {
        let (from, to) = (field.victim.addresses[family], field.beside.addresses[family]);
        frame(hosts, own, &ip(from, to, UDP, &[], &packets::udp(from, to, 80, b"among us")))
    });
    field.sender.send(&field.victim.place, "eth0", &frames);
    // One that may leave, behind them.
    let honest = [0, 1].map(|family| {
        let (from, to) = (field.victim.addresses[family], address(INTERNET[family]));
        frame(hosts, own, &ip(from, to, UDP, &[], &packets::udp(from, to, 80, b"honest")))
    });
    field.sender.send(&field.victim.place, "eth0", &honest);
    let mut seen = Vec::new();
    assert!(eventually(|| {
        seen.extend(internet.frames());
        seen.iter().filter(|frame| holds(frame, b"honest")).count() >= 2
    }));
    assert!(!seen.iter().any(|frame| holds(frame, b"among us")), "{seen:02x?}");
}

/// `::ffff:127.0.0.1` and its like, which a program that takes connections on by a socket of IPv6 takes for an address of IPv4.
#[test]
fn no_address_of_ipv4_hides_in_one_of_ipv6() {
    let Some(field) = Field::new("no_address_of_ipv4_hides_in_one_of_ipv6") else { return };
    field.hosts.host.default_way("up1", &INTERNET.map(address));
    zone_with(&field.home, "wide", &EVIL.replace("\"internet\", ", "\"::/0\", \"internet\", "));
    let wide = Node::start(&field.home, &[&["--zone", "wide"][..], &RIGHTS].concat());
    let internet = Sniffer::at(&field.hosts.internet);
    let [own, hosts] = wide.macs;
    let from = wide.addresses[1];
    let to =
        ["::", "::1", "::ffff:127.0.0.1", "::ffff:203.0.113.9", "::ffff:169.254.169.254", "::203.0.113.9"];
    let datagram = |to: &str, text: &[u8]| {
        let to = address(to);
        frame(hosts, own, &ip(from, to, UDP, &[], &packets::udp(from, to, 80, text)))
    };
    let frames: Vec<Vec<u8>> = to.iter().map(|to| datagram(to, b"hidden")).collect();
    field.sender.send(&wide.place, "eth0", &frames);
    field.sender.send(&wide.place, "eth0", &[datagram(INTERNET[1], b"honest")]);
    let mut seen = Vec::new();
    assert!(eventually(|| {
        seen.extend(internet.frames());
        seen.iter().any(|frame| holds(frame, b"honest"))
    }));
    assert!(!seen.iter().any(|frame| holds(frame, b"hidden")), "{seen:02x?}");
}
