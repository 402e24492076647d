//! Containers' networks on the real kernel: in network namespaces that the test makes, with none of the machine's links.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests: a failed unwrap is a failed test")]

mod place;
mod world;

use cofferdam_confinement::network::{Network, Protocol, PublishedPort, Segment};
use cofferdam_kernel::rtnetlink::{Change, RouteSocket};
use cofferdam_network::{ConnectError, Connected, Remains, connect, disconnect, is_in_place, observe};
use place::{NEVER, Place, SOON};
use world::{network, rules};

/// A host with a container or more, all of the test's own.
struct Host {
    place: Place,
}

struct Container {
    place: Place,
    plan: Network,
    host: Place,
    connected: Option<Connected>,
}

impl Drop for Container {
    fn drop(&mut self) {
        // Where the engine of the test is: what is dropped elsewhere is taken away there.
        let connected = self.connected.take();
        self.host.inside(|| drop(connected));
    }
}

fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIP {test}: it needs root");
    }
    root
}

impl Host {
    fn new() -> Self {
        Self { place: Place::new() }
    }

    fn connect(&self, plan: &Network, place: &Place) -> Result<Connected, ConnectError> {
        self.place.inside(|| connect(plan, place.fd(), &|| Ok(None)))
    }

    fn container(&self, plan: Network) -> Container {
        let place = Place::new();
        let connected = self.connect(&plan, &place).unwrap();
        place.serve("0.0.0.0:80");
        place.serve("[::]:81");
        Container { place, plan, host: self.place.again(), connected: Some(connected) }
    }

    /// Links, routes, addresses and tables of ours; nft(8) is not needed for them.
    fn left(&self) -> Vec<String> {
        self.place.inside(|| {
            let routes = RouteSocket::open().unwrap();
            let mut left: Vec<String> = routes.links().unwrap().into_iter().map(|link| link.name).collect();
            left.retain(|name| name.starts_with("cfd"));
            left.extend(routes.routes().unwrap().iter().map(|route| format!("{route:?}")));
            left.extend(
                routes.addresses().unwrap().iter().filter(|it| it.maker > 1).map(|it| format!("{it:?}")),
            );
            left
        })
    }

