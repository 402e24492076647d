//! Zones on the network while containers run: rules that change, a firewall that is reloaded, `zone test` and `zone watch`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::hosts::{Hosts, Node, zone};
use support::place::{NEVER, Place, SOON, udp_from_here};
use support::{Home, Ran, busybox_home, eventually, skip};

/// A thread that gives every byte of its connections back, until the test ends.
fn echo(place: &Place, port: u16) {
    let listener = place.inside(|| TcpListener::bind(("::", port)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut reader, mut writer) = (stream.try_clone().unwrap(), stream);
                let _ = std::io::copy(&mut reader, &mut writer);
            });
        }
    });
}

fn open(place: &Place, to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().unwrap();
    let stream = place.inside(|| TcpStream::connect_timeout(&to, SOON).unwrap());
    assert!(lives(&stream), "{to}");
    stream
}

/// Whether a byte that is sent comes back.
fn lives(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(std::time::Duration::from_millis(700))).unwrap();
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

fn apply(home: &Home, name: &str, network: &str) -> Ran {
    let file = home.path().join(format!("{name}.toml"));
    std::fs::write(&file, format!("zone = \"{name}\"\n[network]\n{network}\n")).unwrap();
    let ran = home.run(&["zone", "apply", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn verified(home: &Home, node: &Node) -> bool {
    home.run(&["verify", &node.id]).code == 0
}

#[test]
fn a_new_rule_binds_running_containers_and_ends_what_it_forbids() {
    let Some(home) = busybox_home("a_new_rule_binds_running_containers_and_ends_what_it_forbids") else {
        return;
    };
    let hosts = Hosts::around_here();
    zone(&home, "web", "egress = [\"zone:db\", \"internet\"]\ningress = [\"any\"]");
    zone(&home, "db", "ingress = [\"zone:web\"]");
    let web = Node::start(&home, &["--zone", "web", "-p", "8080:80"]);
    let db = Node::start(&home, &["--zone", "db"]);
    for port in [80, 81] {
        echo(&web.place, port);
        echo(&db.place, port);
        echo(&hosts.internet, port + 1000);
    }
    let (first, second) = (open(&web.place, &db.at(0, 80)), open(&web.place, &db.at(0, 81)));
    let (first6, second6) = (open(&web.place, &db.at(1, 80)), open(&web.place, &db.at(1, 81)));
    let (out, out_too) = (open(&web.place, "203.0.113.9:1080"), open(&web.place, "203.0.113.9:1081"));
    let inwards = open(&hosts.internet, "203.0.113.1:8080");

    let ran = apply(&home, "db", "ingress = [\"zone:web tcp/81\"]");
    let told = "new packet rules for 1 running container(s); 2 connection(s) that they forbid were ended";
    assert!(ran.err.contains(told), "{ran:?}");
    assert!(lives(&second) && lives(&second6), "what is allowed goes on");
    assert!(!lives(&first) && !lives(&first6), "what is forbidden has ended");
    assert!(lives(&out) && lives(&out_too) && lives(&inwards), "other zones' go on");
    assert!(web.place.tcp(&db.at(0, 80), NEVER).is_err());

    let ran = apply(&home, "web", "egress = [\"zone:db\", \"internet tcp/1081\"]\ningress = []");
    assert!(ran.err.contains("for 1 running container(s); 2 connection(s)"), "{ran:?}");
    assert!(lives(&second) && lives(&out_too));
    assert!(!lives(&out) && !lives(&inwards));
    assert!(verified(&home, &web) && verified(&home, &db));

    // What is there already is no change.
    assert_eq!(apply(&home, "web", "egress = [\"zone:db\", \"internet tcp/1081\"]\ningress = []").err, "");
    // A zone without a network: who still has a link can do nothing by it.
    apply(&home, "web", "mode = \"none\"");
    assert!(!lives(&second) && !lives(&out_too));
    assert!(verified(&home, &web));
    // The next start is planned by the new rules.
    apply(&home, "web", "egress = [\"zone:db\"]");
    home.ok(&["restart", "-t", "0", &web.id]);
    let web = Node::of(&home, &web.id);
    assert!(lives(&open(&web.place, &db.at(0, 81))));
    home.ok(&["rm", "-f", &web.id, &db.id]);
}

/// A shim that has read its container's plan before its zone is changed, and connects the container after it.
#[test]
fn a_container_that_was_planned_before_a_change_does_not_take_it_back() {
    let Some(home) = busybox_home("a_container_that_was_planned_before_a_change_does_not_take_it_back")
    else {
        return;
    };
    zone(&home, "web", "egress = [\"zone:db\"]");
    zone(&home, "db", "ingress = [\"zone:web\"]");
    let old = Node::start(&home, &["--zone", "web", "--restart", "always"]);
    let peer = Node::start(&home, &["--zone", "web"]);
    let db = Node::start(&home, &["--zone", "db", "--name", "store"]);
    db.place.serve("[::]:80");
    let asks = |node: &Node| home.run(&["exec", &node.id, "busybox", "nslookup", "store.db"]).code == 0;
    assert!(peer.place.tcp(&db.at(0, 80), SOON).is_ok() && asks(&peer));
    let file = home.path().join("state/containers").join(&old.id).join("plan.json");
    let before = std::fs::read(&file).unwrap();
    apply(&home, "web", "egress = []");
    assert!(peer.place.tcp(&db.at(0, 80), NEVER).is_err() && !asks(&peer));
    std::fs::write(&file, before).unwrap();
    let first = support::hosts::plan(&home, &old.id);
    let pid = || home.ok(&["inspect", "--format", "{{.State.Pid}} {{.State.Status}}", &old.id]);
    let began = pid();
    let process = rustix::process::Pid::from_raw(began.split(' ').next().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    assert!(eventually(|| pid() != began && pid().ends_with(" running")));
    let again = Node::of(&home, &old.id);
    for node in [&again, &peer] {
        assert!(node.place.tcp(&db.at(0, 80), NEVER).is_err() && !asks(node));
        assert!(verified(&home, node));
    }
    assert_ne!(support::hosts::plan(&home, &old.id), first, "it is planned by the zone as it is");
    home.ok(&["rm", "-f", &old.id, &peer.id, &db.id]);
    assert_eq!(home.remains(), Vec::<String>::new());
}

/// What both the old and the new rules allow passes all the while; what neither allows never does.
#[test]
fn a_renewal_is_never_without_rules() {
    let Some(home) = busybox_home("a_renewal_is_never_without_rules") else { return };
    // Each datagram is a connection of its own.
    zone(&home, "web", "egress = [\"zone:db udp\"]\nconnections = \"unlimited\"");
    zone(&home, "db", "ingress = [\"zone:web udp/80\"]");
    let (web, db) = (Node::start(&home, &["--zone", "web"]), Node::start(&home, &["--zone", "db"]));
    db.place.serve("[::]:80");
    db.place.serve("[::]:81");
    let (over, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let allowed = scope.spawn(|| {
            web.place.inside(|| {
                while !over.load(Ordering::Relaxed) {
                    for family in [0, 1] {
                        let answered = udp_from_here(db.at(family, 80).parse().unwrap(), SOON);
                        assert!(answered.is_ok(), "a datagram of {passed:?} was lost");
                        passed.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_micros(500));
                    }
                }
            });
        });
        let forbidden = scope.spawn(|| {
            web.place.inside(|| {
                // Datagrams as fast as they go, each a connection of its own; the answer would come to any of them.
                let mut sockets = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
                    socket.set_nonblocking(true).unwrap();
                    let _ = socket.send_to(b"x", db.at(0, 81));
                    sockets.push(socket);
                    if sockets.len() == 200 {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        assert!(sockets.drain(..).all(|socket| socket.recv_from(&mut [0; 8]).is_err()));
                    }
                }
            });
        });
        // At least so many, and more where a busy machine lets few datagrams through meanwhile.
        for round in 0..600 {
            if round >= 60 && passed.load(Ordering::Relaxed) > 100 || allowed.is_finished() {
                break;
            }
            let more = if round % 2 == 0 { ", \"zone:web icmp\", \"host\"" } else { "" };
            apply(&home, "db", &format!("ingress = [\"zone:web udp/80\"{more}]"));
        }
        over.store(true, Ordering::Relaxed);
        allowed.join().unwrap();
        forbidden.join().unwrap();
    });
    assert!(passed.load(Ordering::Relaxed) > 100, "{passed:?}");
    assert!(verified(&home, &db));
    home.ok(&["rm", "-f", &web.id, &db.id]);
}

fn nft(args: &[&str]) -> String {
    let output = Command::new("nft").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_reload_of_the_hosts_firewall_is_repaired_and_reported_while_containers_run() {
    let test = "a_reload_of_the_hosts_firewall_is_repaired_and_reported_while_containers_run";
    let Some(home) = busybox_home(test) else { return };
    if Command::new("nft").arg("--version").output().is_err() {
        return skip(test, "nftables is not installed");
    }
    zone(&home, "shut", "egress = []\ningress = []\ntrust = \"none\"");
    let nodes: Vec<Node> = (0..4)
        .map(|number| Node::start(&home, if number % 2 == 0 { &[] } else { &["--zone", "shut"] }))
        .collect();
    nodes.iter().for_each(|node| node.place.serve("[::]:80"));
    // As a host's /etc/nftables.conf is loaded: all goes, and what the owner wrote comes.
    let owners = home.path().join("nftables.conf");
    let text = "flush ruleset\ntable inet owner { chain f { type filter hook forward priority 10; policy accept; \
                counter; }; }\n";
    std::fs::write(&owners, text).unwrap();
    let whole = || {
        nft(&["list", "tables"]).contains("inet cofferdam") && nodes.iter().all(|node| verified(&home, node))
    };
    for (number, damage) in [
        vec!["-f", owners.to_str().unwrap()],
        vec!["flush", "ruleset"],
        vec!["delete", "table", "inet", "cofferdam"],
        vec!["flush chain inet cofferdam from_link"],
    ]
    .into_iter()
    .enumerate()
    {
        nft(&damage);
        assert!(eventually(whole), "{damage:?}: {}", nft(&["list", "ruleset"]));
        assert!(nodes[0].place.reaches(&nodes[2].at(0, 80)), "{damage:?}");
        assert!(nodes[1].place.is_kept_from(&nodes[3].at(0, 80)), "{damage:?}");
        let events = home.ok(&["events", "--since", "1h", "--until", "0s", "--filter", "event=repair"]);
        assert!(events.lines().count() > number, "{damage:?}: {events}");
    }
    let ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    home.ok(&[&["rm", "-f"], ids.as_slice()].concat());
    nft(&["flush", "ruleset"]);
}

#[test]
fn zone_test_says_by_which_rule_and_tries_it() {
    let Some(home) = busybox_home("zone_test_says_by_which_rule_and_tries_it") else { return };
    let hosts = Hosts::around_here();
    zone(&home, "web", "egress = [\"zone:db tcp/80 icmp\", \"internet\"]\ningress = [\"any\"]");
    zone(&home, "db", "ingress = [\"zone:web tcp/80 icmp\", \"host tcp/80\"]");
    let web = Node::start(&home, &["--zone", "web", "--name", "web1", "-p", "8080:80"]);
    let db = Node::start(&home, &["--zone", "db", "--name", "db1"]);
    db.place.serve("[::]:80");
    hosts.host.serve("[::]:90");
    let said = |from: &str, to: &str, code: i32| {
        let ran = home.run(&["zone", "test", "--timeout", "1", from, to]);
        assert_eq!(ran.code, code, "{from} {to}: {ran:?}");
        ran.out
    };
    let out = said("web1", "db1:80", 0);
    assert_eq!(out.matches("rules: passes: egress \"zone:db tcp/80 icmp\" of zone web; ingress \"zone:web tcp/80 icmp\" of zone db").count(), 2, "{out}");
    assert_eq!(out.matches("tried: connected in ").count(), 2, "IPv4 and IPv6: {out}");
    assert!(said("zone:web", "zone:db/icmp", 0).contains("tried: answered in"));
    let out = said("web1", "db1:81", 1);
    assert!(
        out.contains("rules: denied: no egress rule of zone web") && out.contains("tried: no answer"),
        "{out}"
    );
    assert!(said("db1", "web1:80", 1).contains("no egress rule of zone db names this container of zone web"));
    assert!(said("host", "db1:80", 0).contains("ingress \"host tcp/80\" of zone db"));
    assert!(said("host", "web1:80", 1).contains("no ingress rule of zone web lets the host in"));
    let out = said("web1", "203.0.113.9:80", 0);
    assert!(out.contains("egress \"internet\" of zone web") && out.contains("connected"), "{out}");
    assert!(said("web1", "203.0.113.9:8", 0).contains("it passed, nobody listens there"));
    assert!(said("web1", "192.168.77.9:80", 1).contains("no egress rule of zone web is for 192.168.77.9"));
    assert!(said("web1", "host:90", 1).contains("no egress rule of zone web names this service of the host"));
    // A published port by the host's address is the container behind it: here the one that asks.
    assert!(said("web1", "203.0.113.1:8080", 0).contains("it is its own address"));
    assert!(
        said("db1", "203.0.113.1:8080", 1)
            .contains("no egress rule of zone db names this container of zone web")
    );
    home.ok(&["rm", "-f", &web.id, &db.id]);
}

#[test]
fn zone_watch_shows_what_passes_and_what_is_denied() {
    let Some(home) = busybox_home("zone_watch_shows_what_passes_and_what_is_denied") else { return };
    zone(&home, "web", "egress = [\"zone:db tcp/80\"]");
    zone(&home, "db", "ingress = [\"zone:web tcp/80\"]");
    let web = Node::start(&home, &["--zone", "web", "--name", "web1"]);
    let db = Node::start(&home, &["--zone", "db", "--name", "db1"]);
    db.place.serve("[::]:80");
    let watch = |flags: &[&str]| {
        let mut command = home.command();
        command.args([&["zone", "watch"], flags].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for flags in [&["--seconds", "3", "web"][..], &["--count", "2", "--denied", "--format", "json"]] {
        let child = watch(flags);
        // Until it listens nothing is shown: asked again and again.
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| Ran::from(child.wait_with_output().unwrap()));
            while !ended.is_finished() {
                let _ = web.place.tcp(&db.at(0, 80), SOON);
                let _ = web.place.udp(&db.at(1, 81), NEVER);
            }
            let ran = ended.join().unwrap();
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
            let passed = format!("passed tcp web/web1 {} -> db/db1 {}", web.addresses[0], db.at(0, 80));
            let denied =
                format!("denied udp web/web1 {} -> db/db1 {} by zone web", web.addresses[1], db.at(1, 81));
            if flags.contains(&"json") {
                let first: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
                assert_eq!(
                    (&first["verdict"], &first["to"]["container"], &first["port"]),
                    (&"denied".into(), &"db1".into(), &81.into())
                );
            } else {
                assert!(ran.out.lines().any(|line| line == passed), "{passed}\n{}", ran.out);
                assert!(ran.out.lines().any(|line| line == denied), "{denied}\n{}", ran.out);
            }
        });
    }
    home.ok(&["rm", "-f", &web.id, &db.id]);
}
