//! Six zones of three containers each, every pair by every protocol, from and to the outside: what real packets do is what
//! `zone graph` says.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use support::busybox_home;
use support::hosts::{Hosts, INTERNET, LAN, METADATA, Node, zone};
use support::packets::ping_from_here;
use support::place::{Place, SOON, tcp_from_here, udp_from_here};
use support::question::{ByTcp, addresses_of};

const ZONES: [(&str, &str); 6] = [
    (
        "web",
        "egress = [\"internet\", \"zone:db tcp/80 udp/80\", \"zone:log\", \"zone:edge icmp\"]\ningress = [\"any\"]",
    ),
    (
        "db",
        "trust = \"none\"\negress = []\ningress = [\"zone:web label:role=a tcp\", \"zone:batch\", \"host icmp\"]",
    ),
    (
        "batch",
        "egress = [\"zone:db udp icmp\", \"zone:web label:role=b tcp/1-100\", \"10.0.0.0/8\"]\ningress = [\"host\"]",
    ),
    (
        "log",
        "trust = \"none\"\negress = [\"private\"]\ningress = [\"zone:web udp icmp\", \"zone:admin label:role=c\"]",
    ),
    (
        "admin",
        "egress = [\"zone:log label:role=b\", \"label:role=a tcp/80\", \"any\"]\ntrust = \"none\"\n\
         ingress = [\"internet tcp/80\", \"label:role=b\"]",
    ),
    (
        "edge",
        "egress = [\"internet icmp\", \"192.168.77.0/24 udp\"]\ningress = [\"zone:db\", \"192.168.77.0/24\"]",
    ),
];
const ROLES: [&str; 3] = ["a", "b", "c"];
/// The port at which every container answers, and the first that is published.
const PORT: u16 = 80;
const PUBLISHED: u16 = 9000;
/// How long a packet that is not to pass is waited for.
const NEVER: Duration = Duration::from_millis(250);

/// An arrow of the graph, as it is written.
#[derive(Debug)]
struct Arrow {
    from: String,
    to: String,
    /// `tcp/80 udp from label:role=a`; `all`
    what: Vec<String>,
}

/// Reads `zone graph`: only what passes.
fn arrows(text: &str) -> Vec<Arrow> {
    let (mut own, mut found) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(zone) = line.strip_prefix("zone ") {
            own = format!("zone:{}", zone.trim_end_matches(": no network"));
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(sign), Some(other)) = (words.next(), words.next()) else { continue };
        let rest = words.collect::<Vec<_>>().join(" ");
        let what = rest.split("; ").map(str::to_owned).collect();
        match sign {
            "->" => found.push(Arrow { from: own.clone(), to: other.to_owned(), what }),
            "<-" => found.push(Arrow { from: other.to_owned(), to: own.clone(), what }),
            _ => assert!(line.contains("(nothing passes: "), "{line}"),
        }
    }
    found
}

/// Whether one of an arrow's texts is for a service and for containers with these roles.
fn allows(what: &str, protocol: &str, roles: [&str; 2]) -> bool {
    let what = what.trim_end_matches(", to published ports").trim_end_matches(", in each segment");
    let mut words = what.split(' ').peekable();
    let mut served = false;
    while let Some(word) = words.next_if(|word| !matches!(*word, "from" | "to")) {
        let (name, ports) = word.split_once('/').map_or((word, None), |(name, ports)| (name, Some(ports)));
        let port = ports.is_none_or(|ports| {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            (first.parse::<u16>().unwrap()..=last.parse().unwrap()).contains(&PORT)
        });
        served |= word == "all" || (name == protocol && port);
    }
    while let Some(side) = words.next() {
        let role = words.next().unwrap().strip_prefix("label:role=").unwrap();
        served &= roles[usize::from(side == "to")] == role;
    }
    served
}

struct Graph(Vec<Arrow>);

impl Graph {
    fn says(&self, from: &str, to: &str, protocol: &str, roles: [&str; 2]) -> bool {
        let mut between = self.0.iter().filter(|arrow| arrow.from == from && arrow.to == to);
        between.any(|arrow| arrow.what.iter().any(|what| allows(what, protocol, roles)))
    }

    /// From an address outside, or to one: by any of the words that mean it.
    fn says_outside(&self, zone: &str, address: IpAddr, out: bool, protocol: &str) -> bool {
        let text = address.to_string();
        let words: &[&str] = match text.as_str() {
            "203.0.113.9" | "2001:db8::9" => &["internet", "any"],
            "192.168.77.9" => &["private", "any", "192.168.77.0/24"],
            "fd77::9" => &["private", "any"],
            _ => &[],
        };
        words.iter().any(|word| {
            let (from, to) = if out { (zone, *word) } else { (*word, zone) };
            self.says(from, to, protocol, ["", ""])
        })
    }
}