    fn nft(&self, args: &[&str]) -> Option<String> {
        let output = self.place.inside(|| std::process::Command::new("nft").args(args).output()).ok()?;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Container {
    fn v4(&self) -> String {
        format!("{}:80", self.plan.addresses[0].address)
    }

    fn v6(&self) -> String {
        format!("[{}]:81", self.plan.addresses[1].address)
    }

    fn reaches(&self, other: &Self) -> bool {
        self.place.reaches(&other.v4()) && self.place.reaches(&other.v6())
    }

    fn is_kept_from(&self, other: &Self) -> bool {
        self.place.is_kept_from(&other.v4()) && self.place.is_kept_from(&other.v6())
    }
}

fn published(address: Option<&str>, host_port: u16) -> PublishedPort {
    let address = address.map(|text| text.parse().unwrap());
    PublishedPort { address, host_port, container_port: 80, protocol: Protocol::Tcp }
}

#[test]
fn containers_of_one_zone_reach_each_other_and_those_of_two_do_not() {
    if !is_root("containers_of_one_zone_reach_each_other_and_those_of_two_do_not") {
        return;
    }
    let host = Host::new();
    let web = || rules(true, &["internet"], &["any", "host"]);
    let one = host.container(network("web", 16, web()));
    let two = host.container(network("web", 17, web()));
    let other =
        host.container(network("db", 18, rules(true, &["internet", "private", "10.0.0.0/8"], &["any"])));
    assert!(one.reaches(&two) && two.reaches(&one));
    assert!(one.is_kept_from(&other) && other.is_kept_from(&one));
    assert!(host.place.reaches(&one.v4()) && host.place.reaches(&one.v6()));
    assert!(host.place.is_kept_from(&other.v4()), "db lets nobody in but by published ports");
    for container in [&one, &two, &other] {
        let parts = host.place.inside(|| observe(&container.plan, container.place.fd())).unwrap();
        let wrong: Vec<_> = parts.iter().filter(|part| !part.holds()).collect();
        assert!(wrong.is_empty() && parts.len() > 30, "{wrong:#?}");
    }
    if let Some(listed) = host.nft(&["list", "ruleset"]) {
        assert!(listed.contains("iifgroup vmap @out") && listed.contains("trust in segment"), "{listed}");
    }
    drop((one, two, other));
    assert_eq!(host.left(), Vec::<String>::new());
    assert_eq!(host.nft(&["list", "tables"]).unwrap_or_default(), "");
    let forwards = host.place.inside(|| std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap());
    assert_eq!(forwards.trim(), "0");
}

#[test]
fn rules_by_zone_label_segment_and_service() {
    if !is_root("rules_by_zone_label_segment_and_service") {
        return;
    }
    let host = Host::new();
    let web = rules(true, &["zone:db label:role=primary tcp/80 tcp/81 udp/80 udp/81"], &[]);
    let client = host.container(network("web", 16, web));
    let db = || rules(false, &[], &["zone:web tcp/80 udp/80 tcp/81"]);
    let mut plan = network("db", 17, db());
    plan.labels.insert("role".to_owned(), "primary".to_owned());
    let primary = host.container(plan);
    let replica = host.container(network("db", 18, db()));
    assert!(client.place.reaches(&primary.v4()));
    assert!(client.place.tcp(&primary.v6(), SOON).is_ok() && client.place.udp(&primary.v6(), NEVER).is_err());
    assert!(client.is_kept_from(&replica), "it lacks the label");
    assert!(primary.is_kept_from(&replica), "db does not trust its own");
    assert!(primary.is_kept_from(&client), "an answer is not a connection");
    let in_front = |number| {
        let segments = vec![Segment { name: "front".to_owned(), aliases: Vec::new() }];
        Network { segments, ..network("web", number, rules(true, &[], &[])) }
    };
    let (a, b) = (host.container(in_front(20)), host.container(in_front(21)));
    assert!(a.reaches(&b));
    assert!(a.is_kept_from(&client) && client.is_kept_from(&a), "another segment of the zone");
}

/// The host, a container in it, and two other hosts: one on the internet, one in a private network.
#[test]
fn the_outside_is_reached_as_the_zone_says_and_ports_lead_in() {
    if !is_root("the_outside_is_reached_as_the_zone_says_and_ports_lead_in") {
        return;
    }
    let host = Host::new();
    let (internet, lan) = (Place::new(), Place::new());
    host.place.cable(
        "up1",
        &internet,
        &["203.0.113.1/24", "2001:db8::1/64"],
        &["203.0.113.9/24", "2001:db8::9/64"],
    );
    host.place.cable("up2", &lan, &["192.168.77.1/24"], &["192.168.77.9/24"]);
    internet.serve("0.0.0.0:80");
    internet.serve("[::]:81");
    lan.serve("0.0.0.0:80");
    host.place.serve("0.0.0.0:90");
    let mut plan = network("web", 16, rules(true, &["internet"], &["any", "host"]));
    plan.published = vec![published(None, 8080), published(Some("192.168.77.1"), 8081)];
    let web = host.container(plan);
    let neighbour = host.container(network("web", 17, rules(true, &["internet"], &["any", "host"])));
    assert_eq!(web.place.tcp("203.0.113.9:80", SOON).unwrap(), "203.0.113.1", "masqueraded");
    assert_eq!(web.place.tcp("[2001:db8::9]:81", SOON).unwrap(), "2001:db8::1");
    assert!(web.place.is_kept_from("192.168.77.9:80"));
    for address in ["203.0.113.1:90", "192.168.77.1:90", "10.207.0.1:90"] {
        assert!(web.place.is_kept_from(address), "a service of the host's at {address}");
    }
    // In: the client's address is kept, and only published ports lead in.
    assert_eq!(internet.tcp("203.0.113.1:8080", SOON).unwrap(), "203.0.113.9");
    assert!(internet.tcp("203.0.113.1:8081", NEVER).is_err(), "published at another address");
    assert_eq!(lan.tcp("192.168.77.1:8081", SOON).unwrap(), "192.168.77.9");
    assert!(internet.is_kept_from(&web.v4()), "a route to the container's own address is no way in");
    // From the host and from containers, the container itself among them.
    for address in ["127.0.0.1:8080", "203.0.113.1:8080", "192.168.77.1:8081"] {
        assert!(host.place.tcp(address, SOON).is_ok(), "{address}");
    }
    assert_eq!(neighbour.place.tcp("203.0.113.1:8080", SOON).unwrap(), "10.207.0.17");
    assert_eq!(web.place.tcp("203.0.113.1:8080", SOON).unwrap(), "10.207.0.1", "hairpin");
    assert!(host.place.tcp("[::1]:8080", NEVER).is_err());
    // The host forwards for its containers alone.
    assert!(lan.is_kept_from("203.0.113.9:80"));
    // A second container cannot have the port.
    let mut second = network("db", 30, rules(true, &[], &["any"]));
    second.published = vec![published(None, 8080)];
    let error = host.connect(&second, &Place::new()).unwrap_err().to_string();
    assert_eq!(error, "port 8080/tcp is published by the container with address 10.207.0.16");
}

#[test]
fn the_owners_firewall_is_not_bypassed_and_a_flush_is_noticed() {
    if !is_root("the_owners_firewall_is_not_bypassed_and_a_flush_is_noticed") {
        return;
    }
    let host = Host::new();
    let web = || rules(true, &[], &["host"]);
    let one = host.container(network("web", 16, web()));
    let two = host.container(network("web", 17, web()));
    let owners = "table inet owner { chain f { type filter hook forward priority 10; policy accept; \
                  tcp dport 80 drop; }; }";
    if host.nft(&[owners]).is_none() {
        eprintln!(
            "SKIP the_owners_firewall_is_not_bypassed_and_a_flush_is_noticed: nftables is not installed"
        );
        return;
    }
    assert!(one.place.tcp(&two.v4(), NEVER).is_err(), "the owner drops it");
    assert!(one.place.udp(&two.v4(), SOON).is_ok());
    host.nft(&["flush", "ruleset"]);
    let parts = host.place.inside(|| observe(&one.plan, one.place.fd())).unwrap();
    let wrong: Vec<_> = parts.into_iter().filter(|part| !part.holds()).map(|part| part.item).collect();
    assert!(wrong.iter().any(|item| item == "chain spoofed"), "{wrong:?}");
    host.place.inside(|| cofferdam_network::repair(|| Ok(vec![one.plan.clone(), two.plan.clone()]))).unwrap();
    for container in [&one, &two] {
        let parts = host.place.inside(|| observe(&container.plan, container.place.fd())).unwrap();
        assert!(parts.iter().all(cofferdam_network::Part::holds), "{parts:#?}");
    }
    assert!(one.reaches(&two));
    // Chains that others lead to, one element.
    for chain in ["from_link", "of_link"] {
        host.nft(&["flush chain inet cofferdam", chain]);
    }
    host.nft(&["delete element inet cofferdam sources4 { \"cfd000000000010\" . 10.207.0.16 }"]);
    let parts = host.place.inside(|| observe(&one.plan, one.place.fd())).unwrap();
    assert_eq!(parts.iter().filter(|part| !part.holds()).count(), 3, "{parts:#?}");
    host.place.inside(|| cofferdam_network::repair(|| Ok(vec![one.plan.clone(), two.plan.clone()]))).unwrap();
    assert!(one.reaches(&two));
}

#[test]
fn connections_of_one_container_are_limited_and_others_go_on() {
    if !is_root("connections_of_one_container_are_limited_and_others_go_on") {
        return;
    }
    let host = Host::new();
    let limited =
        || cofferdam_confinement::network::ZoneRules { connections: Some(5), ..rules(true, &[], &[]) };
    let one = host.container(network("web", 16, limited()));
    let two = host.container(network("web", 17, limited()));
    let to: std::net::SocketAddr = two.v4().parse().unwrap();
    one.place.inside(|| {
        let opened: Vec<_> = (0..9).map(|_| std::net::TcpStream::connect_timeout(&to, NEVER)).collect();
        let came: Vec<bool> = opened.iter().map(Result::is_ok).collect();
        assert_eq!(came, [true, true, true, true, true, false, false, false, false], "{opened:?}");
    });
    assert!(two.place.tcp(&one.v4(), SOON).is_ok());
}

/// All containers of a zone together, each of which may open more: what is left of the host's table is for others.
#[test]
fn conntrack_exhaustion_by_one_zone_and_others_keep_working() {
    if !is_root("conntrack_exhaustion_by_one_zone_and_others_keep_working") {
        return;
    }
    let host = Host::new();
    let greedy = || cofferdam_confinement::network::ZoneRules {
        zone_connections: Some(300),
        ..rules(true, &["zone:db"], &[])
    };
    let all: Vec<_> = (16..20).map(|number| host.container(network("web", number, greedy()))).collect();
    let db = host.container(network("db", 24, rules(true, &[], &["zone:web", "zone:app"])));
    let app = host.container(network("app", 25, rules(true, &["zone:db"], &[])));
    let to = |port: u16| std::net::SocketAddr::new(db.plan.addresses[0].address, port);
    std::thread::scope(|scope| {
        for one in &all {
            // Each packet to another port is a connection of its own.
            scope.spawn(|| {
                one.place.inside(|| {
                    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
                    for port in 1..=1000 {
                        let _ = socket.send_to(b"x", to(port));
                    }
                });
            });
        }
    });
    let known = known_connections(&host, &db.plan.addresses[0].address.to_string());
    assert!((250..=300).contains(&known), "{known} connections of 4000");
    assert!(all[0].place.tcp(&db.v4(), NEVER).is_err(), "the zone has used up its own");
    assert!(app.place.tcp(&db.v4(), SOON).is_ok() && app.place.tcp(&db.v6(), SOON).is_ok());
}

#[test]
fn a_container_that_is_gone_leaves_nothing_twice() {
    if !is_root("a_container_that_is_gone_leaves_nothing_twice") {
        return;
    }
    let host = Host::new();
    let plan = network("web", 16, rules(true, &[], &[]));
    let place = Place::new();
    host.connect(&plan, &place).unwrap().keep();
    // The same container once more, whose end nobody saw.
    let again = Place::new();
    host.connect(&plan, &again).unwrap().keep();
    for _ in 0..2 {
        host.place.inside(|| disconnect(&plan).and_then(Remains::clear)).unwrap();
        assert_eq!(host.left(), Vec::<String>::new());
    }
}

/// Another container may share its network and go on: the table, which goes with the last container, and the link, which the kernel
/// gives back later, leave no moment without rules.
#[test]
fn nothing_comes_by_the_link_of_a_container_that_has_ended() {
    if !is_root("nothing_comes_by_the_link_of_a_container_that_has_ended") {
        return;
    }
    let host = Host::new();
    host.place.serve("[::]:7777");
    let plan = network("web", 16, rules(true, &[], &[]));
    let place = Place::new();
    host.connect(&plan, &place).unwrap().keep();
    let gateways =
        plan.addresses.iter().map(|pair| std::net::SocketAddr::new(pair.gateway, 7777).to_string());
    let gateways: Vec<String> = gateways.collect();
    assert!(gateways.iter().all(|gateway| place.is_kept_from(gateway)), "while it runs");
    let remains = host.place.inside(|| disconnect(&plan)).unwrap();
    assert!(!host.place.inside(|| is_in_place().unwrap()), "it was the last");
    // The host's addresses, which went with the table, by hand again.
    host.place.inside(|| {
        let routes = RouteSocket::open().unwrap();
        for gateway in plan.addresses.iter().map(|pair| pair.gateway) {
            let bits = if gateway.is_ipv4() { 32 } else { 128 };
            routes.make(Change::add_address(1, gateway, bits, 0)).unwrap();
        }
    });
    assert!(gateways.iter().all(|gateway| place.is_kept_from(gateway)), "after its end");
    host.place.inside(|| remains.clear()).unwrap();
}

/// Connections that the kernel knows of an address, by the dump that a person would look at.
fn known_connections(host: &Host, address: &str) -> usize {
    use cofferdam_kernel::netlink::{DUMP, Family, Request, Socket};
    let bytes = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
    host.place.inside(|| {
        // `IPCTNL_MSG_CT_GET` of IPv4
        let request = Request::new(1 << 8 | 1, DUMP, &[2, 0, 0, 0]);
        let socket = Socket::open(Family::Netfilter).unwrap();
        let found =
            socket.ask(&request, |message| message.body.windows(4).any(|it| it == bytes).then_some(()));
        found.unwrap().len()
    })
}

#[test]
fn the_connections_of_a_container_end_with_it() {
    if !is_root("the_connections_of_a_container_end_with_it") {
        return;
    }
    let host = Host::new();
    let one = host.container(network("web", 16, rules(true, &[], &["host"])));
    let two = host.container(network("web", 17, rules(true, &[], &["host"])));
    assert!(one.reaches(&two) && host.place.reaches(&two.v4()) && host.place.reaches(&one.v4()));
    assert!(known_connections(&host, "10.207.0.17") > 3);
    drop(two);
    assert_eq!(known_connections(&host, "10.207.0.17"), 0);
    assert!(known_connections(&host, "10.207.0.16") > 0, "another's go on");
}

/// An outsider whose packets lead to a published port is not led to the next container with the address, which publishes none.
#[test]
fn an_outsiders_connections_do_not_reach_the_next_container_with_the_address() {
    if !is_root("an_outsiders_connections_do_not_reach_the_next_container_with_the_address") {
        return;
    }
    let host = Host::new();
    let outside = Place::new();
    host.place.cable("up1", &outside, &["203.0.113.1/24"], &["203.0.113.9/24"]);
    let mut plan = network("web", 16, rules(true, &[], &["any"]));
    plan.published = vec![PublishedPort { protocol: Protocol::Udp, ..published(None, 8080) }];
    let socket = outside.inside(|| std::net::UdpSocket::bind("203.0.113.9:0").unwrap());
    let ask = || {
        socket.send_to(b"x", "203.0.113.1:8080").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        known_connections(&host, "10.207.0.16")
    };
    // It ends as it should.
    let first = host.container(plan.clone());
    assert!(ask() > 0, "published");
    drop(first);
    assert_eq!((known_connections(&host, "10.207.0.16"), ask()), (0, 0), "nobody has the port");
    // Its end is not seen to: link and elements stay.
    let place = Place::new();
    host.connect(&plan, &place).unwrap().keep();
    assert!(ask() > 0, "published");
    let next = host.container(network("web", 16, rules(true, &[], &["any"])));
    assert_eq!(known_connections(&host, "10.207.0.16"), 0, "the next one begins with none");
    drop(next);
    host.place.inside(|| disconnect(&plan).and_then(Remains::clear)).unwrap();
}

/// `--publish 53:53/udp` leads outsiders to the container, and takes no question of other containers to their name servers.
#[test]
fn a_published_port_never_takes_the_zones_name_servers() {
    if !is_root("a_published_port_never_takes_the_zones_name_servers") {
        return;
    }
    let host = Host::new();
    let outside = Place::new();
    host.place.cable("up1", &outside, &["203.0.113.1/24"], &["203.0.113.9/24"]);
    let mut plan = network("web", 16, rules(true, &[], &["any"]));
    plan.published = [Protocol::Udp, Protocol::Tcp]
        .map(|protocol| PublishedPort { protocol, ..published(None, 53) })
        .to_vec();
    let taker = host.container(plan);
    let asker = host.container(network("db", 17, rules(true, &[], &[])));
    let peer = host.container(network("web", 18, rules(true, &[], &["any"])));
    assert!(outside.reaches("203.0.113.1:53"), "published");
    for container in [&asker, &peer, &taker] {
        assert!(container.place.is_kept_from("10.207.0.1:53"), "nobody listens there yet");
    }
    host.place.serve("10.207.0.1:53");
    for container in [&asker, &peer, &taker] {
        let answered = container.place.tcp("10.207.0.1:53", SOON).unwrap();
        assert_eq!(answered, container.plan.addresses[0].address.to_string(), "the host's own program");
        assert!(container.place.udp("10.207.0.1:53", SOON).is_ok());
    }
    let parts = host.place.inside(|| observe(&taker.plan, taker.place.fd())).unwrap();
    assert!(parts.iter().all(cofferdam_network::Part::holds), "{parts:#?}");
}
