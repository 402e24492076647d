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

#[test]
fn what_is_removed_at_its_end_gets_no_policy() {
    let Some(home) = busybox_home("what_is_removed_at_its_end_gets_no_policy") else { return };
    home.ok(&["run", "-d", "--rm", "--name", "box", "busybox", "sleep", "1000"]);
    let ran = home.run(&["update", "--restart", "always", "box"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("--rm"), "{ran:?}");
    assert_eq!(home.ok(&["inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", "box"]), "no");
    home.ok(&["update", "--restart", "no", "box"]);
    home.ok(&["rm", "-f", "box"]);
}

/// Who leaves an interactive `exec` by the detach keys leaves its process running, with a terminal that still takes its output.
#[test]
fn an_exec_that_was_left_goes_on() {
    let Some(home) = busybox_home("an_exec_that_was_left_goes_on") else { return };
    home.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
    let mut program = home.command();
    program.args([
        "exec",
        "-it",
        "box",
        "sh",
        "-c",
        "while :; do echo alive; echo x >/beat; sleep 0.1; done",
    ]);
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    // Typed again where the client was not there yet.
    let keys = "for i in 1 2 3 4 5 6; do sleep 1; printf '\\020\\021'; done";
    let mut typed = std::process::Command::new("sh");
    typed.args(["-c", &format!("({keys}) | script -qec \"{}\" /dev/null", line.join(" "))]);
    typed.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = typed.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("read escape sequence"), "{output:?}");
    home.ok(&["exec", "box", "sh", "-c", ": >/beat"]);
    assert!(eventually(|| home.run(&["exec", "box", "sh", "-c", "test -s /beat"]).code == 0), "it runs on");
    home.ok(&["rm", "-f", "box"]);
}
