//! What a hostile container does to the network, each by real packets (docs/escapes.md). The attacker has the most that a zone can
//! give: with NET_ADMIN and NET_RAW, frames of any content leave by its link.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use cofferdam_kernel::netlink::{DUMP, Family, Request, Socket};
use cofferdam_kernel::rtnetlink::RouteSocket;
use support::field::{Field, RIGHTS, address, holds};
use support::hosts::{HOST, Hosts, INTERNET, LAN, METADATA, Node, zone};
use support::packets::{self, ICMP, ICMP6, Sender, Sniffer, UDP, frame, ip};
use support::place::{NEVER, Place, SOON};
use support::{busybox_home, busybox_root, eventually, skip};

#[test]
fn spoofed_sources_get_nowhere() {
    let Some(field) = Field::new("spoofed_sources_get_nowhere") else { return };
    let mut sources: Vec<IpAddr> =
        field.beside.addresses.into_iter().chain(field.attacker.gateways).collect();
    sources.extend(field.victim.addresses);
    sources.extend(
        [
            "203.0.113.1",
            "203.0.113.9",
            "192.168.77.9",
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
        ]
        .map(address),
    );
    sources.extend(["::1", "::", "fe80::1", "2001:db8::9", "fd77::9", "ff02::1"].map(address));
    let (victim, internet) = (Sniffer::at(&field.victim.place), Sniffer::at(&field.hosts.internet));
    let mut sent = Vec::new();
    for from in sources {
        let family = usize::from(from.is_ipv6());
        for to in [field.victim.addresses[family], address(INTERNET[family])] {
            sent.push(ip(from, to, UDP, &[], &packets::udp(from, to, 80, b"spoofed")));
        }
    }
    field.send(&sent);
    let seen = field.settle(&victim);
    let spoofed: Vec<_> = seen.iter().filter(|frame| holds(frame, b"spoofed")).collect();
    assert!(spoofed.is_empty(), "{spoofed:02x?}");
    assert!(internet.with(b"spoofed").is_empty());
}

#[test]
fn raw_packets_go_where_the_zone_lets_them_and_nowhere_else() {
    let Some(field) = Field::new("raw_packets_go_where_the_zone_lets_them_and_nowhere_else") else { return };
    let places: [(&Place, [IpAddr; 2]); 4] = [
        (&field.hosts.lan, LAN.map(address)),
        (&field.hosts.metadata, METADATA.map(address)),
        (&field.beside.place, field.beside.addresses),
        (&field.victim.place, field.victim.addresses),
    ];
    let sniffers = places.map(|(place, _)| Sniffer::at(place));
    let mut sent = Vec::new();
    for to in places.iter().flat_map(|(_, pair)| *pair) {
        let from = field.attacker.addresses[usize::from(to.is_ipv6())];
        sent.push(field.datagram(to, 81, "raw"));
        // IP in IP, IGMP, TCP without a handshake, GRE, ESP, SCTP, and numbers that nobody has.
        for protocol in [4, 2, 6, 47, 50, 132, 253, 255, 0] {
            let mut payload = vec![0; 20];
            payload[12] = 0x50;
            payload.extend(b"raw");
            sent.push(ip(from, to, protocol, &[], &payload));
        }
    }
    field.send(&sent);
    let seen = field.settle(&sniffers[3]);
    assert!(!seen.iter().any(|frame| holds(frame, b"raw")), "{seen:02x?}");
    for ((_, pair), sniffer) in places.iter().zip(&sniffers) {
        assert!(sniffer.with(b"raw").is_empty(), "{pair:?}");
    }
    // The program itself, where it belongs: inside the container.
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root("raw", folder.path()).unwrap();
    std::fs::copy(field.sender.program(), root.join("bin/send")).unwrap();
    field.home.ok(&["image", "import", root.to_str().unwrap(), "tools"]);
    let run =
        |flags: &[&str]| field.home.run(&[&["run", "--rm"], flags, &["tools", "send", "eth0"]].concat());
    for flags in [&["--zone", "victim"][..], &["--zone", "evil", "--cap-add", "NET_RAW"]] {
        let ran = run(flags);
        assert_eq!((ran.code, ran.err.contains("socket: ")), (1, true), "AF_PACKET is filtered: {ran:?}");
    }
    // With both capabilities it is not: this is the attacker of all these tests.
    assert_eq!(run(&[&["--zone", "evil"][..], &RIGHTS].concat()).code, 0);
}

