//! What callers of OCI runtimes count on beside the specification, through the whole program.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Bundle, Ran, cgroups, is_root};

macro_rules! bundle_or_return {
    ($name:literal, $args:expr) => {{
        if !is_root($name) {
            return;
        }
        let Some(bundle) = Bundle::busybox($name, $args) else { return };
        bundle
    }};
}

fn id(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Starts a container that waits or runs on; nothing of it holds this test's pipes.
fn start(bundle: &Bundle, args: &[&str]) {
    bundle.write();
    let status = bundle.oci(args).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{args:?}: {status}");
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

#[test]
fn a_waiting_init_holds_nothing_of_the_host_open() {
    let bundle = bundle_or_return!("a_waiting_init_holds_nothing_of_the_host_open", &["true"]);
    let id = id("waits");
    start(&bundle, &["create", &id]);
    let state = Ran::of(&mut bundle.oci(&["state", &id]));
    let pid = serde_json::from_str::<Value>(&state.out).unwrap()["pid"].as_u64().unwrap();
    let open: Vec<PathBuf> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    let known = |target: &&PathBuf| {
        let text = target.to_string_lossy();
        text == "/dev/null" || text.starts_with("socket:[") || text == "anon_inode:[signalfd]"
    };
    let others: Vec<_> = open.iter().filter(|target| !known(target)).collect();
    assert_eq!(Ran::of(&mut bundle.oci(&["delete", "-f", &id])).code, 0);
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_working_directory_that_only_root_may_enter_is_entered() {
    let mut bundle =
        bundle_or_return!("a_working_directory_that_only_root_may_enter_is_entered", &["ls", "/"]);
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(bundle.rootfs().join("root"), private).unwrap();
    bundle.config["process"]["cwd"] = json!("/root");
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let ran = bundle.run(&id("cwd"));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn start_container_hooks_are_confined_as_the_program_is() {
    let mut bundle =
        bundle_or_return!("start_container_hooks_are_confined_as_the_program_is", &["cat", "/tmp/said"]);
    let tmp = bundle.rootfs().join("tmp");
    std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o777)).unwrap();
    let script =
        "{ id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; echo $HOME $MINE; } >/tmp/said";
    bundle.config["root"]["readonly"] = json!(false);
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    push(&mut bundle.config["process"]["env"], json!("MINE=mine"));
    bundle.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW"});
    bundle.config["hooks"] = json!({"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
    let ran = bundle.run(&id("hooks"));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.first(), Some(&"1000"), "{ran:?}");
    for wanted in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "/ mine"] {
        assert!(lines.contains(&wanted), "{wanted:?} in {ran:?}");
    }
}

#[test]
fn hooks_find_the_root_in_its_folder() {
    let mut bundle = bundle_or_return!("hooks_find_the_root_in_its_folder", &["cat", "/made-by-hook"]);
    let mounted = bundle.path().join("mounted");
    let look = format!(
        "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cp /proc/$pid/mountinfo {}",
        mounted.display()
    );
    bundle.config["root"]["readonly"] = json!(false);
    bundle.config["hooks"] = json!({
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", look], "env": ["PATH=/bin:/usr/bin"]}],
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo here >./made-by-hook"]}],
    });
    let ran = bundle.run(&id("places"));
    assert_eq!((ran.code, ran.out.as_str()), (0, "here\n"), "{ran:?}");
    let mounts = std::fs::read_to_string(mounted).unwrap();
    let root = bundle.rootfs().canonicalize().unwrap();
    let at_root = |line: &str| line.split(' ').nth(4) == root.to_str();
    assert!(mounts.lines().any(at_root), "{mounts}");
}

#[test]
fn exec_joins_a_group_below_the_containers_own() {
    let bundle = bundle_or_return!("exec_joins_a_group_below_the_containers_own", &["sleep", "1000"]);
    let id = id("subgroup");
    start(&bundle, &["run", "-d", &id]);
    let groups = cgroups(|name| name == id);
    for group in &groups {
        std::fs::create_dir(group.join("below")).unwrap();
    }
    let exec =
        |group: &str| Ran::of(&mut bundle.oci(&["exec", "--cgroup", group, &id, "cat", "/proc/self/cgroup"]));
    let (below, outside, missing) = (exec("below"), exec(".."), exec("nowhere"));
    assert_eq!(Ran::of(&mut bundle.oci(&["delete", "-f", &id])).code, 0);
    assert_eq!(below.code, 0, "{below:?}");
    let inside = below.out.lines().filter(|line| line.ends_with("/below")).count();
    assert_eq!(inside, groups.len(), "{below:?} {groups:?}");
    assert!(outside.code == 255 && outside.err.contains(".. is not a sub cgroup path"), "{outside:?}");
    assert!(missing.code == 255 && missing.err.contains("nowhere/cgroup.procs"), "{missing:?}");
    assert_eq!(cgroups(|name| name == id), Vec::<PathBuf>::new());
}

#[test]
fn without_pivot_root_the_hosts_procfs_is_out_of_reach() {
    let script = "busybox unshare -mrpf sh -c 'mount -t proc none /proc' 2>&1 && echo mounted";
    let mut bundle =
        bundle_or_return!("without_pivot_root_the_hosts_procfs_is_out_of_reach", &["sh", "-c", script]);
    for set in ["bounding", "effective", "permitted"] {
        push(&mut bundle.config["process"]["capabilities"][set], json!("CAP_SETFCAP"));
    }
    bundle.write();
    let ran = Ran::of(&mut bundle.oci(&["run", "--no-pivot", &id("no-pivot")]));
    assert!(ran.code != 0 && ran.out.contains("permission denied"), "{ran:?}");
}

#[test]
fn mounts_are_made_as_bundles_expect_them() {
    let script = "stat -c %a /private && cat /seen/x/name /again/x/name && grep ' /dev ' /proc/mounts";
    let mut bundle = bundle_or_return!("mounts_are_made_as_bundles_expect_them", &["sh", "-c", script]);
    let root = bundle.rootfs();
    for name in ["private", "seen/x", "again"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::set_permissions(root.join("private"), std::fs::Permissions::from_mode(0o710)).unwrap();
    let outside = bundle.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("name"), "from outside\n").unwrap();
    let root = root.canonicalize().unwrap();
    for mount in bundle.config["mounts"].as_array_mut().unwrap() {
        if mount["destination"] == "/dev" {
            push(&mut mount["options"], json!("ro"));
        }
    }
    let mounts = &mut bundle.config["mounts"];
    push(mounts, json!({"destination": "/private", "type": "tmpfs", "source": "tmpfs"}));
    push(mounts, json!({"destination": "/seen/x", "source": outside, "options": ["bind"]}));
    // What was mounted in the root before comes with it; the target is named as the host sees it.
    push(
        mounts,
        json!({"destination": root.join("again"), "source": root.join("seen"), "options": ["rbind"]}),
    );
    let ran = bundle.run(&id("mounts"));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.get(..3), Some(&["710", "from outside", "from outside"][..]), "{ran:?}");
    assert!(lines.get(3).is_some_and(|line| line.contains(" ro,")), "{ran:?}");
}

#[test]
fn a_user_namespace_does_not_lift_what_the_hosts_mount_forbids() {
    let mut bundle = bundle_or_return!(
        "a_user_namespace_does_not_lift_what_the_hosts_mount_forbids",
        &["touch", "/seen/file"]
    );
    let source = bundle.path().join("read-only");
    std::fs::create_dir(&source).unwrap();
    // In a mount namespace of its own, so that nothing is left on the host.
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    let mut run = |options: Value, mapped: bool| {
        let mut config = bundle.config.clone();
        push(&mut config["mounts"], json!({"destination": "/seen", "source": source, "options": options}));
        if mapped {
            push(&mut config["linux"]["namespaces"], json!({"type": "user"}));
            for maps in ["uidMappings", "gidMappings"] {
                config["linux"][maps] = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
            }
        }
        std::mem::swap(&mut bundle.config, &mut config);
        bundle.write();
        std::mem::swap(&mut bundle.config, &mut config);
        let oci = bundle.oci(&["run", &id("locked")]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&source);
        command.arg(oci.get_program()).args(oci.get_args()).current_dir(bundle.path());
        Ran::of(&mut command)
    };
    std::fs::create_dir(run_root(&source)).unwrap();
    let (kept, refused, lifted) = (
        run(json!(["bind", "nodev"]), true),
        run(json!(["bind", "rw"]), true),
        run(json!(["bind", "rw"]), false),
    );
    assert!(kept.code != 0 && kept.err.contains("Read-only file system"), "{kept:?}");
    assert!(refused.code == 1 && refused.err.contains("operation not permitted"), "{refused:?}");
    assert_eq!(lifted.code, 0, "{lifted:?}");
}

/// The mount point of the test above, in the root.
fn run_root(source: &Path) -> PathBuf {
    source.with_file_name("rootfs").join("seen")
}

/// Runs a container in a network namespace that the test made, with two ends of a cable in it.
fn with_cable(bundle: &Bundle, id: &str) -> Ran {
    bundle.write();
    let oci = bundle.oci(&["run", id]);
    let script = "ip link set lo up && ip link add cable0 mtu 1400 type veth peer name cable1 && \
        ip addr add 192.0.2.7/24 dev cable0 && ip addr add 2001:db8::7/64 dev cable0 nodad && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", script, "sh"]).arg(oci.get_program()).args(oci.get_args());
    Ran::of(command.current_dir(bundle.path()))
}

