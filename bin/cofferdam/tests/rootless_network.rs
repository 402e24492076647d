//! Networks of ordinary users through pasta: in a network namespace that the test makes, with none of the machine's links, and with
//! a /dev/net/tun of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use cofferdam_kernel::rtnetlink::{Change, Route, RouteSocket};
use support::hosts::{HOST, Hosts, INTERNET, LAN, METADATA, Node, zone};
use support::internet::Internet;
use support::place::{NEVER, Place, SOON};
use support::{Home, Ran, busybox_home_of_user, eventually, skip, tun};

/// A user's home on a host that has others around it, and its way to the internet; none where pasta is not installed.
fn home(test: &str) -> Option<(Home, Hosts)> {
    if !Path::new("/usr/bin/pasta").exists() {
        skip(test, "passt is not installed");
        return None;
    }
    let home = busybox_home_of_user(test)?;
    let hosts = Hosts::around_here();
    let routes = RouteSocket::open().unwrap();
    let link = routes.link("up1").unwrap().unwrap().index;
    for gateway in INTERNET {
        let gateway: IpAddr = gateway.parse().unwrap();
        let any: IpAddr = if gateway.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
        let route = Route { to: (any, 0), gateway: Some(gateway), link, source: None, protocol: 4 };
        routes.make(Change::add_route(&route)).unwrap();
    }
    tun::give_to_all(home.path());
    Some((home, hosts))
}

fn at(address: &str, port: u16) -> String {
    SocketAddr::new(address.parse().unwrap(), port).to_string()
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn users_containers_reach_the_internet_and_neither_the_host_nor_its_neighbours() {
    let test = "users_containers_reach_the_internet_and_neither_the_host_nor_its_neighbours";
    let Some((home, hosts)) = home(test) else { return };
    hosts.host.serve("[::]:81");
    let node = Node::start(&home, &[]);
    for family in [0, 1] {
        assert!(node.place.reaches(&at(INTERNET[family], 80)), "the internet, family {family}");
        for kept in [LAN[family], METADATA[family]] {
            assert!(node.place.is_kept_from(&at(kept, 80)), "{kept}");
        }
        for kept in [HOST[family], ["192.168.77.1", "fd77::1"][family]] {
            assert!(node.place.is_kept_from(&at(kept, 81)), "{kept}");
        }
        assert!(node.place.is_kept_from(&at(&node.gateways[family].to_string(), 81)));
    }
    assert_eq!(home.run(&["verify", &node.id]).code, 0);
    home.ok(&["rm", "-f", &node.id]);
    assert_eq!(home.remains(), NOTHING);
}

/// A server that answers each connection with "hello", until it is removed.
const SERVER: &str = "while :; do echo hello | busybox nc -l -p 80 >/dev/null 2>&1; done";

fn server(home: &Home, flags: &[&str]) -> Node {
    let args = [&["run", "-d"], flags, &["busybox", "sh", "-c", SERVER]].concat();
    Node::of(home, &home.ok(&args))
}

fn says_hello(from: &Node, to: &str) -> bool {
    // A server that has just answered takes a moment to listen again.
    let answered = || from.place.tcp(to, SOON).is_ok_and(|text| text.contains("hello"));
    eventually(answered)
}

/// Answers each connection, once it has asked, with the address that it came from, until the test ends. Debian 12's pasta ends the
/// handshake of a connection to a published port with the client's first byte, and not before: a server that speaks first is not heard.
fn tell_who_asks(place: &Place, port: u16) {
    let listener = place.inside(|| TcpListener::bind(("::", port)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let from = stream.peer_addr().unwrap().ip();
            let _ = stream.set_read_timeout(Some(SOON));
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write_all(from.to_string().as_bytes());
        }
    });
}

/// Asks such a server who it is that asks.
fn ask(place: &Place, to: &str) -> Option<IpAddr> {
    let to: SocketAddr = to.parse().unwrap();
    place.inside(|| {
        let mut stream = TcpStream::connect_timeout(&to, SOON).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        stream.write_all(b"?").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.parse().ok()
    })
}