/// Addresses, routes and neighbours that somebody set, as text.
fn state(place: &Place) -> Vec<String> {
    place.inside(|| {
        let routes = RouteSocket::open().unwrap();
        let mut all: Vec<String> =
            routes.permanent_neighbours().unwrap().iter().map(|it| format!("{it:?}")).collect();
        all.extend(routes.routes().unwrap().iter().map(|it| format!("{it:?}")));
        all.extend(routes.addresses().unwrap().iter().map(|it| format!("{it:?}")));
        all.sort();
        all
    })
}

/// All that is known of the neighbours (`ip neigh`), also what was learnt.
fn learnt(place: &Place) -> String {
    place.inside(|| std::fs::read_to_string("/proc/thread-self/net/arp").unwrap())
}

#[test]
fn nobody_believes_arp_and_neighbour_answers() {
    let Some(field) = Field::new("nobody_believes_arp_and_neighbour_answers") else { return };
    let [own, host_mac] = field.attacker.macs;
    let places = [&field.hosts.host, &field.victim.place, &field.beside.place];
    assert!(field.hosts.host.reaches(&field.victim.at(0, 80)));
    let before = places.map(|place| (state(place), learnt(place)));
    let sniffer = Sniffer::at(&field.victim.place);
    let IpAddr::V4(gateway) = field.attacker.gateways[0] else { unreachable!("the first is IPv4") };
    let mut frames = Vec::new();
    for claimed in [field.victim.addresses[0], field.beside.addresses[0], field.attacker.gateways[0]] {
        let IpAddr::V4(claimed) = claimed else { unreachable!("the first is IPv4") };
        for to in [host_mac, [0xff; 6], field.victim.macs[0], field.victim.macs[1]] {
            frames.push(packets::arp_answer(to, own, claimed, gateway));
        }
    }
    for claimed in [field.victim.addresses[1], field.attacker.gateways[1]] {
        let IpAddr::V6(bytes) = claimed else { unreachable!("the second is IPv6") };
        // A neighbour advertisement that overrides what is known (RFC 4861, 4.4).
        let message = [&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &bytes.octets(), &[2, 1], &own].concat();
        for from in [field.attacker.addresses[1], claimed, address("fe80::bad")] {
            for to in [field.attacker.gateways[1], address("ff02::1"), field.victim.addresses[1]] {
                let packet = ip(from, to, ICMP6, &[], &packets::icmp6(from, to, &message));
                frames.push(frame(host_mac, own, &packet));
            }
        }
    }
    field.sender.send(&field.attacker.place, "eth0", &frames);
    let seen = field.settle(&sniffer);
    assert!(seen.iter().all(|frame| frame[12..14] != [8, 6]), "ARP crossed: {seen:02x?}");
    assert_eq!(places.map(|place| (state(place), learnt(place))), before);
    assert!(field.hosts.host.reaches(&field.victim.at(0, 80)));
    assert!(field.beside.place.reaches(&field.victim.at(1, 80)));
}

