//! Docker's networks: parts of a zone, with names and aliases, that containers enter and leave while they run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::hosts::{HOST, Hosts, Node};
use support::packets::{Sniffer, destination, raw_from_here, sctp_init};
use support::{Home, busybox_home, eventually};

/// IANA's number of SCTP.
const SCTP: u8 = 132;

/// A server that answers each connection with its host name, until it is removed.
const SERVER: &str = "while :; do hostname | busybox nc -l -p 80 >/dev/null 2>&1; done";

fn serve(home: &Home, name: &str, flags: &[&str]) -> String {
    let script = SERVER.replace("hostname", "busybox hostname");
    home.ok(&[&["run", "-d", "--name", name, "--hostname", name], flags, &["busybox", "sh", "-c", &script]]
        .concat())
}

fn waiting(home: &Home, name: &str, flags: &[&str]) -> String {
    home.ok(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat())
}

/// What is answered to a connection from a container to port 80 of a name or address.
fn fetch(home: &Home, from: &str, target: &str) -> String {
    home.run(&["exec", from, "sh", "-c", "busybox nc -w 1 $0 80 </dev/null", target]).out.trim().to_owned()
}

/// Whether that is what is answered, once the server has come to listen: it takes a moment between two connections.
fn answers(home: &Home, from: &str, target: &str, wanted: &str) -> bool {
    eventually(|| fetch(home, from, target) == wanted)
}

fn address(home: &Home, name: &str, network: &str) -> String {
    let field = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    home.ok(&["inspect", "--format", &field, name])
}

