//! Mutation of the runtime: for every control, what applies it is left out, and the gate must refuse the start and name the
//! control. A control that no mutation reaches fails this test, unless it stands in [`UNREACHED`] with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test; the table is the test's result"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use cofferdam_proof::CONTROLS;
use serde_json::{Value, json};
use support::{Bundle, Ran, faulty, is_root};

type Change = fn(&mut Value);

/// What is left out, in a container with which configuration, and the control that must be named for it.
struct Mutation {
    control: &'static str,
    /// `COFFERDAM_SKIP`
    skip: &'static str,
    config: Change,
    /// In a process that enters the container, and not in its first one.
    entering: bool,
}

const fn start(control: &'static str, skip: &'static str, config: Change) -> Mutation {
    Mutation { control, skip, config, entering: false }
}

const fn exec(control: &'static str, skip: &'static str) -> Mutation {
    Mutation { control, skip, config: other_user, entering: true }
}

fn plain(_: &mut Value) {}

/// Names of the host would be changed where the UTS namespace is left out.
fn nameless(config: &mut Value) {
    config.as_object_mut().unwrap().remove("hostname");
}

fn named(config: &mut Value) {
    config["hostname"] = json!("mutant");
    config["domainname"] = json!("mutants.example");
}

fn other_user(config: &mut Value) {
    config["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o077});
}

fn capabilities(config: &mut Value) {
    config["process"]["capabilities"] = json!({
        "bounding": ["CAP_KILL", "CAP_CHOWN"],
        "permitted": ["CAP_KILL"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_KILL"],
    });
}

fn user_namespace(config: &mut Value) {
    let map = json!([{"containerID": 0, "hostID": 1_800_000_000, "size": 65_536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
}

fn cgroup_namespace(config: &mut Value) {
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
}

fn clocks(config: &mut Value) {
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "time"}));
    config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1000, "nanosecs": 0}});
}

fn filter(config: &mut Value) {
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["keyctl"], "action": "SCMP_ACT_ERRNO"}],
    });
}

fn settings(config: &mut Value) {
    config["process"]["oomScoreAdj"] = json!(300);
    config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0});
    config["process"]["cwd"] = json!("/tmp");
    config["linux"]["personality"] = json!({"domain": "LINUX32"});
    config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
    config["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "100"});
    config["linux"]["resources"] = json!({
        "pids": {"limit": 55},
        "devices": [{"allow": false, "access": "rwm"}],
    });
}

/// The host's /usr/share, which is mounted read-only and without device nodes.
fn bind(config: &mut Value) {
    config["mounts"].as_array_mut().unwrap().push(json!({
        "destination": "/tmp", "type": "bind", "source": "/usr/share", "options": ["bind", "ro", "nosuid", "nodev", "noexec"],
    }));
}

fn mapped_bind(config: &mut Value) {
    user_namespace(config);
    config["mounts"].as_array_mut().unwrap().push(json!({
        "destination": "/tmp", "type": "bind", "source": "/usr/share", "options": ["bind", "ro", "idmap"],
    }));
}

/// All mutations.
const MUTATIONS: &[Mutation] = &[
    start("namespaces", "clone process new net", plain),
    start("namespaces", "clone process new ipc", plain),
    start("namespaces", "clone process new uts", nameless),
    start("namespaces", "clone process new pid", plain),
    start("namespaces", "unshare cgroup namespace *", cgroup_namespace),
    start("namespaces", "set up time namespace *", clocks),
    start("first-process", "clone process new pid", plain),
    start("clock-offsets", "set up time namespace offsets", clocks),
    start("uid-map", "write id maps only uid_map", user_namespace),
    start("gid-map", "write id maps only gid_map", user_namespace),
    start("user", "set credentials user 7", other_user),
    start("group", "set credentials group 8", other_user),
    start("supplementary-groups", "set credentials supplementary groups", other_user),
    start("umask", "set credentials umask", other_user),
    start("capabilities-bounding", "set credentials bounding set", plain),
    start("capabilities-permitted", "set credentials capability sets", capabilities),
    start("capabilities-effective", "set credentials capability sets", capabilities),
    start("capabilities-inheritable", "set credentials capability sets", capabilities),
    start("no-new-privileges", "set no_new_privs *", plain),
    start("seccomp", "install seccomp filter ", filter),
    start("seccomp-filter", "install seccomp filter ", filter),
    start("root", "switch root read-only", plain),
    start("mounts", "mount attributes of /dev/mqueue", plain),
    start("mounts", "mount attributes of /sys", plain),
    start("mounts", "mount options of /dev/shm", plain),
    start("mounts", "prepare mount attributes of /tmp", bind),
    start("mounts", "prepare mount /tmp", mapped_bind),
    start("extra-mounts", "switch root old root", plain),
    start("masked-paths", "mask path /proc/keys", plain),
    start("masked-paths", "mask path /sys/firmware", plain),
    start("readonly-paths", "make path read-only /proc/sys", plain),
    start("devices", "make device /dev/null", plain),
    start("hostname", "set hostname mutant", named),
    start("domainname", "set hostname mutants.example", named),
    start("sysctls", "write sysctl *", settings),
    start("loopback", "bring up loopback lo", plain),
    start("rlimits", "set resource limit *", plain),
    start("oom-score-adj", "set oom_score_adj 300", settings),
    start("scheduler", "set scheduler *", settings),
    start("io-priority", "set io priority *", settings),
    start("personality", "set personality *", settings),
    start("memory-policy", "set memory policy *", settings),
    start("cgroup", "join cgroup ", settings),
    start("cgroup-limits", "set cgroup limit pids*", settings),
    start("cgroup-limits", "set cgroup limit devices", settings),
    start("descriptors", "*close descriptors*", plain),
    start("working-directory", "change to working directory /tmp", settings),
    exec("namespaces", "join namespace uts"),
    exec("user", "set credentials user 7"),
    exec("supplementary-groups", "set credentials supplementary groups"),
    exec("capabilities-bounding", "set credentials bounding set"),
    exec("no-new-privileges", "set no_new_privs *"),
    exec("rlimits", "set resource limit *"),
    exec("cgroup", "join cgroup "),
    exec("cpu-affinity", "set cpu affinity 0"),
    exec("descriptors", "*close descriptors*"),
];

