//! Every privileged step of the OCI face's `run`, `create`, `start` and `exec` fails in turn, for root and for an ordinary user.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use serde_json::json;
use support::faulty::{self, Recorded, assert_told, recorded, steps_file};
use support::user::User;
use support::{Bundle, Ran, is_root, remains};

/// A bundle whose plan has as many steps as this host can carry out.
fn bundle(test: &str, user: Option<User>) -> Option<Bundle> {
    let mut bundle = Bundle::busybox_of(test, &["true"], user)?.with_program(faulty::program());
    let config = &mut bundle.config;
    let hook = || json!([{"path": "/bin/true", "args": ["true"]}]);
    config["hooks"] = json!({
        "prestart": hook(),
        "createRuntime": hook(),
        "createContainer": hook(),
        "startContainer": hook(),
        "poststart": hook(),
    });
    config["process"]["oomScoreAdj"] = json!(100);
    config["process"]["noNewPrivileges"] = json!(true);
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW"});
    if user.is_none() {
        config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
        config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "0"});
        config["linux"]["personality"] = json!({"domain": "LINUX"});
        config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_PREFERRED", "nodes": "0"});
        config["linux"]["resources"]["pids"] = json!({"limit": 100});
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.push(json!({"type": "time"}));
        namespaces.push(json!({"type": "cgroup"}));
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1000}});
    }
    bundle.write();
    Some(bundle)
}

fn learn(bundle: &Bundle, args: &[&str], id: &str) -> Vec<Recorded> {
    let file = steps_file(bundle.path());
    let ran = Ran::of(bundle.oci(args).env("COFFERDAM_STEPS", &file));
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    let mut steps = recorded(&file, &[id]);
    // How many calls a tracer sees, and is woken for, differs from run to run: the first of each stands for all.
    let varies = |step: &Recorded| {
        step.name == "hold at the gate" || step.fail_at.starts_with("wait for the other side @")
    };
    steps.retain(|step| !varies(step) || step.fail_at.ends_with("@1"));
    steps
}

fn has(steps: &[Recorded], names: &[&str]) {
    for name in names {
        assert!(steps.iter().any(|step| step.name == *name), "there is no step {name:?}");
    }
}

/// Runs a command in which one step fails.
fn fail(bundle: &Bundle, args: &[&str], step: &Recorded) {
    let ran = Ran::of(bundle.oci(args).env("COFFERDAM_FAIL_AT", &step.fail_at));
    assert_ne!(ran.code, 0, "{}: {ran:?}", step.fail_at);
    assert_told(&ran, step);
}

const NOTHING: Vec<String> = Vec::new();

fn run_fails_at_each_step(bundle: &Bundle, id: &str, names: &[&str]) {
    let args = ["run", id];
    let steps = learn(bundle, &args, id);
    has(&steps, names);
    assert_eq!(bundle.remains(&[id]), NOTHING);
    for step in &steps {
        fail(bundle, &args, step);
        assert_eq!(bundle.remains(&[id]), NOTHING, "{}", step.fail_at);
    }
    println!("{} steps failed in turn", steps.len());
}

#[test]
fn every_step_of_oci_run_fails_in_turn() {
    let name = "every_step_of_oci_run_fails_in_turn";
    if !is_root(name) {
        return;
    }
    let Some(bundle) = bundle(name, None) else { return };
    let names = [
        "make cgroup",
        "set cgroup limit",
        "clone process",
        "set up time namespace",
        "write sysctl",
        "run hook",
        "mount",
        "mask path",
        "make path read-only",
        "switch root",
        "set resource limit",
        "set scheduler",
        "set io priority",
        "set personality",
        "set memory policy",
        "set credentials",
        "set no_new_privs",
        "install seccomp filter",
        "hold at the gate",
        "exec",
    ];
    run_fails_at_each_step(&bundle, &id_of(&bundle), &names);
}