/// CVE-2020-13401 (Docker), CVE-2020-10749 (CNI plugins): a container with raw sockets advertises itself as the router, and the
/// host's traffic goes through it.
#[test]
fn cve_2020_13401_and_2020_10749_router_advertisements_and_redirects_change_nothing() {
    let test = "cve_2020_13401_and_2020_10749_router_advertisements_and_redirects_change_nothing";
    let Some(field) = Field::new(test) else { return };
    let [own, host_mac] = field.attacker.macs;
    let places = [&field.hosts.host, &field.victim.place];
    let before = places.map(state);
    let sniffer = Sniffer::at(&field.victim.place);
    // For 30 minutes, of high preference, with a prefix for addresses and a resolver (RFC 4861, 4.2).
    let mut message = vec![134, 0, 0, 0, 64, 0x08, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([3, 4, 64, 0xc0, 0, 0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0]);
    message.extend(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0).octets());
    message.extend([1, 1]);
    message.extend(own);
    let mut frames = Vec::new();
    for from in [address("fe80::bad"), field.attacker.addresses[1], field.attacker.gateways[1]] {
        for to in [address("ff02::1"), field.attacker.gateways[1], field.victim.addresses[1]] {
            let packet = ip(from, to, ICMP6, &[], &packets::icmp6(from, to, &message));
            frames.push(frame(host_mac, own, &packet));
            frames.push(frame([0x33, 0x33, 0, 0, 0, 1], own, &packet));
        }
    }
    // "The way to the internet is by me" (RFC 792), with the beginning of a packet that the host could have sent.
    let IpAddr::V4(me) = field.attacker.addresses[0] else { unreachable!("the first is IPv4") };
    let (host, far) = (address(HOST[0]), address(INTERNET[0]));
    let mut redirect = [&[5, 1, 0, 0][..], &me.octets(), &ip(host, far, UDP, &[], &[0; 8])].concat();
    let sum = packets::checksum(&[&redirect]);
    redirect[2..4].copy_from_slice(&sum);
    for from in [field.attacker.addresses[0], field.attacker.gateways[0], far] {
        for to in [host, field.attacker.gateways[0], field.victim.addresses[0]] {
            frames.push(frame(host_mac, own, &ip(from, to, ICMP, &[], &redirect)));
        }
    }
    field.sender.send(&field.attacker.place, "eth0", &frames);
    let seen = field.settle(&sniffer);
    // An advertisement by its place in an IPv6 packet, a redirect by its place in an IPv4 packet.
    let advertises = |frame: &[u8]| frame.get(20) == Some(&ICMP6) && frame.get(54) == Some(&134);
    let redirects = |frame: &[u8]| frame.get(23) == Some(&ICMP) && frame.get(34) == Some(&5);
    assert!(!seen.iter().any(|frame| advertises(frame) || redirects(frame)), "{seen:02x?}");
    assert_eq!(places.map(state), before);
}

/// The parts of a datagram for IPv6: a header of kind 44 before each (RFC 8200, 4.5).
fn part6(next: u8, offset: u16, more: bool, bytes: &[u8]) -> Vec<u8> {
    let place = (offset & !7) | u16::from(more);
    [&[next, 0][..], &place.to_be_bytes(), &[0, 0, 0x77, 0x77], bytes].concat()
}

#[test]
fn fragments_and_extension_headers_hide_no_port() {
    let Some(field) = Field::new("fragments_and_extension_headers_hide_no_port") else { return };
    let [from4, from6] = field.attacker.addresses;
    let [to4, to6] = field.victim.addresses;
    let sniffer = Sniffer::at(&field.victim.place);
    let mut sent = Vec::new();
    for (port, text) in [(81, "hidden-in-parts"), (80, "open-in-parts--")] {
        let whole = packets::udp(from4, to4, port, text.as_bytes());
        // The ports alone, and the rest after it; and the other way round.
        let parts = [
            packets::fragment(from4, to4, UDP, &[], &whole[..8], 0x2000),
            packets::fragment(from4, to4, UDP, &[], &whole[8..], 1),
        ];
        sent.extend(parts.clone());
        if port == 81 {
            sent.extend(parts.into_iter().rev());
            // An innocent first part, and one that would write over it.
            let innocent = packets::udp(from4, to4, 80, b"innocent-parts-");
            sent.push(packets::fragment(from4, to4, UDP, &[], &innocent[..16], 0x2000));
            sent.push(packets::fragment(from4, to4, UDP, &[], &whole[..16], 0x2000));
            sent.push(packets::fragment(from4, to4, UDP, &[], &whole[16..], 2));
        }
        let whole = packets::udp(from6, to6, port, text.as_bytes());
        sent.push(ip(from6, to6, 44, &[], &part6(UDP, 0, true, &whole[..8])));
        sent.push(ip(from6, to6, 44, &[], &part6(UDP, 8, false, &whole[8..])));
        // Whole, behind destination options, behind a fragment header that is alone, and behind hop-by-hop options.
        for next in [60, 0] {
            let padding = [UDP, 0, 1, 4, 0, 0, 0, 0];
            sent.push(ip(from6, to6, next, &[], &[&padding[..], &whole].concat()));
        }
        sent.push(ip(from6, to6, 44, &[], &part6(UDP, 0, false, &whole)));
    }
    field.send(&sent);
    let mut seen = field.settle(&sniffer);
    assert!(eventually(|| {
        seen.extend(sniffer.frames());
        seen.iter().filter(|frame| holds(frame, b"open-in-parts--")).count() >= 4
    }));
    assert!(!seen.iter().any(|frame| holds(frame, b"hidden")), "{seen:02x?}");
    // What a kernel itself takes apart arrives whole.
    for family in [0, 1] {
        let to = field.victim.at(family, 80);
        let back = field.attacker.place.inside(|| {
            let any = if family == 0 { "0.0.0.0:0" } else { "[::]:0" };
            let socket = std::net::UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket.send_to(&[7; 4000], &to).unwrap();
            socket.recv_from(&mut [0; 8000]).unwrap().0
        });
        assert_eq!(back, 2048, "the server echoes what its buffer holds");
    }
}