/// Two Compose projects in one zone, each with a `db` of its own.
#[test]
fn a_name_is_that_of_the_own_network_and_no_other_is_reached() {
    let Some(home) = busybox_home("a_name_is_that_of_the_own_network_and_no_other_is_reached") else {
        return;
    };
    for name in ["one_default", "two_default"] {
        home.ok(&["network", "create", name, "--label", "project"]);
    }
    serve(&home, "one-db", &["--network", "one_default", "--network-alias", "db"]);
    serve(&home, "two-db", &["--network", "name=two_default,alias=db"]);
    waiting(&home, "one-web", &["--network", "one_default"]);
    waiting(&home, "two-web", &["--network", "two_default"]);
    waiting(&home, "alone", &[]);
    assert!(answers(&home, "one-web", "db", "one-db"));
    assert!(answers(&home, "two-web", "db", "two-db"));
    assert!(answers(&home, "one-web", "one-db", "one-db"));
    for (from, name) in [("one-web", "two-db"), ("alone", "db"), ("alone", "one-db"), ("two-web", "alone")] {
        assert_eq!(fetch(&home, from, name), "", "{from} {name}");
    }
    let two = address(&home, "two-db", "two_default");
    assert_eq!(fetch(&home, "one-web", &two), "", "nor by its address");
    // A container enters another network while it runs, with a name there, and leaves it.
    home.ok(&["network", "connect", "--alias", "other", "one_default", "two-db"]);
    assert!(answers(&home, "one-web", "other", "two-db"));
    assert!(answers(&home, "one-web", &two, "two-db"));
    assert!(answers(&home, "two-web", "db", "two-db"));
    assert_eq!(home.run(&["verify", "--all"]).code, 0);
    let networks = home.ok(&["ps", "--filter", "name=two-db", "--format", "{{.Networks}}"]);
    assert_eq!(networks, "two_default,one_default");
    home.ok(&["restart", "-t", "0", "two-db"]);
    assert!(answers(&home, "one-web", "other", "two-db"), "also after a restart");
    home.ok(&["network", "disconnect", "one_default", "two-db"]);
    assert_eq!(fetch(&home, "one-web", "other"), "");
    assert_eq!(fetch(&home, "one-web", &two), "");
    assert_eq!(home.run(&["verify", "--all"]).code, 0);
    // The zone's own network is one more.
    home.ok(&["network", "connect", "one_default", "alone"]);
    assert!(answers(&home, "alone", "db", "one-db"));
    home.ok(&["network", "disconnect", "bridge", "alone"]);
    let last = home.run(&["network", "disconnect", "one_default", "alone"]);
    assert!(last.code != 0 && last.err.contains("the only one"), "{last:?}");
    home.ok(&["network", "connect", "bridge", "alone"]);
    assert_ne!(home.run(&["network", "connect", "bridge", "alone"]).code, 0, "it is in it already");
    assert_eq!(home.run(&["verify", "alone"]).code, 0);
    let members = home.ok(&[
        "network",
        "inspect",
        "one_default",
        "--format",
        "{{len .Containers}} {{.Driver}} {{.Zone}}",
    ]);
    assert_eq!(members, "3 bridge default");
    let refused = home.run(&["network", "rm", "one_default"]);
    assert!(refused.code != 0 && refused.err.contains("in use by container"), "{refused:?}");
    home.ok(&["rm", "-f", "one-db", "two-db", "one-web", "two-web", "alone"]);
    home.ok(&["network", "create", "kept", "--label", "keep=yes"]);
    let pruned = home.ok(&["network", "prune", "-f", "--filter", "label!=keep"]);
    assert!(pruned.contains("one_default") && pruned.contains("two_default"), "{pruned}");
    home.ok(&["network", "rm", "kept"]);
    assert_eq!(home.ok(&["network", "ls", "-q", "--filter", "type=custom"]), "");
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn a_network_is_never_wider_than_its_zone() {
    let Some(home) = busybox_home("a_network_is_never_wider_than_its_zone") else { return };
    for (name, trust) in [("apart", "none"), ("web", "zone")] {
        let file = home.path().join(format!("{name}.toml"));
        std::fs::write(&file, format!("zone = \"{name}\"\n[network]\ntrust = \"{trust}\"\n")).unwrap();
        home.ok(&["zone", "apply", file.to_str().unwrap()]);
    }
    let id = home.ok(&["network", "create", "--zone", "web", "front"]);
    home.ok(&["network", "create", "--zone", "apart", "back"]);
    let refused = home.run(&["run", "--rm", "--network", "front", "busybox", "true"]);
    assert!(refused.code == 125 && refused.err.contains("part of zone `web`"), "{refused:?}");
    home.ok(&["run", "--rm", "--zone", "web", "--network", &id[..12], "busybox", "true"]);
    let elsewhere = waiting(&home, "elsewhere", &[]);
    let refused = home.run(&["network", "connect", "front", &elsewhere]);
    assert!(refused.code != 0 && refused.err.contains("part of zone `web`"), "{refused:?}");
    // Where a zone does not trust its own, neither does its network.
    serve(&home, "one", &["--zone", "apart", "--network", "back"]);
    waiting(&home, "other", &["--zone", "apart", "--network", "back"]);
    assert_eq!(fetch(&home, "other", &address(&home, "one", "back")), "");
    for (args, why) in [
        (&["network", "create", "front"][..], "already exists"),
        (&["network", "create", "bridge"], "network name"),
        (&["network", "create", "--internal", "x1"], "internal"),
        (&["network", "create", "--subnet", "10.0.0.0/24", "x1"], "subnet"),
        (&["network", "create", "-d", "macvlan", "x1"], "driver"),
        (&["network", "create", "--zone", "nowhere", "x1"], "no zone"),
        (&["network", "rm", "nothing"], "no such network"),
        (&["run", "--rm", "--network", "nothing", "busybox", "true"], "no such network"),
    ] {
        let ran = home.run(args);
        assert!(ran.code != 0 && ran.err.contains(why), "{args:?}: {ran:?}");
    }
    let own = home.ok(&["ps", "--filter", "network=bridge", "--format", "{{.Names}}"]);
    assert_eq!(own, "elsewhere");
    home.ok(&["rm", "-f", "elsewhere", "one", "other"]);
    home.ok(&["network", "rm", "front", "back"]);
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn a_port_that_is_held_names_its_holder_and_a_range_gives_the_next_one() {
    let Some(home) = busybox_home("a_port_that_is_held_names_its_holder_and_a_range_gives_the_next_one")
    else {
        return;
    };
    waiting(&home, "holder", &["-p", "8080:80", "-p", "127.0.0.1:9090:90"]);
    for port in ["8080:80", "127.0.0.1:8080:1", "9090:1"] {
        let ran = home.run(&["run", "--rm", "-p", port, "busybox", "true"]);
        assert!(ran.code == 125 && ran.err.contains("is published by container holder"), "{port}: {ran:?}");
    }
    let _listener = std::net::TcpListener::bind("127.0.0.1:8081").unwrap();
    let ran = home.run(&["run", "--rm", "-p", "8081:80", "busybox", "true"]);
    let own = format!("(process {})", std::process::id());
    assert!(
        ran.code == 125 && ran.err.contains("8081/tcp is in use by") && ran.err.contains(&own),
        "{ran:?}"
    );
    waiting(&home, "next", &["-p", "8080-8083:80"]);
    assert_eq!(home.ok(&["port", "next", "80"]).lines().next(), Some("0.0.0.0:8082"));
    waiting(&home, "last", &["-p", "8080-8083:80"]);
    assert_eq!(home.ok(&["port", "last", "80"]).lines().next(), Some("0.0.0.0:8083"));
    let ran = home.run(&["run", "--rm", "-p", "8080-8083:80", "busybox", "true"]);
    assert!(ran.code == 125 && ran.err.contains("no port is free"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "-p", "[::1]:7000:80", "busybox", "true"]);
    assert!(ran.code == 125 && ran.err.contains("::1"), "{ran:?}");
    home.ok(&["rm", "-f", "holder", "next", "last"]);
    let hosts = home.ok(&[
        "run",
        "--rm",
        "--add-host",
        "door:host-gateway",
        "--add-host",
        "a:192.0.2.1",
        "busybox",
        "cat",
        "/etc/hosts",
    ]);
    assert!(
        hosts.contains("192.0.2.1\ta") && hosts.lines().filter(|line| line.ends_with("\tdoor")).count() == 2,
        "{hosts}"
    );
    assert_eq!(home.remains(), Vec::<String>::new());
}

/// The kernel that tests this has no sockets for SCTP: the packets are put together, and seen on the container's link.
#[test]
fn an_sctp_port_leads_to_its_container() {
    let Some(home) = busybox_home("an_sctp_port_leads_to_its_container") else { return };
    let hosts = Hosts::around_here();
    let node = Node::start(&home, &["--name", "phone", "-p", "5060:80/sctp"]);
    assert!(home.ok(&["port", "phone"]).starts_with("80/sctp -> 0.0.0.0:5060"));
    let seen = Sniffer::at(&node.place);
    let tag = 0x1234_5678_u32;
    hosts.internet.inside(|| {
        for to in HOST {
            for port in [5060, 5061] {
                raw_from_here(to.parse().unwrap(), SCTP, &sctp_init(port, tag));
            }
        }
    });
    let mut frames = Vec::new();
    eventually(|| {
        // What the container's kernel answers, that it has no such protocol, is on the link as well.
        let mut found = seen.with(&tag.to_be_bytes());
        found.retain(|frame| destination(frame).is_some_and(|to| node.addresses.contains(&to)));
        frames.extend(found);
        frames.len() >= 2
    });
    // A header of Ethernet and one of IP, then the ports.
    let ports: Vec<[u8; 2]> = frames
        .iter()
        .map(|frame| if frame[12] == 8 { 34 } else { 54 })
        .zip(&frames)
        .map(|(place, frame)| [frame[place + 2], frame[place + 3]])
        .collect();
    assert_eq!(ports, [[0, 80]; 2], "one of each family, and none to another port");
    let other = home.run(&["run", "--rm", "-p", "5060:1/sctp", "busybox", "true"]);
    assert!(
        other.code == 125 && other.err.contains("5060/sctp is published by container phone"),
        "{other:?}"
    );
    home.ok(&["rm", "-f", "phone"]);
}