struct Probe {
    name: String,
    protocol: &'static str,
    to: IpAddr,
    port: u16,
    expected: bool,
}

impl Probe {
    /// Tries it from the calling thread's namespace; what was not as expected.
    fn wrong(&self) -> Option<String> {
        let patience = if self.expected { SOON } else { NEVER };
        let to = std::net::SocketAddr::new(self.to, self.port);
        let passed = match self.protocol {
            "tcp" => tcp_from_here(to, patience).is_ok(),
            "udp" => udp_from_here(to, patience).is_ok(),
            _ => ping_from_here(self.to, patience),
        };
        (passed != self.expected)
            .then(|| format!("{}: passed {passed}, the graph says {}", self.name, self.expected))
    }
}

/// Tries all probes of a place, some at a time.
fn try_all(place: &Place, probes: &[Probe]) -> Vec<String> {
    std::thread::scope(|scope| {
        let some = probes.chunks(probes.len().div_ceil(4).max(1));
        let hands: Vec<_> = some
            .map(|some| {
                scope.spawn(move || place.inside(|| some.iter().filter_map(Probe::wrong).collect::<Vec<_>>()))
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    })
}

struct Member {
    zone: String,
    role: &'static str,
    published: u16,
    node: Node,
}

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "icmp"];

/// What a container tries: all others, directly and by their published ports, and the outside.
fn of_container(graph: &Graph, members: &[Member], own: &Member) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut add = |name: String, protocol, to, port, expected| {
        let name = format!("{}/{} -> {name} {protocol}", own.zone, own.role);
        probes.push(Probe { name, protocol, to, port, expected });
    };
    for other in members.iter().filter(|other| other.node.id != own.node.id) {
        let says = |protocol| graph.says(&own.zone, &other.zone, protocol, [own.role, other.role]);
        for to in other.node.addresses {
            for protocol in PROTOCOLS {
                add(format!("{}/{} {to}", other.zone, other.role), protocol, to, PORT, says(protocol));
            }
        }
        for to in support::hosts::HOST.map(|text| text.parse().unwrap()) {
            let name = format!("{}/{} published at {to}", other.zone, other.role);
            add(name, "tcp", to, other.published, says("tcp"));
        }
    }
    for to in [INTERNET, LAN, METADATA].concat() {
        let to: IpAddr = to.parse().unwrap();
        for protocol in PROTOCOLS {
            let expected = graph.says_outside(&own.zone, to, true, protocol);
            add(to.to_string(), protocol, to, PORT, expected);
        }
    }
    probes
}

/// What a container asks its name server, at each of the addresses that it has there: the names of all others, which are answered within
/// a zone and where the graph has an arrow.
fn of_names(graph: &Graph, members: &[Member], own: &Member) -> Vec<(String, IpAddr, String, bool)> {
    let mut all = Vec::new();
    for other in members {
        let zone = other.zone.trim_start_matches("zone:");
        let reached = own.zone == other.zone
            || graph.0.iter().any(|arrow| arrow.from == own.zone && arrow.to == other.zone);
        for server in own.node.gateways {
            for name in [format!("{}-{zone}.{zone}", other.role), format!("alias-{}.{zone}", other.role)] {
                all.push((
                    format!("{}/{} asks {server} for {name}", own.zone, own.role),
                    server,
                    name,
                    reached,
                ));
            }
            let name = format!("alias-{}", other.role);
            if own.zone == other.zone {
                all.push((format!("{}/{} asks {server} for {name}", own.zone, own.role), server, name, true));
            }
        }
    }
    all
}

/// Asks all of it, by UDP and by TCP; what was answered otherwise.
fn ask_all(graph: &Graph, members: &[Member], own: &Member) -> (usize, Vec<String>) {
    let questions = of_names(graph, members, own);
    let wrong = own.node.place.inside(|| {
        let mut wrong = Vec::new();
        let mut judge = |what: &str, by: &str, found: Option<usize>, expected: bool| {
            if found.is_none() || found.is_some_and(|found| found > 0) != expected {
                wrong.push(format!("{what} by {by}: {found:?} addresses, the graph says {expected}"));
            }
        };
        for (what, server, name, expected) in &questions {
            judge(what, "udp", addresses_of(*server, name), *expected);
        }
        // One connection to each of its name servers, IPv4 and IPv6: one after another, since a client has a few at most.
        for server in own.node.gateways {
            let mut connection = ByTcp::connect(server).unwrap();
            for (what, _, name, expected) in questions.iter().filter(|question| question.1 == server) {
                judge(what, "tcp", connection.addresses_of(name).ok(), *expected);
            }
        }
        wrong
    });
    (questions.len() * 2, wrong)
}

