//! The main job as an ordinary user: with one id, with ranges through newuidmap, with and without a cgroup of the user's own.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::Path;

use support::accounts::Accounts;
use support::{Home, eventually, is_root};

fn home(test: &str) -> Option<Home> {
    is_root(test).then(|| Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam"))))
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn user_runs_a_program_boxed_in() {
    let Some(home) = home("user_runs_a_program_boxed_in") else { return };
    let script = "id -u; cat /proc/self/uid_map; grep -c . /etc/shadow; ls /root /home | wc -l";
    let ran = home.run(&["run", "--rm", "host", "--", "sh", "-c", script]);
    let uid = home.user().unwrap().0.to_string();
    let mut lines = ran.out.lines();
    assert_eq!(lines.next(), Some("0"), "{ran:?}");
    let map: Vec<&str> = lines.next().unwrap().split_ascii_whitespace().collect();
    assert_eq!(map, ["0", &uid, "1"], "a single id: the user's own");
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn user_starts_verifies_execs_stops_and_removes() {
    let Some(home) = home("user_starts_verifies_execs_stops_and_removes") else { return };
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", "echo to-the-log; exec sleep 1000"]);
    assert!(eventually(|| home.run(&["logs", "box"]).out.contains("to-the-log")));
    let ran = home.run(&["exec", "box", "sh", "-c", "echo in; exit 3"]);
    assert_eq!((ran.code, ran.out.trim()), (3, "in"), "{ran:?}");
    let verified = home.run(&["verify", "box"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    home.ok(&["stop", "-t", "1", "box"]);
    home.ok(&["start", "box"]);
    home.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(home.run(&["verify", "box"]).code, 0);
    home.ok(&["rm", "-f", "box"]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn user_exit_codes_are_dockers() {
    let Some(home) = home("user_exit_codes_are_dockers") else { return };
    for (args, code) in [
        (&["run", "--rm", "host", "--", "sh", "-c", "exit 7"][..], 7),
        (&["run", "--rm", "host", "--", "no-such-program"], 127),
        (&["run", "--rm", "host", "--", "/etc/passwd"], 126),
        (&["run", "--rm", "no-such-image", "--", "true"], 125),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    }
    assert_eq!(home.remains(), NOTHING);
}

/// A limit that nobody lets this user set is an error that says what is missing; nothing is left out silently.
#[test]
fn user_limit_without_a_delegated_cgroup_is_refused() {
    let Some(home) = home("user_limit_without_a_delegated_cgroup_is_refused") else { return };
    let ran = home.run(&["run", "--rm", "--memory", "64m", "host", "--", "true"]);
    assert_eq!(ran.code, 125, "{ran:?}");
    assert!(ran.err.contains("memory") && ran.err.contains("cgroup"), "{ran:?}");
    assert_eq!(home.remains(), NOTHING);
}

/// With ranges the container has 65,536 ids, and what their owners leave in its files goes with it.
#[test]
fn user_with_subordinate_ids_gets_a_range_and_can_remove_what_they_own() {
    let test = "user_with_subordinate_ids_gets_a_range_and_can_remove_what_they_own";
    let Some(home) = home(test) else { return };
    let Some(accounts) = Accounts::of(test, home.user().unwrap()) else { return };
    let script = "cat /proc/self/uid_map; mkdir -m 700 /opt/of-another; touch /opt/of-another/file; \
        chown -R 1234:1234 /opt/of-another; stat -c %u /opt/of-another";
    let ran =
        accounts.run(&home, &["run", "--zone", "default", "--name", "box", "host", "--", "sh", "-c", script]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ids: u32 =
        ran.out.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u32>().ok()).sum();
    assert!(ids > 60_000, "{ran:?}");
    assert_eq!(ran.out.lines().last(), Some("1234"), "{ran:?}");
    let ran = accounts.run(&home, &["rm", "box"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(home.remains(), NOTHING);
    let ran = accounts.run(&home, &["run", "--rm", "--zone", "default", "host", "--", "sh", "-c", script]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for command in [
        &["run", "-d", "--zone", "default", "--name", "box", "host", "--", "sleep", "1000"][..],
        &["restart", "-t", "0", "box"],
        &["exec", "box", "true"],
        &["rm", "-f", "box"],
    ] {
        let ran = accounts.run(&home, command);
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
    }
    assert_eq!(home.remains(), NOTHING);
}

/// A user of the image's, by flag, by number and by the image itself: what is not dumpable any more since its ids changed is
/// confined and read back like any other.
#[test]
fn user_runs_as_other_ids_of_the_range() {
    let test = "user_runs_as_other_ids_of_the_range";
    let Some(home) = home(test) else { return };
    let Some(accounts) = Accounts::of(test, home.user().unwrap()) else { return };
    let ids = |args: &[&str], wanted: &str| {
        let ran = accounts.run(&home, args);
        assert_eq!((ran.code, ran.out.trim()), (0, wanted), "{args:?}: {ran:?}");
    };
    let script = "echo $(id -u) $(id -g)";
    for (user, wanted) in
        [("1234", "1234 0"), ("0:1000", "0 1000"), ("65534:7", "65534 7"), ("daemon", "1 1")]
    {
        for zone in ["default", "strict"] {
            ids(&["run", "--rm", "--zone", zone, "-u", user, "host", "--", "sh", "-c", script], wanted);
        }
        ids(
            &["run", "--rm", "--zone", "default", "--init", "-u", user, "host", "--", "sh", "-c", script],
            wanted,
        );
    }
    let started = accounts.run(
        &home,
        &["run", "-d", "--zone", "default", "--name", "box", "-u", "1234", "host", "--", "sleep", "100"],
    );
    assert_eq!(started.code, 0, "{started:?}");
    ids(&["exec", "box", "sh", "-c", script], "1234 0");
    ids(&["exec", "-u", "33:44", "box", "sh", "-c", script], "33 44");
    ids(&["exec", "-u", "0", "box", "sh", "-c", script], "0 0");
    let verified = accounts.run(&home, &["verify", "box"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(accounts.run(&home, &["rm", "-f", "box"]).code, 0);
    assert_eq!(home.remains(), NOTHING);
}
