//! Zones on the network, by real packets between containers: in a network namespace that the test makes, with none of the
//! machine's links.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use cofferdam_kernel::rtnetlink::{Change, RouteSocket};
use support::faulty::{self, recorded, steps_file};
use support::hosts::{plan, zone};
use support::place::Place;
use support::{Home, Ran, busybox_home, busybox_home_of, eventually, remains};

/// A server that answers each connection with "hello", until it is removed.
const SERVER: &str = "while :; do echo hello | busybox nc -l -p 80 >/dev/null 2>&1; done";

fn serve(home: &Home, flags: &[&str]) -> String {
    home.ok(&[&["run", "-d"], flags, &["busybox", "sh", "-c", SERVER]].concat())
}

fn address(home: &Home, id: &str, family: usize) -> String {
    plan(home, id)["network"]["addresses"][family]["address"].as_str().unwrap().to_owned()
}

/// Whether a container in a zone gets an answer from an address, and a ping back.
fn asks(home: &Home, flags: &[&str], address: &str) -> (bool, bool) {
    let script = "busybox nc -w 2 $0 80 </dev/null; busybox ping -c 1 -W 1 $0 >/dev/null 2>&1 && echo pinged";
    let ran = home.run(
        &[&["run", "--rm", "--cap-add", "NET_RAW"], flags, &["busybox", "sh", "-c", script, address]]
            .concat(),
    );
    (ran.out.contains("hello"), ran.out.contains("pinged"))
}

/// What is left of our links and rules in the test's network namespace.
fn left() -> Vec<String> {
    let routes = RouteSocket::open().unwrap();
    let mut found: Vec<String> = routes.links().unwrap().into_iter().map(|link| link.name).collect();
    found.retain(|name| name.starts_with("cfd"));
    found.extend(routes.routes().unwrap().iter().map(|route| format!("{route:?}")));
    let ours = routes.addresses().unwrap().into_iter().filter(|it| !it.address.is_loopback());
    found.extend(ours.map(|it| format!("{it:?}")));
    let listed = Command::new("nft").args(["list", "tables"]).output();
    let tables = listed.map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).into_owned());
    found.extend(tables.lines().map(str::to_owned));
    found
}

#[test]
fn one_zone_talks_two_do_not_and_a_rule_of_each_lets_them() {
    let Some(home) = busybox_home("one_zone_talks_two_do_not_and_a_rule_of_each_lets_them") else { return };
    zone(&home, "web", "egress = [\"internet\", \"zone:db tcp/80\"]");
    zone(&home, "db", "");
    let web = serve(&home, &["--zone", "web"]);
    let db = serve(&home, &["--zone", "db"]);
    for family in [0, 1] {
        assert_eq!(asks(&home, &["--zone", "web"], &address(&home, &web, family)), (true, true));
        assert_eq!(asks(&home, &["--zone", "web"], &address(&home, &db, family)), (false, false));
        assert_eq!(asks(&home, &["--zone", "db"], &address(&home, &web, family)), (false, false));
        assert_eq!(asks(&home, &[], &address(&home, &web, family)), (false, false));
    }
    home.ok(&["rm", "-f", &db]);
    zone(&home, "db", "ingress = [\"zone:web tcp/80\"]");
    let db = serve(&home, &["--zone", "db"]);
    for family in [0, 1] {
        assert_eq!(
            asks(&home, &["--zone", "web"], &address(&home, &db, family)),
            (true, false),
            "tcp/80 alone"
        );
        assert_eq!(
            asks(&home, &["--zone", "db"], &address(&home, &web, family)),
            (false, false),
            "one way alone"
        );
    }
    home.ok(&["rm", "-f", &db, &web]);
    assert_eq!(left(), Vec::<String>::new());
}