#[test]
fn user_every_step_of_oci_run_fails_in_turn() {
    let name = "user_every_step_of_oci_run_fails_in_turn";
    if !is_root(name) {
        return;
    }
    let Some(bundle) = bundle(name, Some(User::new())) else { return };
    let names =
        ["clone process", "write id maps", "run hook", "mount", "switch root", "set credentials", "exec"];
    run_fails_at_each_step(&bundle, &id_of(&bundle), &names);
}

/// An id that no other run of these tests has.
fn id_of(bundle: &Bundle) -> String {
    bundle.path().file_name().unwrap().to_str().unwrap().replace('.', "")
}

#[test]
fn every_step_of_oci_create_start_and_exec_fails_in_turn() {
    let name = "every_step_of_oci_create_start_and_exec_fails_in_turn";
    if !is_root(name) {
        return;
    }
    let Some(mut bundle) = bundle(name, None) else { return };
    bundle.config["process"]["args"] = json!(["sleep", "1000"]);
    bundle.write();
    let id = id_of(&bundle);
    let delete = || assert_eq!(Ran::of(&mut bundle.oci(&["delete", "-f", &id])).code, 0);
    let null = std::process::Stdio::null;

    let file = steps_file(bundle.path());
    let status = bundle.oci(&["create", &id]).env("COFFERDAM_STEPS", &file).stdout(null()).status();
    assert!(status.unwrap().success());
    let mut created = recorded(&file, &[&id]);
    // Init waits to be started when it has told that it is ready: no step of the creation, whose command may have ended.
    created.retain(|step| !waits_to_be_started(step));
    let started = learn(&bundle, &["start", &id], &id);
    has(&started, &["hold at the gate"]);
    let entered = learn(&bundle, &["exec", &id, "true"], &id);
    has(&entered, &["join namespace", "set credentials", "install seccomp filter", "exec"]);
    let expected = processes(&bundle, &id);
    for step in &entered {
        fail(&bundle, &["exec", &id, "true"], step);
        assert!(support::eventually(|| processes(&bundle, &id) == expected), "{}", step.fail_at);
    }
    delete();
    assert_eq!(bundle.remains(&[&id]), NOTHING);

    // Of a creation every fourth: `run` has failed the same ones.
    for step in created.iter().step_by(4).filter(|step| !started.contains(step)) {
        let status = bundle.oci(&["create", &id]).env("COFFERDAM_FAIL_AT", &step.fail_at).output().unwrap();
        assert!(!status.status.success(), "{}", step.fail_at);
        assert_eq!(bundle.remains(&[&id]), NOTHING, "{}", step.fail_at);
    }
    for step in started.iter().filter(|step| !created.contains(step)) {
        // Init, which carries out some of them, has the environment of the creation, and may be at the first of them before
        // that has ended.
        let create =
            bundle.oci(&["create", &id]).env("COFFERDAM_FAIL_AT", &step.fail_at).stdout(null()).status();
        if !create.unwrap().success() {
            assert_eq!(bundle.remains(&[&id]), NOTHING, "{}", step.fail_at);
            continue;
        }
        let ran = Ran::of(bundle.oci(&["start", &id]).env("COFFERDAM_FAIL_AT", &step.fail_at));
        assert_ne!(ran.code, 0, "{}: {ran:?}", step.fail_at);
        // An init that ends while it waits has nobody to tell: the start may find it gone already.
        if !(waits_to_be_started(step) && ran.err.contains("cannot start a container that has stopped")) {
            assert_told(&ran, step);
        }
        let state = Ran::of(&mut bundle.oci(&["state", &id]));
        assert!(state.out.contains("stopped"), "{}: {state:?}", step.fail_at);
        delete();
        assert_eq!(bundle.remains(&[&id]), NOTHING, "{}", step.fail_at);
    }
    println!("{} steps of exec, {} of start failed in turn", entered.len(), started.len());
}

fn waits_to_be_started(step: &Recorded) -> bool {
    step.fail_at.starts_with("wait for the other side of the start")
}

fn processes(bundle: &Bundle, id: &str) -> Vec<i32> {
    let mut pids: Vec<i32> =
        remains::processes_of(bundle.path(), &[id.to_owned()]).iter().map(|process| process.pid).collect();
    pids.sort_unstable();
    pids
}
