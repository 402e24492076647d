//! The proof through the program: what entered is listed, what was changed by hand is named, the OCI face keeps receipts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Bundle, Home, Ran, eventually, is_root};

#[test]
fn a_process_that_entered_is_verified_as_well() {
    if !is_root("a_process_that_entered_is_verified_as_well") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    home.ok(&["exec", "-d", "--user", "7:8", "box", "sleep", "99"]);
    let verified = home.run(&["verify", "box"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("that entered container"), "{}", verified.out);
    assert!(verified.out.contains("7 (host"), "its own user is compared: {}", verified.out);
    // Taken out of one of its groups by hand: the limits there do not hold for it any more.
    let pid = home.ok(&["exec", "box", "sh", "-c", "true"]);
    assert_eq!(pid, "");
    let sleeper = host_pid_of("sleep 99");
    let groups = std::fs::read_to_string(format!("/proc/{sleeper}/cgroup")).unwrap();
    let (controllers, own) = groups
        .lines()
        .find_map(|line| {
            let (names, path) = line.split_once(':').unwrap().1.split_once(':').unwrap();
            (names.is_empty() || names.contains("pids")).then_some((names, path))
        })
        .unwrap();
    let root = if controllers.is_empty() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    let outside = format!("{root}{}", own.split("/cofferdam/").next().unwrap());
    std::fs::write(format!("{outside}/cgroup.procs"), &sleeper).unwrap();
    let drifted = home.run(&["verify", "box"]);
    assert_eq!(drifted.code, 1, "{drifted:?}");
    let line = drifted.out.lines().find(|line| line.ends_with("differs")).unwrap();
    assert!(line.starts_with("cgroup member of"), "{line}");
}

/// The number of the process with this command line.
fn host_pid_of(command: &str) -> String {
    let wanted = command.replace(' ', "\0") + "\0";
    let mut found = None;
    assert!(eventually(|| {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        found = entries.map(|entry| entry.file_name().into_string().unwrap_or_default()).find(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes())
        });
        found.is_some()
    }));
    found.unwrap()
}

#[test]
fn a_process_that_came_in_by_another_way_is_named() {
    if !is_root("a_process_that_came_in_by_another_way_is_named") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "box"]);
    // Without a shell between: the process itself is in the container's pid namespace only after a fork.
    let mut stranger = Command::new("nsenter").args(["-t", &pid, "-p", "-m", "sleep", "98"]).spawn().unwrap();
    host_pid_of("sleep 98");
    let verified = home.run(&["verify", "box"]);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let _ = Command::new("kill").args(["-9", &host_pid_of("sleep 98")]).status();
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("entered-processes process"), "{}", verified.out);
}

/// What a process that came in by another way leaves behind has the container's first process as its parent.
#[test]
fn what_a_stranger_leaves_behind_is_named() {
    if !is_root("what_a_stranger_leaves_behind_is_named") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "box"]);
    let left = ["-t", &pid, "-a", "sh", "-c", "sleep 97 & exit 0"];
    assert!(Command::new("nsenter").args(left).status().unwrap().success());
    let sleeper = host_pid_of("sleep 97");
    let verified = home.run(&["verify", "box"]);
    let _ = Command::new("kill").args(["-9", &sleeper]).status();
    assert_eq!(verified.code, 1, "{verified:?}");
    let line = verified.out.lines().find(|line| line.starts_with("other-processes process")).unwrap();
    assert!(line.contains("no system call filter"), "{line}");
    assert!(eventually(|| home.run(&["verify", "box"]).code == 0));
}

/// The first process and those with a receipt are looked at one by one; their children count as well.
#[test]
fn a_child_that_was_taken_out_of_a_group_is_named() {
    if !is_root("a_child_that_was_taken_out_of_a_group_is_named") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", "sleep 96 & wait"]);
    let child = host_pid_of("sleep 96");
    assert_eq!(home.run(&["verify", "box"]).code, 0);
    let root =
        if Path::new("/sys/fs/cgroup/pids").exists() { "/sys/fs/cgroup/pids" } else { "/sys/fs/cgroup" };
    std::fs::write(format!("{root}/cgroup.procs"), &child).unwrap();
    let verified = home.run(&["verify", "box"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let line = verified
        .out
        .lines()
        .find(|line| line.starts_with(&format!("other-processes process {child}")))
        .unwrap();
    assert!(line.contains("it is no member of"), "{line}");
}

/// A debugger of the host's is nobody's gate.
#[test]
fn a_traced_stranger_is_named() {
    let test = "a_traced_stranger_is_named";
    if !is_root(test) {
        return;
    }
    if !Path::new("/usr/bin/strace").exists() {
        support::skip(test, "strace is not installed");
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "box"]);
    let mut traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "nsenter", "-t", &pid, "-p", "-m", "sleep", "95"])
        .spawn()
        .unwrap();
    let sleeper = host_pid_of("sleep 95");
    let verified = home.run(&["verify", "box"]);
    let _ = Command::new("kill").args(["-9", &sleeper]).status();
    traced.wait().unwrap();
    assert_eq!(verified.code, 1, "{verified:?}");
    // What put it there waits in the container's mounts, and is the one that came in.
    assert!(verified.out.contains("entered-processes process"), "{}", verified.out);
    assert!(verified.out.contains(&format!("other-processes process {sleeper}")), "{}", verified.out);
}

