//! What scripts that were written for Docker count on: exit codes, states and words.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use support::{Home, eventually, is_root};

fn home(test: &str) -> Option<Home> {
    is_root(test).then(Home::new)
}

#[test]
fn start_of_what_runs_is_done() {
    let Some(home) = home("start_of_what_runs_is_done") else { return };
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    let pid = home.ok(&["inspect", "-f", "{{.State.Pid}}", "box"]);
    assert_eq!(home.ok(&["start", "box"]), "box");
    assert_eq!(home.ok(&["inspect", "-f", "{{.State.Pid}}", "box"]), pid);
    home.ok(&["pause", "box"]);
    let paused = home.run(&["start", "box"]);
    assert!(paused.code == 1 && paused.err.contains("unpause it first"), "{paused:?}");
}

#[test]
fn rm_by_force_of_what_is_not_there_is_told_and_done() {
    let Some(home) = home("rm_by_force_of_what_is_not_there_is_told_and_done") else { return };
    home.ok(&["create", "--name", "box", "host", "--", "true"]);
    let ran = home.run(&["rm", "-f", "nobody", "box"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "box\n"));
    assert!(ran.err.contains("no such container: nobody"), "{ran:?}");
    assert_eq!(home.run(&["rm", "nobody"]).code, 1);
}

#[test]
fn a_failed_start_is_in_the_state() {
    let Some(home) = home("a_failed_start_is_in_the_state") else { return };
    let state = |name: &str| {
        let format = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}";
        home.ok(&["inspect", "-f", format, name])
    };
    assert_eq!(home.run(&["run", "--name", "none", "host", "--", "no-such-program"]).code, 127);
    let none = state("none");
    assert!(none.starts_with("created 127 ") && none.contains("no-such-program"), "{none}");
    assert_eq!(home.run(&["run", "--name", "file", "host", "--", "/etc/passwd"]).code, 126);
    assert!(state("file").starts_with("created 126 "), "{}", state("file"));
    // What was wrong once is not wrong any more.
    std::fs::create_dir(home.path().join("in")).unwrap();
    let program = home.path().join("in/program");
    let bind = format!("{}:/in", home.path().join("in").display());
    assert_eq!(home.run(&["run", "--name", "late", "-v", &bind, "host", "--", "/in/program"]).code, 127);
    std::fs::copy("/usr/bin/true", &program).unwrap();
    home.ok(&["start", "-a", "late"]);
    assert_eq!(state("late").trim_end(), "exited 0");
    let images = home.ok(&["inspect", "-f", "{{.Image}} {{.Config.Image}}", "late"]);
    assert!(images.starts_with("host-") && images.ends_with(" host"), "an id and a name: {images}");
}

#[test]
fn what_does_not_run_is_told_with_status_1() {
    let Some(home) = home("what_does_not_run_is_told_with_status_1") else { return };
    home.ok(&["run", "--name", "over", "--log-driver", "none", "host", "--", "true"]);
    assert_eq!(home.run(&["attach", "over"]).code, 1);
    let logs = home.run(&["logs", "over"]);
    assert!(logs.code == 1 && logs.err.contains("--log-driver none"), "{logs:?}");
}

#[test]
fn pausing_twice_says_so() {
    let Some(home) = home("pausing_twice_says_so") else { return };
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    let twice = |words: &[&str]| {
        home.ok(words);
        let ran = home.run(words);
        assert_eq!(ran.code, 1);
        ran.err
    };
    assert!(twice(&["pause", "box"]).contains("is already paused"));
    let attached = home.run(&["attach", "box"]);
    assert!(attached.code == 1 && attached.err.contains("is paused"), "{attached:?}");
    assert!(twice(&["unpause", "box"]).contains("is not paused"));
}

#[test]
fn exec_makes_no_working_folder() {
    let Some(home) = home("exec_makes_no_working_folder") else { return };
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    let ran = home.run(&["exec", "-w", "/tmp/none/there", "box", "true"]);
    assert!(ran.code != 0 && ran.err.contains("/tmp/none/there"), "{ran:?}");
    assert_ne!(home.run(&["exec", "box", "test", "-e", "/tmp/none"]).code, 0);
    assert_eq!(home.ok(&["exec", "-w", "/tmp", "box", "pwd"]), "/tmp");
}

/// A program that minds no signal must not keep the client for ever.
#[test]
fn the_third_interrupt_ends_the_client() {
    let Some(home) = home("the_third_interrupt_ends_the_client") else { return };
    let script = "trap 'echo heard' INT; echo ready; while :; do sleep 0.02; done";
    let mut command = home.command();
    command.args(["run", "--name", "deaf", "host", "--", "sh", "-c", script]).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let heard = || home.run(&["logs", "deaf"]).out.matches("heard").count();
    assert!(eventually(|| home.run(&["logs", "deaf"]).out.contains("ready")));
    for number in 1..=2 {
        kill_process(pid, Signal::INT).unwrap();
        assert!(eventually(|| heard() == number), "the container gets each of them");
        assert!(child.try_wait().unwrap().is_none());
    }
    kill_process(pid, Signal::INT).unwrap();
    assert!(eventually(|| child.try_wait().unwrap().is_some()), "the client goes on");
    let ran = support::Ran::from(child.wait_with_output().unwrap());
    assert!(ran.code == 1 && ran.err.contains("got 3 SIGTERM/SIGINTs"), "{ran:?}");
    assert_eq!(home.ok(&["inspect", "-f", "{{.State.Running}}", "deaf"]), "true");
}