/// What another host tries: published ports, and containers' own addresses, which are no way in.
fn of_outside(graph: &Graph, members: &[Member], own: [&str; 2]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (family, from) in own.into_iter().enumerate() {
        let from: IpAddr = from.parse().unwrap();
        let host: IpAddr = support::hosts::HOST[family].parse().unwrap();
        for other in members {
            let name = format!("{from} -> {}/{}", other.zone, other.role);
            let expected = graph.says_outside(&other.zone, from, false, "tcp");
            probes.push(Probe {
                name: format!("{name} published"),
                protocol: "tcp",
                to: host,
                port: other.published,
                expected,
            });
            for protocol in PROTOCOLS {
                let to = other.node.addresses[family];
                let name = format!("{name} {to} {protocol}");
                probes.push(Probe { name, protocol, to, port: PORT, expected: false });
            }
        }
    }
    probes
}

/// What the host tries: directly, and a published port by its loopback address.
fn of_host(graph: &Graph, members: &[Member]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for other in members {
        let says = |protocol| graph.says("host", &other.zone, protocol, ["", ""]);
        let name = format!("host -> {}/{}", other.zone, other.role);
        for to in other.node.addresses {
            for protocol in PROTOCOLS {
                let name = format!("{name} {to} {protocol}");
                probes.push(Probe { name, protocol, to, port: PORT, expected: says(protocol) });
            }
        }
        probes.push(Probe {
            name: format!("{name} published"),
            protocol: "tcp",
            to: "127.0.0.1".parse().unwrap(),
            port: other.published,
            // Whoever may come from anywhere may come from here, by the same door.
            expected: says("tcp") || graph.says("any", &other.zone, "tcp", ["", ""]),
        });
    }
    probes
}

#[test]
fn every_pair_of_six_zones_does_what_the_graph_says() {
    let Some(home) = busybox_home("every_pair_of_six_zones_does_what_the_graph_says") else { return };
    let start = Instant::now();
    let hosts = Hosts::around_here();
    for (name, network) in ZONES {
        zone(&home, name, network);
    }
    let graph = Graph(arrows(&home.ok(&["zone", "graph"])));
    let started = |place: usize| {
        let (zone, role) = (ZONES[place / 3].0, ROLES[place % 3]);
        let published = PUBLISHED + u16::try_from(place).unwrap();
        let (label, port) = (format!("role={role}"), format!("{published}:{PORT}"));
        let (own, alias) = (format!("{role}-{zone}"), format!("alias-{role}"));
        let names = ["--name", &own, "--network-alias", &alias];
        let node =
            Node::start(&home, &[&["--zone", zone, "--label", &label, "-p", &port], &names[..]].concat());
        node.place.serve(&format!("[::]:{PORT}"));
        Member { zone: format!("zone:{zone}"), role, published, node }
    };
    let members: Vec<Member> = (0..ZONES.len() * 3).map(started).collect();
    let mut work: Vec<(&Place, Vec<Probe>)> =
        members.iter().map(|own| (&own.node.place, of_container(&graph, &members, own))).collect();
    work.push((&hosts.host, of_host(&graph, &members)));
    work.push((&hosts.internet, of_outside(&graph, &members, INTERNET)));
    work.push((&hosts.lan, of_outside(&graph, &members, LAN)));
    let probes: Vec<&Probe> = work.iter().flat_map(|(_, probes)| probes).collect();
    let (count, pass) = (probes.len(), probes.iter().filter(|probe| probe.expected).count());
    // The matrix means something only if much of it passes and much does not.
    assert!(pass > 250 && count - pass > 1000, "{pass} of {count}");
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let hands: Vec<_> =
            work.iter().map(|(place, probes)| scope.spawn(move || try_all(place, probes))).collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} probes, {pass} of them pass, in {:?}", start.elapsed());
    let asked: Vec<(usize, Vec<String>)> = std::thread::scope(|scope| {
        let hands: Vec<_> =
            members.iter().map(|own| scope.spawn(|| ask_all(&graph, &members, own))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    let wrong: Vec<&String> = asked.iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    println!("{} questions, in {:?}", asked.iter().map(|(count, _)| count).sum::<usize>(), start.elapsed());
    let ids: Vec<&str> = members.iter().map(|member| member.node.id.as_str()).collect();
    home.ok(&[&["rm", "-f"], ids.as_slice()].concat());
}