#[test]
fn users_zones_do_not_talk_until_both_say_so() {
    let Some((home, _hosts)) = home("users_zones_do_not_talk_until_both_say_so") else { return };
    zone(&home, "web", "egress = [\"zone:db tcp/80\"]");
    zone(&home, "db", "");
    let (web, other) = (Node::start(&home, &["--zone", "web"]), server(&home, &["--zone", "web"]));
    let db = server(&home, &["--zone", "db"]);
    for family in [0, 1] {
        assert!(says_hello(&web, &other.at(family, 80)), "of one zone");
        assert!(web.place.tcp(&db.at(family, 80), NEVER).is_err(), "one side alone says so");
        assert!(db.place.tcp(&other.at(family, 80), NEVER).is_err());
    }
    zone(&home, "db", "ingress = [\"zone:web tcp/80\"]");
    for family in [0, 1] {
        assert!(says_hello(&web, &db.at(family, 80)), "both say so, at once");
        assert!(web.place.tcp(&db.at(family, 81), NEVER).is_err());
    }
    for node in [&web, &db] {
        let verified = home.run(&["verify", &node.id]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    let tested = home.run(&["zone", "test", &web.id, &format!("{}:80", db.id)]);
    assert!(tested.out.contains("passes") && tested.code == 0, "{tested:?}");
    let tested = home.run(&["zone", "test", &db.id, &format!("{}:80", other.id)]);
    assert!(tested.out.contains("denied") && tested.code == 1, "{tested:?}");
    home.ok(&["rm", "-f", &web.id, &other.id, &db.id]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn users_ports_are_reached_from_the_host_from_others_and_by_its_address_alone() {
    let test = "users_ports_are_reached_from_the_host_from_others_and_by_its_address_alone";
    let Some((home, hosts)) = home(test) else { return };
    let node = Node::start(&home, &["-p", "8080:80", "-p", "127.0.0.1:8081:80"]);
    tell_who_asks(&node.place, 80);
    let hello = |place: &Place, to: &str| eventually(|| ask(place, to).is_some());
    for family in [0, 1] {
        assert!(hello(&hosts.internet, &at(HOST[family], 8080)), "from outside, family {family}");
        assert!(hosts.internet.tcp(&at(HOST[family], 8081), NEVER).is_err(), "127.0.0.1 alone");
    }
    assert!(hello(&hosts.host, "127.0.0.1:8080"), "from the host's loopback");
    assert!(hello(&hosts.host, "127.0.0.1:8081"), "from the host's loopback, where nobody else may");
    // Of what it begins itself too the rules hold, whose way outside is its own.
    for family in [0, 1] {
        assert!(node.place.reaches(&at(INTERNET[family], 80)));
        assert!(node.place.is_kept_from(&at(LAN[family], 80)));
        assert!(node.place.is_kept_from(&at(HOST[family], 81)));
    }
    let other = Node::start(&home, &[]);
    assert!(hello(&other.place, &at(HOST[0], 8080)), "another container, by the host's address");
    assert!(hello(&node.place, &at(HOST[0], 8080)), "itself, by the host's address");
    let verified = home.run(&["verify", &node.id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let taken = home.run(&["run", "--rm", "-p", "8080:80", "busybox", "true"]);
    assert_eq!(taken.code, 125, "{taken:?}");
    assert!(taken.err.contains("8080"), "{taken:?}");
    hosts.host.serve("0.0.0.0:8090");
    let taken = home.run(&["run", "--rm", "-p", "8090:80", "busybox", "true"]);
    assert!(taken.code == 125 && taken.err.contains("8090"), "{taken:?}");
    home.ok(&["restart", "-t", "0", &node.id]);
    tell_who_asks(&Node::of(&home, &node.id).place, 80);
    assert!(hello(&hosts.internet, &at(HOST[0], 8080)), "after a restart");
    home.ok(&["rm", "-f", &node.id, &other.id]);
    assert!(hosts.internet.tcp(&at(HOST[0], 8080), NEVER).is_err());
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn the_client_of_a_users_port_is_seen_as_it_is() {
    let Some((home, hosts)) = home("the_client_of_a_users_port_is_seen_as_it_is") else { return };
    let node = Node::start(&home, &["-p", "8080:80"]);
    tell_who_asks(&node.place, 80);
    for family in [0, 1] {
        let seen = ask(&hosts.internet, &at(HOST[family], 8080)).unwrap();
        assert_eq!(seen.to_canonical().to_string(), INTERNET[family]);
    }
    home.ok(&["rm", "-f", &node.id]);
    let node = Node::start(&home, &["-p", "8080:80/udp"]);
    node.place.serve("[::]:80");
    for family in [0, 1] {
        hosts.internet.udp(&at(HOST[family], 8080), SOON).unwrap();
        assert!(hosts.internet.tcp(&at(HOST[family], 8080), NEVER).is_err(), "the protocol that was said");
    }
    home.ok(&["rm", "-f", &node.id]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn users_containers_are_known_by_name_and_names_open_addresses() {
    let test = "users_containers_are_known_by_name_and_names_open_addresses";
    if !Path::new("/usr/bin/pasta").exists() {
        skip(test, "passt is not installed");
        return;
    }
    let Some(home) = busybox_home_of_user(test) else { return };
    let internet = Internet::new(home.path());
    tun::give_to_all(home.path());
    internet.name("one.example.org", &[support::internet::SERVERS[0]], 60);
    internet.name("two.example.org", &[support::internet::SERVERS[1]], 60);
    zone(&home, "named", "egress = [\"one.example.org tcp/80\"]");
    let first = server(&home, &["--zone", "named", "--name", "first"]);
    let run = |script: &str| home.run(&["run", "--rm", "--zone", "named", "busybox", "sh", "-c", script]);
    let ran = run("busybox nslookup first; busybox nc -w 2 first 80 </dev/null");
    assert!(ran.out.contains("hello"), "{ran:?}");
    let ran = run(
        "sleep 1 | busybox nc -w 3 one.example.org 80; sleep 1 | busybox nc -w 2 9.1.1.2 80; busybox nslookup two.example.org",
    );
    assert!(ran.out.contains("hello from 9.1.1.1") && !ran.out.contains("hello from 9.1.1.2"), "{ran:?}");
    assert_eq!(internet.asked().iter().filter(|name| name.contains("two")).count(), 0, "{ran:?}");
    let verified = home.run(&["verify", "first"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    home.ok(&["rm", "-f", &first.id]);
    assert_eq!(home.remains(), NOTHING);
}

/// The processes of this home that hold its network, and their pastas.
fn processes(home: &Home) -> Vec<(i32, String)> {
    let text = home.path().to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let arguments = read("cmdline");
        let uid = home.user().unwrap().0;
        let own =
            std::fs::metadata(entry.path()).is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == uid);
        let own = own || read("status").contains(&format!("Uid:\t{uid}\t"));
        if arguments.starts_with("cofferdam\0rootless-host\0") && arguments.contains(text) {
            found.push((pid, "host".to_owned()));
        } else if own && arguments.starts_with("pasta\0") {
            let link = arguments.split('\0').skip_while(|word| *word != "--ns-ifname").nth(1);
            found.push((pid, link.unwrap_or_default().to_owned()));
        }
    }
    found
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn pid_of(home: &Home, what: &str) -> i32 {
    processes(home).into_iter().find(|(_, name)| name == what).unwrap().0
}

#[test]
fn twenty_starts_and_stops_at_once_leave_nothing_of_a_users_network() {
    let test = "twenty_starts_and_stops_at_once_leave_nothing_of_a_users_network";
    let Some((home, _hosts)) = home(test) else { return };
    let start = |number: usize| {
        let port = format!("{}:80", 9000 + number);
        let mut command = home.command();
        command.args(["run", "-d", "--name", &format!("n{number}")]);
        if number.is_multiple_of(4) {
            command.args(["-p", &port]);
        }
        command
            .args(["busybox", "sleep", "1000"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let all: Vec<_> = (0..20).map(start).collect();
    let mut nodes = Vec::new();
    for child in all {
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        nodes.push(Node::of(&home, ran.out.trim()));
    }
    let mut addresses: Vec<IpAddr> = nodes.iter().map(|node| node.addresses[0]).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 20, "no address twice");
    assert_eq!(processes(&home).iter().filter(|(_, name)| name == "host").count(), 2, "with its anchor");
    assert_eq!(processes(&home).len(), 2 + 1 + 5, "one pasta for all, and one for each that publishes");
    assert!(nodes[3].place.reaches(&at(INTERNET[0], 80)) && nodes[4].place.reaches(&at(INTERNET[0], 80)));
    let stops: Vec<_> = (0..20)
        .map(|number| home.command().args(["rm", "-f", &format!("n{number}")]).spawn().unwrap())
        .collect();
    for mut child in stops {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(home.remains(), NOTHING);
    assert!(eventually(|| processes(&home).is_empty()), "{:?}", processes(&home));
}

#[test]
fn a_pasta_that_is_killed_is_started_anew_and_nothing_gets_out_meanwhile() {
    let test = "a_pasta_that_is_killed_is_started_anew_and_nothing_gets_out_meanwhile";
    let Some((home, hosts)) = home(test) else { return };
    let (node, published) = (Node::start(&home, &[]), Node::start(&home, &["-p", "8080:80"]));
    tell_who_asks(&published.place, 80);
    assert!(node.place.reaches(&at(INTERNET[0], 80)));
    let own = format!("cfo{}", &published.id[..11]);
    for link in ["cfo-all", &own] {
        let before = pid_of(&home, link);
        kill(before);
        assert!(eventually(|| processes(&home).iter().any(|(pid, name)| name == link && *pid != before)));
    }
    for family in [0, 1] {
        assert!(eventually(|| node.place.reaches(&at(INTERNET[family], 80))));
        assert!(eventually(|| ask(&hosts.internet, &at(HOST[family], 8080)).is_some()));
        assert!(node.place.is_kept_from(&at(LAN[family], 80)));
    }
    assert!(events(&home).contains("outlet-lost") && events(&home).contains("outlet-back"));
    for id in [&node.id, &published.id] {
        let verified = home.run(&["verify", id]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    home.ok(&["rm", "-f", &node.id, &published.id]);
    assert_eq!(home.remains(), NOTHING);
    assert!(eventually(|| processes(&home).is_empty()), "{:?}", processes(&home));
}

fn events(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("state/events.jsonl")).unwrap()
}

/// Whoever kills the process that holds the network takes the way outside, and nothing else: the next start brings it back to all.
#[test]
fn a_users_network_whose_holder_is_killed_is_taken_over_by_the_next_start() {
    let test = "a_users_network_whose_holder_is_killed_is_taken_over_by_the_next_start";
    let Some((home, hosts)) = home(test) else { return };
    let (node, published) = (Node::start(&home, &[]), Node::start(&home, &["-p", "8080:80"]));
    tell_who_asks(&published.place, 80);
    kill(pid_of(&home, "host"));
    assert!(eventually(|| processes(&home).is_empty()), "pasta ends with it");
    for to in [INTERNET[0], LAN[0], METADATA[0], HOST[0]] {
        assert!(node.place.is_kept_from(&at(to, 80)), "{to}");
    }
    assert!(ask(&node.place, &published.at(0, 80)).is_some(), "among themselves they go on");
    let later = Node::start(&home, &[]);
    assert!(ask(&later.place, &published.at(0, 80)).is_some(), "one network, and not two");
    for family in [0, 1] {
        assert!(eventually(|| node.place.reaches(&at(INTERNET[family], 80))));
        let back = eventually(|| ask(&hosts.internet, &at(HOST[family], 8080)).is_some());
        assert!(back, "{:?} {}", processes(&home), events(&home));
        assert!(later.place.is_kept_from(&at(LAN[family], 80)));
    }
    for id in [&node.id, &published.id, &later.id] {
        let verified = home.run(&["verify", id]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    home.ok(&["rm", "-f", &node.id, &published.id, &later.id]);
    assert_eq!(home.remains(), NOTHING);
    assert!(eventually(|| processes(&home).is_empty()), "{:?}", processes(&home));
}

/// The shim of a running container.
fn shim_of(home: &Home, id: &str) -> i32 {
    let first = home.ok(&["inspect", "--format", "{{.State.Pid}}", id]);
    let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap()
}

#[test]
fn without_the_holder_of_a_users_network_a_zone_still_changes_what_runs() {
    let test = "without_the_holder_of_a_users_network_a_zone_still_changes_what_runs";
    let Some((home, _hosts)) = home(test) else { return };
    zone(&home, "web", "egress = [\"any\", \"zone:db tcp/80\"]");
    zone(&home, "db", "ingress = [\"zone:web tcp/80\"]");
    let (web, db) = (Node::start(&home, &["--zone", "web"]), server(&home, &["--zone", "db"]));
    assert!(says_hello(&web, &db.at(0, 80)) && web.place.reaches(&at(INTERNET[0], 80)));
    kill(pid_of(&home, "host"));
    assert!(eventually(|| processes(&home).is_empty()));
    for family in [0, 1] {
        assert!(says_hello(&web, &db.at(family, 80)), "among themselves they go on");
    }
    zone(&home, "web", "egress = []");
    for family in [0, 1] {
        assert!(web.place.tcp(&db.at(family, 80), NEVER).is_err(), "at once, family {family}");
    }
    let verified = home.run(&["verify", &web.id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    // With the way outside, which the next start brings back, the zone's old rules do not come back.
    let later = Node::start(&home, &[]);
    assert!(eventually(|| later.place.reaches(&at(INTERNET[0], 80))));
    for family in [0, 1] {
        assert!(web.place.is_kept_from(&at(INTERNET[family], 80)), "family {family}");
        assert!(web.place.tcp(&db.at(family, 80), NEVER).is_err());
    }
    let verified = home.run(&["verify", &web.id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    home.ok(&["rm", "-f", &web.id, &db.id, &later.id]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn what_a_lost_container_was_allowed_is_not_the_next_ones_with_its_address() {
    let test = "what_a_lost_container_was_allowed_is_not_the_next_ones_with_its_address";
    let Some((home, _hosts)) = home(test) else { return };
    zone(&home, "web", "egress = [\"zone:db tcp/80\"]");
    zone(&home, "db", "ingress = [\"zone:web label:role=client tcp/80\"]");
    let db = server(&home, &["--zone", "db"]);
    let client = Node::start(&home, &["--zone", "web", "--label", "role=client"]);
    assert!(says_hello(&client, &db.at(0, 80)));
    let shim = shim_of(&home, &client.id);
    kill(pid_of(&home, "host"));
    assert!(eventually(|| processes(&home).is_empty()));
    kill(shim);
    home.ok(&["rm", "-f", &client.id]);
    let next = Node::start(&home, &["--zone", "web"]);
    assert_eq!(next.addresses, client.addresses, "the lowest that is free");
    for family in [0, 1] {
        assert!(next.place.tcp(&db.at(family, 80), NEVER).is_err(), "family {family}");
    }
    let labelled = Node::start(&home, &["--zone", "web", "--label", "role=client"]);
    assert!(says_hello(&labelled, &db.at(0, 80)));
    home.ok(&["rm", "-f", &db.id, &next.id, &labelled.id]);
    assert_eq!(home.remains(), NOTHING);
}

/// What root's Cofferdam marks its gateways' addresses with.
const OF_ROOT: u8 = 0xcf;

#[test]
fn roots_gateway_comes_and_goes_and_users_containers_keep_theirs() {
    let test = "roots_gateway_comes_and_goes_and_users_containers_keep_theirs";
    let Some((home, hosts)) = home(test) else { return };
    let here = RouteSocket::open().unwrap();
    let add = |address: IpAddr| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        here.make(Change::add_address(1, address, bits, OF_ROOT)).unwrap();
    };
    let remove = |address: IpAddr| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        here.make(Change::remove_address(1, address, bits)).unwrap();
    };
    here.make(Change::link_up(1)).unwrap();
    hosts.host.serve("[::]:81");
    // Root begins first: a user's pool is another one.
    let roots: IpAddr = "10.207.0.1".parse().unwrap();
    add(roots);
    let node = Node::start(&home, &["--name", "first"]);
    assert_ne!(node.gateways[0], roots);
    assert!(node.place.is_kept_from(&at("10.207.0.1", 81)));
    remove(roots);
    // Root begins later, and does not see what a user has.
    let other = server(&home, &["--name", "other"]);
    let aside = Place::of_process(shim_of(&home, &node.id));
    let has = |address: IpAddr| {
        aside.inside(|| {
            RouteSocket::open().unwrap().addresses().unwrap().iter().any(|it| it.address == address)
        })
    };
    let sign: IpAddr = "198.18.0.77".parse().unwrap();
    node.gateways.iter().for_each(|gateway| add(*gateway));
    add(sign);
    assert!(eventually(|| has(sign)), "the host's addresses are followed");
    node.gateways.iter().for_each(|gateway| remove(*gateway));
    remove(sign);
    assert!(eventually(|| !has(sign)));
    for family in [0, 1] {
        assert!(has(node.gateways[family]), "family {family}");
        assert!(says_hello(&node, &other.at(family, 80)), "routes, family {family}");
        assert!(node.place.reaches(&at(INTERNET[family], 80)));
    }
    let named = home.run(&["exec", "first", "sh", "-c", "busybox nc -w 2 other 80 </dev/null"]);
    assert!(named.out.contains("hello"), "names: {named:?}");
    let verified = home.run(&["verify", &node.id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    home.ok(&["rm", "-f", &node.id, &other.id]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn without_pasta_or_the_device_a_network_is_refused_and_none_is_the_default() {
    let test = "without_pasta_or_the_device_a_network_is_refused_and_none_is_the_default";
    let Some((home, _hosts)) = home(test) else { return };
    let links = "cat /proc/net/dev | busybox grep -c :";
    let without_pasta = |args: &[&str]| Ran::of(home.command().args(args).env("PATH", "/nonexistent"));
    let refused = |ran: Ran, what: &str| {
        assert_eq!(ran.code, 125, "{ran:?}");
        assert!(ran.err.contains(what) && ran.err.contains("--network none"), "{ran:?}");
    };
    let alone = |ran: Ran| assert_eq!((ran.code, ran.out.trim()), (0, "1"), "{ran:?}");
    refused(without_pasta(&["run", "--rm", "--network", "zone", "busybox", "true"]), "package passt");
    refused(without_pasta(&["run", "--rm", "-p", "8080:80", "busybox", "true"]), "package passt");
    alone(without_pasta(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", links]));
    alone(without_pasta(&["run", "--rm", "busybox", "sh", "-c", links]));
    tun::keep_from_all(home.path());
    refused(home.run(&["run", "--rm", "--network", "zone", "busybox", "true"]), "/dev/net/tun");
    alone(home.run(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", links]));
    alone(home.run(&["run", "--rm", "busybox", "sh", "-c", links]));
    assert_eq!(home.remains(), NOTHING);
}