/// What applies each part is left out: the gate must refuse the start and name the network.
#[test]
fn the_gate_misses_whatever_is_left_out() {
    let name = "the_gate_misses_whatever_is_left_out";
    let Some(home) = busybox_home_of(name, faulty::program()) else { return };
    for skip in [
        "set packet rules zone",
        "set packet rules container",
        "prepare host network forwarding ipv4",
        "prepare host network forwarding ipv6",
        "make link eth0 up",
        "set address eth0",
        "set address routes inside eth0",
        "set address cfd*",
        "join name server",
    ] {
        let ran =
            Ran::of(home.command().args(["run", "--rm", "busybox", "true"]).env("COFFERDAM_SKIP", skip));
        assert_eq!(ran.code, 125, "{skip}: {ran:?}");
        // Without a link that is up its routes cannot be made: the next step finds it before the gate does.
        let found = match skip {
            "make link eth0 up" => "set address routes inside eth0",
            _ => "not confined as planned",
        };
        let named = skip == "make link eth0 up" || ran.err.contains("network ");
        assert!(ran.err.contains(found) && named, "{skip}: {ran:?}");
        println!("{skip}: {}", ran.err.lines().last().unwrap_or_default());
        assert_eq!(left(), Vec::<String>::new(), "{skip}");
    }
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn each_step_of_the_network_fails_in_turn_and_leaves_nothing() {
    let name = "each_step_of_the_network_fails_in_turn_and_leaves_nothing";
    let Some(home) = busybox_home_of(name, faulty::program()) else { return };
    let file = steps_file(home.path());
    let args = ["run", "--rm", "-p", "8080:80", "busybox", "true"];
    let ran = Ran::of(home.command().args(args).env("COFFERDAM_STEPS", &file));
    assert_eq!(ran.code, 0, "{ran:?}");
    let ids = remains::ids_ever(home.path());
    let short: Vec<&str> = ids.iter().flat_map(|id| [id.as_str(), &id[..12]]).collect();
    let ours = ["prepare host network", "set packet rules", "make link", "set address", "join name server"];
    let steps: Vec<_> =
        recorded(&file, &short).into_iter().filter(|step| ours.contains(&step.name.as_str())).collect();
    assert!(ours.iter().all(|name| steps.iter().any(|step| step.name == *name)), "{steps:?}");
    // The end of a container begins with its link. A failure there is not the program's: what is left is the next clean-up's.
    let end = steps.iter().position(|step| step.fail_at.starts_with("make link remove")).unwrap();
    for (number, step) in steps.iter().enumerate() {
        let ran = Ran::of(home.command().args(args).env("COFFERDAM_FAIL_AT", &step.fail_at));
        assert!(ran.code == 125 || (number >= end && ran.code == 0), "{}: {ran:?}", step.fail_at);
        let settled = || {
            home.ok(&["ps", "-a"]);
            left().is_empty()
        };
        assert!(eventually(settled), "{}: {:?}", step.fail_at, left());
    }
    println!("{} steps failed in turn", steps.len());
}

#[test]
fn a_lost_shim_leaves_no_link_and_no_rule() {
    let Some(home) = busybox_home("a_lost_shim_leaves_no_link_and_no_rule") else { return };
    let id = serve(&home, &["-p", "8080:80"]);
    let shims = remains::processes_of(home.path(), std::slice::from_ref(&id));
    for process in shims.iter().filter(|process| process.ours) {
        let pid = rustix::process::Pid::from_raw(process.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    assert!(eventually(|| home.ok(&["ps", "-q"]).is_empty()));
    assert_eq!(left(), Vec::<String>::new());
    home.ok(&["start", &id]);
    assert_eq!(asks(&home, &[], &address(&home, &id, 0)), (true, true));
    home.ok(&["rm", "-f", &id]);
    assert_eq!(left(), Vec::<String>::new());
}

#[test]
fn many_at_once_have_each_their_own_address_and_leave_nothing() {
    const COUNT: usize = 100;
    let Some(home) = busybox_home("many_at_once_have_each_their_own_address_and_leave_nothing") else {
        return;
    };
    let started: Vec<_> = (0..COUNT)
        .map(|_| {
            let mut command = home.command();
            command.args(["run", "-d", "busybox", "sleep", "1000"]).stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended: Vec<Ran> = started.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    let ids: Vec<&str> = ended.iter().map(|ran| ran.out.trim()).collect();
    assert!(ended.iter().all(|ran| ran.code == 0), "{ended:?}");
    let addresses: BTreeSet<String> = ids.iter().map(|id| address(&home, id, 0)).collect();
    assert_eq!(addresses.len(), COUNT);
    assert_eq!(left().iter().filter(|line| line.starts_with("cfd")).count(), COUNT);
    // And each is stopped by a command of its own, all at once.
    let stops: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = home.command();
            command.args(["rm", "-f", id]).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut stop in stops {
        assert!(stop.wait().unwrap().success());
    }
    assert_eq!(left(), Vec::<String>::new());
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn a_link_has_the_uplinks_largest_packet_and_the_hardware_address_that_was_asked_for() {
    let test = "a_link_has_the_uplinks_largest_packet_and_the_hardware_address_that_was_asked_for";
    let Some(home) = busybox_home(test) else { return };
    let (host, outside) = (Place::here(), Place::new());
    host.cable("narrow", &outside, &["192.0.2.1/24"], &["192.0.2.9/24"]);
    host.default_way("narrow", &["192.0.2.9".parse().unwrap()]);
    let routes = RouteSocket::open().unwrap();
    let link = routes.link("narrow").unwrap().unwrap().index;
    routes.make(Change::link_form(link, [2, 0, 0, 0, 0, 1], 1400)).unwrap();
    let script = "cat /sys/class/net/eth0/mtu /sys/class/net/eth0/address";
    let ran = home.run(&["run", "--rm", "--mac-address", "02:11:22:33:44:55", "busybox", "sh", "-c", script]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1400\n02:11:22:33:44:55\n"), "{ran:?}");
    let refused = home.run(&["run", "--rm", "--mac-address", "01:00:5e:00:00:01", "busybox", "true"]);
    assert!(refused.code == 125 && refused.err.contains("--mac-address"), "{refused:?}");
}

#[test]
fn a_flushed_host_is_noticed_and_repaired_by_command_and_by_the_next_start() {
    let name = "a_flushed_host_is_noticed_and_repaired_by_command_and_by_the_next_start";
    let Some(home) = busybox_home(name) else { return };
    if Command::new("nft").arg("--version").output().is_err() {
        support::skip(name, "nftables is not installed");
        return;
    }
    let id = serve(&home, &["-p", "8080:80"]);
    assert_eq!(home.run(&["verify", &id]).code, 0);
    let flush = || assert!(Command::new("nft").args(["flush", "ruleset"]).status().unwrap().success());
    // The shim notices by itself (zone_live.rs): stopped, it does not, and the commands do.
    let shims: Vec<_> = remains::processes_of(home.path(), std::slice::from_ref(&id))
        .iter()
        .filter(|process| process.ours)
        .filter_map(|process| rustix::process::Pid::from_raw(process.pid))
        .collect();
    let tell = |signal| shims.iter().for_each(|shim| rustix::process::kill_process(*shim, signal).unwrap());
    tell(rustix::process::Signal::STOP);
    flush();
    let ran = home.run(&["verify", &id]);
    assert!(ran.code != 0 && ran.out.contains("chain spoofed"), "{ran:?}");
    let ran = home.run(&["zone", "verify", "--repair", "default"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    flush();
    tell(rustix::process::Signal::CONT);
    // Another one starts: the first is as it was.
    assert_eq!(asks(&home, &[], &address(&home, &id, 0)), (true, true));
    assert_eq!(home.run(&["verify", &id]).code, 0);
    assert_eq!(home.ok(&["port", &id, "80"]).lines().next(), Some("0.0.0.0:8080"));
    home.ok(&["rm", "-f", &id]);
    assert_eq!(left(), Vec::<String>::new());
}

#[test]
fn an_address_that_was_asked_for_is_kept_while_its_container_is_there() {
    let Some(home) = busybox_home("an_address_that_was_asked_for_is_kept_while_its_container_is_there")
    else {
        return;
    };
    let run = |name: &str| {
        home.run(&["run", "-d", "--name", name, "--ip", "10.207.200.7", "busybox", "sleep", "100000"])
    };
    assert_eq!(run("first").code, 0);
    let taken = |ran: Ran| {
        assert_eq!(ran.code, 125, "{ran:?}");
        assert!(ran.err.contains("address 10.207.200.7 is container first's"), "{ran:?}");
    };
    taken(run("second"));
    // Its shim is killed: the record stays, and the address with it.
    let id = home.ok(&["inspect", "--format", "{{.Id}}", "first"]);
    for process in remains::processes_of(home.path(), std::slice::from_ref(&id)).iter().filter(|it| it.ours) {
        let pid = rustix::process::Pid::from_raw(process.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    assert!(eventually(|| home.ok(&["ps", "-q"]).is_empty()));
    taken(run("second"));
    home.ok(&["start", "first"]);
    assert_eq!(address(&home, &id, 0), "10.207.200.7");
    home.ok(&["rm", "-f", "first"]);
    assert_eq!(run("second").code, 0);
    home.ok(&["rm", "-f", "second"]);
    assert_eq!(left(), Vec::<String>::new());
}

/// The host's network brings the host's sysfs along, and nothing that is mounted below it.
#[test]
fn with_the_hosts_network_sys_shows_what_any_container_sees() {
    let Some(home) = busybox_home("with_the_hosts_network_sys_shows_what_any_container_sees") else { return };
    zone(&home, "near", "host = true");
    let inside = |network: &str, script: &str| {
        let flags = ["run", "--rm", "--zone", "near", "--network", network];
        home.ok(&[&flags[..], &["busybox", "sh", "-c", script]].concat())
    };
    let list = "ls /sys; for i in kernel/security kernel/debug kernel/tracing fs/bpf firmware; do ls -A /sys/$i; done";
    assert_eq!(inside("host", list), inside("none", list));
    let links = std::fs::read_dir("/sys/class/net").unwrap().map(|link| link.unwrap().file_name());
    let mut links: Vec<String> = links.map(|name| name.into_string().unwrap()).collect();
    links.sort();
    assert_eq!(inside("host", "ls /sys/class/net"), links.join("\n"));
    let write = "for i in kernel/uevent_helper kernel/mm/ksm/run power/state class/net/lo/mtu; do \
                 test -e /sys/$i && (echo 1 >/sys/$i) 2>/dev/null && echo wrote $i; done; true";
    assert_eq!(inside("host", write), "");
    let id = home.ok(&["run", "-d", "--zone", "near", "--network", "host", "busybox", "sleep", "1000"]);
    let ran = home.run(&["verify", &id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    home.ok(&["rm", "-f", &id]);
    let ran = home.run(&["run", "--rm", "--network", "host", "busybox", "true"]);
    assert!(ran.code == 125 && ran.err.contains("network.host is false"), "{ran:?}");
}
