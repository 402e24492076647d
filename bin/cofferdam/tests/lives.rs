//! What happens to a container between its start and its end: handover, stops, restarts, waits, logs, events.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Home, eventually, is_root, remains};

fn home(test: &str) -> Option<Home> {
    is_root(test).then(Home::new)
}

const NOTHING: Vec<String> = Vec::new();

fn status(home: &Home, name: &str) -> String {
    home.ok(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", name])
}

/// The shim executes itself anew: it is the same process with less memory, and what it holds goes on.
#[test]
fn a_shim_that_has_executed_itself_anew_goes_on() {
    let Some(home) = home("a_shim_that_has_executed_itself_anew_goes_on") else { return };
    let script = "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done";
    let id = home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", script]);
    let ids = [id];
    let shim = || {
        let found = remains::processes_of(home.path(), &ids);
        found
            .into_iter()
            .find(|process| !process.inside && process.command.contains(" shim "))
            .map(|it| it.pid)
    };
    assert!(eventually(|| shim().is_some()));
    let pid = shim();
    let lines = || home.run(&["logs", "box"]).out.lines().count();
    let before = lines();
    assert!(eventually(|| lines() > before + 5), "the log has stopped");
    let text = home.ok(&["logs", "box"]);
    for (number, line) in text.lines().enumerate() {
        assert_eq!(line, format!("line {}", number + 1), "a line is lost or doubled");
    }
    home.ok(&["pause", "box"]);
    home.ok(&["unpause", "box"]);
    assert_eq!(shim(), pid);
    home.ok(&["stop", "-t", "0", "box"]);
    assert!(status(&home, "box").starts_with("exited 137"));
    home.ok(&["rm", "box"]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn a_program_that_ignores_the_stop_signal_is_killed_when_its_time_is_up() {
    let Some(home) = home("a_program_that_ignores_the_stop_signal_is_killed_when_its_time_is_up") else {
        return;
    };
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", script]);
    assert!(eventually(|| home.run(&["logs", "box"]).out.contains("ready")));
    let start = Instant::now();
    home.ok(&["stop", "-t", "1", "box"]);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(status(&home, "box").starts_with("exited 137"), "{}", status(&home, "box"));
    home.ok(&["rm", "box"]);
}

#[test]
fn restart_policies_are_dockers() {
    let Some(home) = home("restart_policies_are_dockers") else { return };
    let fails = ["host", "--", "sh", "-c", "exit 3"];
    home.ok(&[&["run", "-d", "--name", "twice", "--restart", "on-failure:2"], &fails[..]].concat());
    assert!(eventually(|| status(&home, "twice") == "exited 3 2"), "{}", status(&home, "twice"));

    let ends = ["host", "--", "sleep", "0.05"];
    home.ok(&[&["run", "-d", "--name", "never", "--restart", "on-failure"], &ends[..]].concat());
    assert!(eventually(|| status(&home, "never") == "exited 0 0"), "{}", status(&home, "never"));

    for policy in ["always", "unless-stopped"] {
        home.ok(&[&["run", "-d", "--name", policy, "--restart", policy], &ends[..]].concat());
        let count = || status(&home, policy).rsplit(' ').next().unwrap().parse::<u32>().unwrap();
        assert!(eventually(|| count() >= 2), "{}", status(&home, policy));
        home.ok(&["stop", "-t", "1", policy]);
        assert!(status(&home, policy).starts_with("exited"), "{}", status(&home, policy));
        let stopped = count();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(count(), stopped, "it was started again after a stop");
    }
    home.ok(&["rm", "twice", "never", "always", "unless-stopped"]);
    assert_eq!(home.remains(), NOTHING);
}

#[test]
fn a_followed_log_goes_on_through_a_restart() {
    let Some(home) = home("a_followed_log_goes_on_through_a_restart") else { return };
    let script = "echo begin; sleep 0.2; echo end; exit 1";
    home.ok(&["run", "-d", "--name", "box", "--restart", "on-failure:2", "host", "--", "sh", "-c", script]);
    let ran = home.run(&["logs", "-f", "box"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out, "begin\nend\n".repeat(3));
    home.ok(&["rm", "box"]);
}

#[test]
fn several_wait_for_the_same_end() {
    let Some(home) = home("several_wait_for_the_same_end") else { return };
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", "sleep 0.5; exit 9"]);
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..5).map(|_| scope.spawn(|| home.ok(&["wait", "box"]))).collect();
        for wait in waits {
            assert_eq!(wait.join().unwrap(), "9");
        }
    });
    assert_eq!(home.ok(&["wait", "box"]), "9", "of one that has ended it answers at once");
    home.ok(&["rm", "box"]);
}

#[test]
fn two_attached_clients_both_get_the_output() {
    let Some(home) = home("two_attached_clients_both_get_the_output") else { return };
    let script = "read line; echo got $line; seq 1 2000; exit 4";
    home.ok(&["run", "-d", "-i", "--name", "box", "host", "--", "sh", "-c", script]);
    let attach = |stdin: Stdio| {
        let mut command = home.command();
        command
            .args(["attach", "box"])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let watcher = attach(Stdio::null());
    let mut speaker = attach(Stdio::piped());
    std::thread::sleep(Duration::from_millis(300));
    std::io::Write::write_all(&mut speaker.stdin.take().unwrap(), b"hello\n").unwrap();
    let mut expected = String::from("got hello\n");
    (1..=2000).for_each(|number| expected.push_str(&format!("{number}\n")));
    for client in [watcher, speaker] {
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
    home.ok(&["rm", "box"]);
}

/// What nobody reads goes to the log alone, and a log with a limit keeps the newest.
#[test]
fn much_output_without_a_reader_fills_no_more_than_the_log_may() {
    let Some(home) = home("much_output_without_a_reader_fills_no_more_than_the_log_may") else { return };
    let script = "seq 1 400000; echo last";
    let flags = ["run", "-d", "--name", "box", "--log-opt", "max-size=100k", "--log-opt", "max-file=2"];
    let id = home.ok(&[&flags[..], &["host", "--", "sh", "-c", script]].concat());
    assert_eq!(home.ok(&["wait", "box"]), "0");
    let folder = home.path().join("state/containers").join(&id);
    let logs = std::fs::read_dir(folder).unwrap().flatten();
    let logs = logs.filter(|entry| entry.file_name().to_string_lossy().starts_with("log"));
    let bytes: u64 = logs.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(bytes > 100_000 && bytes <= 2 * 102_400, "{bytes} bytes of log");
    let text = home.ok(&["logs", "box"]);
    assert_eq!(text.lines().last(), Some("last"));
    assert!(text.lines().any(|line| line == "399999"));
    home.ok(&["rm", "box"]);
}

/// A reader that stops reading holds the program up, and loses nothing.
#[test]
fn a_slow_reader_gets_everything() {
    let Some(home) = home("a_slow_reader_gets_everything") else { return };
    let mut command = home.command();
    command.args(["run", "--rm", "host", "--", "seq", "1", "200000"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 200_000);
    assert_eq!(text.lines().last(), Some("200000"));
    assert!(child.wait().unwrap().success());
    assert_eq!(home.remains(), NOTHING);
}
