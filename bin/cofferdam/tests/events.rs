//! Events: what is told of a container's life, and what of it a filter shows.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::{Home, is_root};

fn told(home: &Home, filters: &[&str], format: &str) -> Vec<String> {
    let mut words = vec!["events", "--since", "1h", "--until", "0s", "--format", format];
    words.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    home.ok(&words).lines().map(str::to_owned).collect()
}

fn assert_in_order(told: &[String], expected: &[&str]) {
    let mut rest = told.iter();
    for expected in expected {
        assert!(rest.any(|action| action == expected), "no {expected:?} in its place: {told:?}");
    }
}

#[test]
fn events_tell_a_life_in_its_order() {
    if !is_root("events_tell_a_life_in_its_order") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    home.ok(&["pause", "box"]);
    home.ok(&["unpause", "box"]);
    assert_eq!(home.run(&["exec", "box", "sh", "-c", "exit 3"]).code, 3);
    home.ok(&["top", "box"]);
    home.ok(&["stop", "-t", "0", "box"]);
    home.ok(&["rm", "box"]);
    let actions = told(&home, &[], "{{.Action}}");
    let life = [
        "create",
        "start",
        "pause",
        "unpause",
        "exec_create: sh -c exit 3",
        "exec_start: sh -c exit 3",
        "exec_die",
        "top",
        "kill",
        "die",
        "stop",
        "destroy",
    ];
    assert_in_order(&actions, &life);
    // What ends with SIGKILL was sent two signals.
    assert_eq!(told(&home, &["event=kill"], "{{.Actor.Attributes.signal}}"), ["15", "9"]);
    assert_eq!(told(&home, &["event=exec_die"], "{{.Actor.Attributes.exitCode}}"), ["3"]);
    let ids = told(&home, &["event=exec_start", "event=exec_die"], "{{.Actor.Attributes.execID}}");
    assert!(ids[0] == ids[1] && ids[0].len() == 64, "{ids:?}");
    let of_zone = told(&home, &["zone=host-tools"], "{{.Action}}");
    assert_eq!(of_zone, actions);
    assert!(told(&home, &["zone=default"], "{{.Action}}").is_empty());
    assert_eq!(home.run(&["events", "--until", "0s", "--filter", "event=strat"]).code, 1);
}

/// Docker's `stop` is of a stop: who is killed, or removed by force, has none.
#[test]
fn a_kill_is_no_stop() {
    if !is_root("a_kill_is_no_stop") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    home.ok(&["rm", "-f", "box"]);
    let actions = told(&home, &[], "{{.Action}}");
    assert_in_order(&actions, &["create", "start", "kill", "die", "destroy"]);
    assert!(!actions.iter().any(|action| action == "stop"), "{actions:?}");
}

#[test]
fn after_a_renaming_events_have_the_new_name() {
    if !is_root("after_a_renaming_events_have_the_new_name") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "old", "host", "--", "sleep", "1000"]);
    home.ok(&["rename", "old", "new"]);
    home.ok(&["rm", "-f", "new"]);
    let of_new = told(&home, &["container=new"], "{{.Action}} {{.Actor.Attributes.name}}");
    assert_in_order(&of_new, &["rename new", "kill new", "die new", "destroy new"]);
}

#[test]
fn attached_clients_are_told_of() {
    if !is_root("attached_clients_are_told_of") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "--name", "box", "host", "--", "true"]);
    assert_in_order(&told(&home, &[], "{{.Action}}"), &["create", "attach", "start", "die"]);
}