/// Its files and its network can be reached from there, though it is in another pid namespace.
#[test]
fn a_stranger_in_the_mounts_alone_is_named() {
    if !is_root("a_stranger_in_the_mounts_alone_is_named") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "box"]);
    let mut stranger = Command::new("nsenter").args(["-t", &pid, "-U", "-m", "sleep", "94"]).spawn().unwrap();
    host_pid_of("sleep 94");
    let verified = home.run(&["verify", "box"]);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("entered-processes process"), "{}", verified.out);
}

/// The zone says loopback and nothing else.
#[test]
fn a_link_that_was_put_into_the_network_is_named() {
    let test = "a_link_that_was_put_into_the_network_is_named";
    if !is_root(test) {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "box"]);
    // Both ends are in the container's own namespace: it leads nowhere.
    let link = ["-t", &pid, "-n", "ip", "link", "add", "extra0", "type", "veth", "peer", "name", "extra1"];
    if !Command::new("nsenter").args(link).status().is_ok_and(|status| status.success()) {
        support::skip(test, "this machine makes no veth, or has no ip");
        return;
    }
    let verified = home.run(&["verify", "box"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("extra-links extra0"), "{}", verified.out);
}

/// The one receipt of the bundle's container, checked with the key of its state folder.
fn check_receipt(bundle: &Bundle, id: &str) -> Ran {
    let state = bundle.path().join("state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(["receipt", "check", "--key"]).arg(state.join("@keys/host.ed25519.pub"));
    Ran::of(command.arg(state.join(id).join("receipt.json")))
}

#[test]
fn the_oci_face_reads_back_and_keeps_a_receipt() {
    let test = "the_oci_face_reads_back_and_keeps_a_receipt";
    if !is_root(test) {
        return;
    }
    let Some(bundle) = Bundle::busybox(test, &["sleep", "100"]) else { return };
    bundle.write();
    for (id, commands) in [
        ("proof-run", &[&["run", "-d", "proof-run"][..]][..]),
        ("proof-start", &[&["create", "proof-start"], &["start", "proof-start"]]),
    ] {
        for command in commands {
            let status = bundle.oci(command).stdout(std::process::Stdio::null()).status().unwrap();
            assert!(status.success(), "{command:?}");
        }
        let checked = check_receipt(&bundle, id);
        assert_eq!(checked.code, 0, "{checked:?}");
        assert!(checked.out.contains("seccomp"), "{}", checked.out);
        let executed = Ran::of(&mut bundle.oci(&["exec", id, "true"]));
        assert_eq!(executed.code, 0, "{executed:?}");
        let detached = bundle.oci(&["exec", "-d", id, "sleep", "90"]).status().unwrap();
        assert!(detached.success());
        let verified = Ran::of(&mut bundle.oci(&["verify", id]));
        assert_eq!(verified.code, 0, "{verified:?}");
        assert!(verified.out.contains("that entered container"), "{}", verified.out);
        let pid: serde_json::Value =
            serde_json::from_str(&Ran::of(&mut bundle.oci(&["state", id])).out).unwrap();
        let pid = pid["pid"].to_string();
        let changed = Command::new("nsenter")
            .args(["-t", &pid, "-m", "mount", "-t", "tmpfs", "drift", "/tmp"])
            .status()
            .unwrap();
        assert!(changed.success());
        let drifted = Ran::of(&mut bundle.oci(&["verify", id]));
        assert_eq!(drifted.code, 1, "{drifted:?}");
        assert!(drifted.out.contains("extra-mounts /tmp"), "{}", drifted.out);
        assert!(bundle.oci(&["delete", "-f", id]).status().unwrap().success());
    }
}