#[test]
fn source_routes_lead_nowhere() {
    let Some(field) = Field::new("source_routes_lead_nowhere") else { return };
    let sniffers = [&field.hosts.lan, &field.beside.place, &field.hosts.internet].map(Sniffer::at);
    let victim = Sniffer::at(&field.victim.place);
    let mut sent = Vec::new();
    for (first, last) in [
        (INTERNET[0].to_owned(), LAN[0].to_owned()),
        (field.victim.addresses[0].to_string(), field.beside.addresses[0].to_string()),
        (field.attacker.gateways[0].to_string(), LAN[0].to_owned()),
    ] {
        let last: Ipv4Addr = last.parse().unwrap();
        let (from, to) = (field.attacker.addresses[0], address(&first));
        // Loose and strict source routes (RFC 791), padded to four bytes.
        for kind in [131, 137] {
            let options = [&[kind, 7, 4][..], &last.octets(), &[0]].concat();
            sent.push(ip(from, to, UDP, &options, &packets::udp(from, to, 80, b"routed")));
        }
    }
    for (first, last) in [
        (INTERNET[1].to_owned(), LAN[1].to_owned()),
        (field.attacker.gateways[1].to_string(), LAN[1].to_owned()),
        (field.attacker.gateways[1].to_string(), field.beside.addresses[1].to_string()),
    ] {
        let last: std::net::Ipv6Addr = last.parse().unwrap();
        let (from, to) = (field.attacker.addresses[1], address(&first));
        // Routing headers of type 0 (RFC 5095 forbids them) and of segment routing.
        for kind in [0, 4] {
            let header = [&[UDP, 2, kind, 1, 0, 0, 0, 0][..], &last.octets()].concat();
            let datagram = packets::udp(from, last.into(), 80, b"routed");
            sent.push(ip(from, to, 43, &[], &[header, datagram].concat()));
        }
    }
    field.send(&sent);
    let seen = field.settle(&victim);
    assert!(!seen.iter().any(|frame| holds(frame, b"routed")));
    assert!(sniffers[0].with(b"routed").is_empty(), "the private network");
    assert!(sniffers[1].with(b"routed").is_empty(), "the container beside");
    let to_internet = sniffers[2].with(b"routed");
    assert!(to_internet.iter().all(|frame| frame[12..14] != [8, 0]), "IPv4 options do not leave at all");
}