#[test]
fn network_devices_move_in_with_their_addresses() {
    let script = "busybox ip -o link show; busybox ip -o addr show";
    let mut bundle = bundle_or_return!("network_devices_move_in_with_their_addresses", &["sh", "-c", script]);
    bundle.config["linux"]["netDevices"] = json!({"cable0": {"name": "eth0"}, "cable1": {"name": "eth%d"}});
    let ran = with_cable(&bundle, &id("netdev"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let has = |parts: &[&str]| ran.out.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&[" eth0", "mtu 1400", "UP"]), "{}", ran.out);
    assert!(has(&[" eth1", "UP"]), "{}", ran.out);
    assert!(has(&["eth0", "inet 192.0.2.7/24"]) && has(&["eth0", "inet6 2001:db8::7/64"]), "{}", ran.out);
    assert!(!ran.out.contains("cable"), "{}", ran.out);
}

#[test]
fn a_network_device_that_cannot_move_stops_the_start() {
    let mut bundle = bundle_or_return!("a_network_device_that_cannot_move_stops_the_start", &["true"]);
    for (devices, message) in [
        (json!({"cable9": {}}), "no such network device"),
        (json!({"cable0": {"name": "lo"}}), "has a network device \"lo\" already"),
    ] {
        bundle.config["linux"]["netDevices"] = devices;
        let ran = with_cable(&bundle, &id("netdev-bad"));
        assert!(ran.code == 1 && ran.err.contains(message), "{ran:?}");
    }
}