/// The controls that no mutation can reach, each with the reason.
const UNREACHED: &[(&str, &str)] = &[
    (
        "setgroups",
        "root leaves it as it is; an ordinary user's single map is refused by the kernel itself without it",
    ),
    (
        "capabilities-ambient",
        "set last from none: leaving it out leaves fewer than planned, which is stricter",
    ),
    ("apparmor", "this machine's kernel does not enforce it: the start is refused before (tests/v2-host)"),
    ("selinux", "as apparmor"),
    (
        "extra-devices",
        "nothing applies it: nodes stand in a fresh tmpfs. crates/proof/tests/kernel finds one too many",
    ),
    ("network", "a bundle has none: tests/network.rs leaves out each of its steps"),
    ("net-devices", "moving network devices is not built: such a configuration is refused"),
    ("entered-processes", "looked into by verify alone: tests/proof.rs enters by another way"),
    ("extra-links", "nothing applies it: a new network namespace has none. tests/proof.rs puts one there"),
    ("other-processes", "as entered-processes: what the first process is under, its children are"),
    ("program", "without its step there is no program"),
];

/// `oci ARGS` of the program whose steps can be left out, with a descriptor of the test's own open.
fn oci(bundle: &Bundle, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 9</etc/passwd "$@""#, "sh"]).arg(faulty::program());
    command.args(["oci", "--root"]).arg(bundle.path().join("state")).args(args);
    command.current_dir(bundle.path()).stdin(std::process::Stdio::null());
    command
}

fn write(bundle: &Bundle, base: &Value, mutation: &Mutation) {
    let mut config = base.clone();
    (mutation.config)(&mut config);
    std::fs::write(bundle.path().join("config.json"), config.to_string()).unwrap();
}

/// The command that is to be refused: with everything applied it succeeds.
fn command(bundle: &Bundle, mutation: &Mutation) -> Command {
    if !mutation.entering {
        return oci(bundle, &["run", "mutant"]);
    }
    let text = std::fs::read(bundle.path().join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&text).unwrap();
    let mut process = config["process"].clone();
    process["args"] = json!(["true"]);
    process["execCPUAffinity"] = json!({"final": "0"});
    let file = bundle.path().join("process.json");
    std::fs::write(&file, process.to_string()).unwrap();
    oci(bundle, &["exec", "--process", file.to_str().unwrap(), "mutant"])
}

fn delete(bundle: &Bundle) {
    let _ = oci(bundle, &["delete", "-f", "mutant"]).output();
}

#[test]
fn what_is_left_out_is_named() {
    let test = "what_is_left_out_is_named";
    if !is_root(test) {
        return;
    }
    let Some(bundle) = Bundle::busybox(test, &["true"]) else { return };
    let mut missed = Vec::new();
    println!("{:<26} {:<48} found by", "control", "skipped step");
    for mutation in MUTATIONS {
        let mut base = bundle.config.clone();
        if mutation.entering {
            base["process"]["args"] = json!(["sleep", "100"]);
        }
        write(&bundle, &base, mutation);
        if mutation.entering {
            let status = oci(&bundle, &["run", "-d", "mutant"]).stdout(std::process::Stdio::null()).status();
            assert!(status.unwrap().success());
        }
        let whole = Ran::of(&mut command(&bundle, mutation));
        assert_eq!(
            whole.code, 0,
            "{} {}: with everything applied: {whole:?}",
            mutation.control, mutation.skip
        );
        let ran = Ran::of(command(&bundle, mutation).env("COFFERDAM_SKIP", mutation.skip));
        delete(&bundle);
        let found = named_control(&ran, mutation.control);
        let by = if mutation.entering { "the gate of exec" } else { "the gate" };
        println!("{:<26} {:<48} {}", mutation.control, mutation.skip, if found { by } else { "NOBODY" });
        if !found {
            missed.push(format!("{} ({}): {ran:?}", mutation.control, mutation.skip));
        }
    }
    for (control, reason) in UNREACHED {
        println!("{control:<26} {:<48} {reason}", "-");
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}

/// Whether the start was refused by the gate for this control.
fn named_control(ran: &Ran, control: &str) -> bool {
    let Some((_, found)) = ran.err.split_once("not confined as planned: ") else { return false };
    ran.code != 0 && found.split("; ").any(|one| one.split(' ').next() == Some(control))
}

#[test]
fn every_control_is_reached_or_says_why_not() {
    let reached: BTreeSet<&str> = MUTATIONS.iter().map(|mutation| mutation.control).collect();
    let excused: BTreeSet<&str> = UNREACHED.iter().map(|(control, _)| *control).collect();
    assert!(reached.is_disjoint(&excused), "{:?}", reached.intersection(&excused));
    let all: BTreeSet<&str> = CONTROLS.iter().map(|control| control.name).collect();
    assert_eq!(reached.union(&excused).copied().collect::<BTreeSet<_>>(), all);
}