#[test]
fn a_container_that_changes_its_own_network_gains_nothing() {
    let Some(field) = Field::new("a_container_that_changes_its_own_network_gains_nothing") else { return };
    let (stolen, own) = (field.beside.addresses[0], field.attacker.addresses[0]);
    let exec = |script: &str| field.home.run(&["exec", &field.attacker.id, "sh", "-c", script]);
    let victim = Sniffer::at(&field.victim.place);
    let lan = Sniffer::at(&field.hosts.lan);
    for change in [
        format!("busybox ip addr add {stolen}/32 dev eth0"),
        "busybox ip addr add 192.168.77.50/24 dev eth0".to_owned(),
        "busybox ip route replace 192.168.77.0/24 dev eth0".to_owned(),
        format!("busybox ip route replace {} dev eth0 src {stolen}", field.victim.addresses[0]),
        "busybox ip link add name more type veth peer name less || true".to_owned(),
    ] {
        let ran = exec(&change);
        assert_eq!(ran.code, 0, "{change}: {ran:?}");
    }
    // The stolen address, at a port that its zone may use; and the own one, to where the zone may not go.
    let from = |source: IpAddr, to: &str| {
        let to = to.to_owned();
        field.attacker.place.inside(|| {
            let socket = std::net::UdpSocket::bind((source, 0)).unwrap();
            let _ = socket.send_to(b"changed", to);
        });
    };
    from(stolen, &field.victim.at(0, 80));
    from(stolen, "203.0.113.9:80");
    from(address("192.168.77.50"), "192.168.77.9:80");
    from(own, "192.168.77.9:80");
    // Rules of its own: there are none that hold it, whatever it does with them.
    if let Ok(status) =
        field.attacker.place.inside(|| std::process::Command::new("nft").args(["flush", "ruleset"]).status())
    {
        assert!(status.success());
    }
    assert!(field.attacker.place.tcp("192.168.77.9:80", NEVER).is_err());
    assert!(exec(&format!("busybox ip addr del {stolen}/32 dev eth0")).code == 0);
    exec(&format!(
        "busybox ip route replace {} via {} dev eth0 src {own}",
        field.victim.addresses[0], field.attacker.gateways[0]
    ));
    let seen = field.settle(&victim);
    assert!(!seen.iter().any(|frame| holds(frame, b"changed")), "{seen:02x?}");
    assert!(lan.with(b"changed").is_empty());
    let ran = field.home.run(&["verify", &field.attacker.id]);
    assert!(ran.code != 0 && ran.out.contains("addresses inside"), "verify names it: {ran:?}");
    // Without the capability nothing of it can be changed.
    for change in ["ip addr add 10.1.1.1/32 dev eth0", "ip route del default", "ip link set eth0 down"] {
        let ran =
            field.home.run(&["exec", &field.victim.id, "busybox", "sh", "-c", &format!("busybox {change}")]);
        assert!(ran.code != 0 && ran.err.contains("not permitted"), "{change}: {ran:?}");
    }
    assert_eq!(field.home.run(&["verify", &field.victim.id]).code, 0);
}

