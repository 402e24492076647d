//! Containers that start again: by `restart`, by their policy, and after their shim was lost.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::{Home, busybox_home, eventually};

fn pid(home: &Home, name: &str) -> i32 {
    home.ok(&["inspect", "--format", "{{.State.Pid}}", name]).parse().unwrap()
}

fn kill_shim(home: &Home, name: &str) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid(home, name))).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    let parent = rustix::process::Pid::from_raw(parent).unwrap();
    rustix::process::kill_process(parent, rustix::process::Signal::KILL).unwrap();
    assert!(eventually(|| std::fs::metadata(format!("/proc/{}", parent.as_raw_nonzero())).is_err()));
}

#[test]
fn a_running_container_with_rm_is_restarted_and_removed_at_its_last_end() {
    let Some(home) = busybox_home("a_running_container_with_rm_is_restarted_and_removed_at_its_last_end")
    else {
        return;
    };
    home.ok(&[
        "run",
        "-d",
        "--rm",
        "--name",
        "box",
        "-v",
        "/v",
        "busybox",
        "sh",
        "-c",
        "echo x >>/count; sleep 1000",
    ]);
    let before = pid(&home, "box");
    home.ok(&["restart", "-t", "0", "box"]);
    assert_ne!(pid(&home, "box"), before);
    assert!(
        eventually(|| home.ok(&["exec", "box", "cat", "/count"]) == "x\nx"),
        "what it wrote is still there"
    );
    assert_eq!(home.run(&["verify", "box"]).code, 0);
    home.ok(&["stop", "-t", "0", "box"]);
    assert!(eventually(|| home.ok(&["ps", "-aq"]).is_empty()));
    assert!(eventually(|| home.ok(&["volume", "ls", "-q"]).is_empty()));
}

#[test]
fn the_policy_counts_when_the_shim_is_lost() {
    let Some(home) = busybox_home("the_policy_counts_when_the_shim_is_lost") else { return };
    let run = |name: &str, policy: &str| {
        home.ok(&["run", "-d", "--name", name, "--restart", policy, "busybox", "sleep", "1000"]);
    };
    run("always", "always");
    run("failure", "on-failure:1");
    run("no", "no");
    for name in ["always", "failure", "no"] {
        kill_shim(&home, name);
    }
    let running = home.ok(&["ps", "--format", "{{.Names}}"]);
    let mut running: Vec<&str> = running.lines().collect();
    running.sort_unstable();
    assert_eq!(running, ["always", "failure"]);
    let count = home.ok(&["inspect", "--format", "{{.RestartCount}}", "always"]);
    assert_eq!(count, "1");
    assert_eq!(home.ok(&["inspect", "--format", "{{.State.ExitCode}}", "no"]), "137");
    kill_shim(&home, "failure");
    assert_eq!(home.ok(&["ps", "--format", "{{.Names}}"]), "always", "its tries are used up");
}

#[test]
fn top_takes_the_options_of_ps() {
    let Some(home) = busybox_home("top_takes_the_options_of_ps") else { return };
    if !std::path::Path::new("/usr/bin/ps").exists() {
        support::skip("top_takes_the_options_of_ps", "procps is not installed");
        return;
    }
    let id = home.ok(&["run", "-d", "busybox", "sleep", "4321"]);
    let text = home.ok(&["top", &id, "-o", "pid,args"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].contains("sleep 4321") && lines[1].contains(&pid(&home, &id).to_string()), "{text}");
    assert_eq!(home.run(&["top", &id, "-o", "args"]).code, 1);
    assert_eq!(home.run(&["top", &id, "--no-such-option"]).code, 1);
}

#[test]
fn prune_takes_filters() {
    let Some(home) = busybox_home("prune_takes_filters") else { return };
    for (name, label) in [("one", "keep=yes"), ("two", "keep=no")] {
        home.ok(&["run", "--name", name, "--label", label, "busybox", "true"]);
    }
    home.ok(&["prune", "-f", "--filter", "until=1h"]);
    home.ok(&["prune", "-f", "--filter", "label=none"]);
    assert_eq!(home.ok(&["ps", "-aq"]).lines().count(), 2);
    home.ok(&["prune", "-f", "--filter", "label!=keep=yes"]);
    assert_eq!(home.ok(&["ps", "-a", "--format", "{{.Names}}"]), "one");
    assert_eq!(home.run(&["prune", "-f", "--filter", "name=x"]).code, 1);
    home.ok(&["image", "prune", "-af"]);
    assert_eq!(home.ok(&["image", "ls", "-q"]).lines().count(), 1, "a container uses it");
    home.ok(&["prune", "-f", "--filter", "until=0s"]);
    let shown =
        home.ok(&["image", "inspect", "--format", "{{.RepoTags}} {{.Config.Cmd}} {{.Os}}", "busybox"]);
    assert_eq!(shown, "[busybox:latest] [/bin/sh] linux");
    home.ok(&["image", "prune", "-af"]);
    assert_eq!(home.ok(&["image", "ls", "-q"]), "");
}
