//! Every privileged step of a start fails in turn: the start fails with that step's name, and nothing is left.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::process::Command;

use support::faulty::{self, Recorded, assert_told, recorded, steps_file};
use support::{Home, Ran, eventually, is_root, remains};

/// Runs a command once to learn its steps.
fn learn(command: &mut Command, home: &std::path::Path) -> std::path::PathBuf {
    let file = steps_file(home);
    let ran = Ran::of(command.env("COFFERDAM_STEPS", &file));
    assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
    file
}

/// Runs a command in which one step fails: it must end with the engine's own code (Docker's: 126 for a program that cannot be
/// executed) and name the step.
fn fail(command: &mut Command, step: &Recorded, engine_failed: i32) {
    let ran = Ran::of(command.env("COFFERDAM_FAIL_AT", &step.fail_at));
    let expected = if step.name == "exec" { 126 } else { engine_failed };
    assert_eq!(ran.code, expected, "{}: {ran:?}", step.fail_at);
    assert_told(&ran, step);
}

/// The steps of a run with these flags.
fn steps_of_a_run(home: &Home, args: &[&str]) -> Vec<Recorded> {
    let before = remains::ids_ever(home.path());
    let file = learn(home.command().args(args), home.path());
    let mut ids = remains::ids_ever(home.path());
    ids.retain(|id| !before.contains(id));
    let [id] = ids.as_slice() else { panic!("{ids:?}") };
    recorded(&file, &[id, &id[..12]])
}

fn run_args<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--rm"], flags, &["host", "--", "true"]].concat()
}

/// Fails each of these steps of a run.
fn fail_each(home: &Home, args: &[&str], steps: &[Recorded]) {
    assert_eq!(home.remains(), Vec::<String>::new());
    for step in steps {
        fail(home.command().args(args), step, 125);
        assert_eq!(home.remains(), Vec::<String>::new(), "{}", step.fail_at);
    }
    println!("{} steps failed in turn", steps.len());
}

/// What every run goes through.
const OF_EVERY_RUN: [&str; 28] = [
    "open channel",
    "make cgroup",
    "set cgroup limit",
    "clone process",
    "write id maps",
    "set oom_score_adj",
    "become namespace root",
    "join cgroup",
    "unshare cgroup namespace",
    "bring up loopback",
    "set hostname",
    "write sysctl",
    "set mount propagation",
    "prepare root",
    "prepare mount",
    "mount",
    "make device",
    "mask path",
    "make path read-only",
    "switch root",
    "join session keyring",
    "set resource limit",
    "change to working directory",
    "set credentials",
    "set no_new_privs",
    "install seccomp filter",
    "hold at the gate",
    "exec",
];

#[test]
fn every_step_of_a_run_fails_in_turn() {
    if !is_root("every_step_of_a_run_fails_in_turn") {
        return;
    }
    let home = Home::of(faulty::program());
    let args = run_args(&[]);
    let steps = steps_of_a_run(&home, &args);
    for name in OF_EVERY_RUN {
        assert!(steps.iter().any(|step| step.name == name), "the run has no step {name:?}");
    }
    fail_each(&home, &args, &steps);
}

/// With a terminal, limits, a folder of the host's, a device and what else a plain run has no step for.
#[test]
fn every_step_of_a_run_with_many_flags_fails_in_turn() {
    if !is_root("every_step_of_a_run_with_many_flags_fails_in_turn") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let volume = format!("{}:/data:rw", folder.path().display());
    let flags = [
        "-t",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "50",
        "--ulimit",
        "nofile=100:100",
        "--tmpfs",
        "/scratch",
        "-v",
        &volume,
        "--read-only",
        "--oom-score-adj",
        "100",
        "--sysctl",
        "net.ipv4.ip_forward=0",
    ];
    let home = Home::of(faulty::program());
    let plain = steps_of_a_run(&home, &run_args(&[]));
    let args = run_args(&flags);
    let mut steps = steps_of_a_run(&home, &args);
    assert!(steps.iter().any(|step| step.fail_at.starts_with("open terminal master")), "{steps:?}");
    steps.retain(|step| !plain.contains(step));
    fail_each(&home, &args, &steps);
    assert!(folder.path().exists(), "the folder is the user's");
}

/// A container that was to stay is there after its failed start, as Docker's is: it can be started once the cause is gone.
#[test]
fn a_failed_start_leaves_a_container_that_can_be_started() {
    if !is_root("a_failed_start_leaves_a_container_that_can_be_started") {
        return;
    }
    let home = Home::of(faulty::program());
    for (number, step) in
        ["make cgroup", "clone process", "mount /proc", "hold at the gate", "exec"].iter().enumerate()
    {
        let name = format!("box{number}");
        let ran = Ran::of(
            home.command()
                .args(["run", "-d", "--name", &name, "host", "--", "sleep", "100"])
                .env("COFFERDAM_FAIL_AT", step),
        );
        assert!([125, 126].contains(&ran.code), "{step}: {ran:?}");
        assert_eq!(home.ok(&["inspect", "--format", "{{.State.Status}}", &name]), "created", "{step}");
        let ids = remains::ids_ever(home.path());
        assert!(
            eventually(|| remains::of(home.path(), &ids).is_empty()),
            "{step}: {:?}",
            remains::of(home.path(), &ids)
        );
        home.ok(&["start", &name]);
        assert_eq!(home.ok(&["inspect", "--format", "{{.State.Status}}", &name]), "running", "{step}");
        home.ok(&["rm", "-f", &name]);
    }
    assert_eq!(home.remains(), Vec::<String>::new());
}

#[test]
fn every_step_of_an_exec_fails_in_turn() {
    if !is_root("every_step_of_an_exec_fails_in_turn") {
        return;
    }
    let home = Home::of(faulty::program());
    let id = home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "1000"]);
    let before = |home: &Home| {
        let mut lines: Vec<String> = remains::processes_of(home.path(), std::slice::from_ref(&id))
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.extend(remains::mounts_of(home.path()));
        lines.sort();
        lines
    };
    let args = ["exec", "box", "true"];
    // The shim executes itself anew meanwhile, which changes how its line reads.
    assert!(eventually(|| before(&home).iter().any(|line| line.contains(" shim "))));
    let expected = before(&home);
    assert_eq!(expected.len(), 2, "a shim and a sleep: {expected:?}");
    for flags in [&[][..], &["-t"][..]] {
        let args = [&args[..1], flags, &args[1..]].concat();
        let file = learn(home.command().args(&args), home.path());
        let steps = recorded(&file, &[&id, &id[..12]]);
        for name in [
            "join namespace",
            "join cgroup",
            "set credentials",
            "set no_new_privs",
            "install seccomp filter",
            "exec",
        ] {
            assert!(steps.iter().any(|step| step.name == name), "an exec has no step {name:?}");
        }
        for step in &steps {
            fail(home.command().args(&args), step, 1);
            assert!(eventually(|| before(&home) == expected), "{}: {:?}", step.fail_at, before(&home));
        }
        println!("{} steps failed in turn", steps.len());
    }
    home.ok(&["exec", "box", "true"]);
    home.ok(&["verify", "box"]);
    home.ok(&["rm", "-f", "box"]);
    assert_eq!(home.remains(), Vec::<String>::new());
}