/// CVE-2020-8558: with a way to it from a link, services that listen on the loopback address only can be reached by it.
#[test]
fn cve_2020_8558_services_of_the_host_are_out_of_reach_whatever_they_listen_on() {
    let test = "cve_2020_8558_services_of_the_host_are_out_of_reach_whatever_they_listen_on";
    let Some(field) = Field::new(test) else { return };
    field.hosts.host.serve("[::]:90");
    let deaf = field.hosts.host.inside(|| std::net::UdpSocket::bind("127.0.0.1:91").unwrap());
    let wide = field.hosts.host.inside(|| std::net::UdpSocket::bind("[::]:92").unwrap());
    let mut targets: Vec<IpAddr> = field.attacker.gateways.to_vec();
    targets.extend(HOST.map(address));
    targets.extend(["192.168.77.1", "169.254.169.1", "fd77::1"].map(address));
    for from in [&field.attacker, &field.victim] {
        for to in &targets {
            let to = std::net::SocketAddr::new(*to, 90).to_string();
            assert!(from.place.is_kept_from(&to), "{to}");
        }
    }
    let mut sent = Vec::new();
    for to in targets
        .into_iter()
        .chain(["127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "255.255.255.255"].map(address))
    {
        sent.extend([91, 92, 8080].map(|port| field.datagram(to, port, "to the host")));
    }
    let victim = Sniffer::at(&field.victim.place);
    field.send(&sent);
    field.settle(&victim);
    for socket in [deaf, wide] {
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv_from(&mut [0; 8]).is_err());
    }
}

#[test]
fn published_ports_of_others_are_no_way_around_the_zone() {
    let Some(field) = Field::new("published_ports_of_others_are_no_way_around_the_zone") else { return };
    // It is there for whoever may come.
    assert!(field.hosts.internet.tcp("203.0.113.1:8080", SOON).is_ok());
    assert!(field.beside.place.tcp("203.0.113.1:8080", SOON).is_ok(), "of the same zone");
    let mut doors: Vec<IpAddr> = field.attacker.gateways.to_vec();
    doors.extend(HOST.map(address));
    doors.extend(["192.168.77.1", "fd77::1"].map(address));
    for door in doors {
        let to = std::net::SocketAddr::new(door, 8080).to_string();
        assert!(field.attacker.place.tcp(&to, NEVER).is_err(), "{to}");
    }
    // And not by the port's own address either.
    assert!(field.attacker.place.tcp(&field.victim.at(0, 80), NEVER).is_err());
    assert!(field.attacker.place.udp(&field.victim.at(0, 80), SOON).is_ok(), "the one thing that it may");
}

#[test]
fn metadata_services_answer_only_whom_a_rule_names_them_to() {
    let Some(home) = busybox_home("metadata_services_answer_only_whom_a_rule_names_them_to") else { return };
    let hosts = Hosts::around_here();
    zone(&home, "wide", "egress = [\"any\", \"private\", \"internet\", \"host\"]");
    zone(&home, "named", "egress = [\"169.254.169.254 tcp/80\", \"fd00:ec2::254 tcp/80\"]");
    for (flags, reaches) in [(&[][..], false), (&["--zone", "wide"], false), (&["--zone", "named"], true)] {
        let node = Node::start(&home, flags);
        for to in METADATA {
            let to = std::net::SocketAddr::new(address(to), 80).to_string();
            let patience = if reaches { SOON } else { NEVER };
            assert_eq!(node.place.tcp(&to, patience).is_ok(), reaches, "{flags:?} {to}");
            assert!(node.place.udp(&to, NEVER).is_err(), "{flags:?} {to}");
        }
        home.ok(&["rm", "-f", &node.id]);
    }
    assert!(hosts.host.tcp("169.254.169.254:80", SOON).is_ok(), "the service is there");
}

/// How many connections the host's kernel knows.
fn known_connections() -> usize {
    // `IPCTNL_MSG_CT_GET`
    let request = Request::new((1 << 8) | 1, DUMP, &[0; 4]);
    Socket::open(Family::Netfilter).unwrap().ask(&request, |_| Some(())).unwrap().len()
}

#[test]
fn a_flood_of_connections_of_one_zone_leaves_room_for_the_others() {
    let test = "a_flood_of_connections_of_one_zone_leaves_room_for_the_others";
    let Some(home) = busybox_home(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(sender) = Sender::build(folder.path()) else { return skip(test, "there is no C compiler") };
    let hosts = Hosts::around_here();
    zone(&home, "flood", "egress = [\"internet\"]\nconnections = 300");
    let flood = Node::start(&home, &["--zone", "flood"]);
    let calm = Node::start(&home, &[]);
    let to = address(INTERNET[0]);
    let from = flood.addresses[0];
    // Each from another port: a connection of its own.
    let frames: Vec<Vec<u8>> = (1024..21_024_u16)
        .map(|port| {
            let mut datagram = packets::udp(from, to, 7, b"flood");
            datagram[..2].copy_from_slice(&port.to_be_bytes());
            datagram[6..8].copy_from_slice(&[0, 0]);
            frame(flood.macs[1], flood.macs[0], &ip(from, to, UDP, &[], &datagram))
        })
        .collect();
    sender.send(&flood.place, "eth0", &frames);
    assert!(eventually(|| known_connections() >= 300));
    let known = known_connections();
    assert!(known <= 340, "{known} connections for 20,000 that were tried");
    for _ in 0..20 {
        assert!(calm.place.reaches("203.0.113.9:80") && calm.place.reaches("[2001:db8::9]:80"));
    }
    assert!(flood.place.tcp("203.0.113.9:80", NEVER).is_err(), "the flood has used up its own");
    println!("20,000 tried, {known} known to the host");
    drop(hosts);
    home.ok(&["rm", "-f", &flood.id, &calm.id]);
}
