//! The main job: a program of the host, boxed in with one command.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::{Home, cgroups_named, eventually, is_root};

#[test]
fn a_program_of_the_host_runs_boxed_in() {
    if !is_root("a_program_of_the_host_runs_boxed_in") {
        return;
    }
    let home = Home::new();
    let ran = home.run(&[
        "run",
        "--rm",
        "host",
        "--",
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; ls /root /home | wc -l",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut lines = ran.out.lines();
    assert_eq!(lines.next(), Some("0"));
    let map: Vec<&str> = lines.next().unwrap().split_ascii_whitespace().collect();
    assert_ne!(map[1], "0", "container root is an unprivileged host id");
}

#[test]
fn nothing_of_a_removed_container_is_left() {
    if !is_root("nothing_of_a_removed_container_is_left") {
        return;
    }
    let home = Home::new();
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let id = home.ok(&["run", "-d", "host", "--", "sleep", "100"]);
    assert!(!cgroups_named(&id).is_empty());
    home.ok(&["rm", "-f", &id]);
    assert!(eventually(|| cgroups_named(&id).is_empty()), "{:?}", cgroups_named(&id));
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    assert_eq!(home.ok(&["ps", "-aq"]), "");
    assert_eq!(std::fs::read_dir(home.path().join("state/containers")).unwrap().count(), 0);
}

#[test]
fn exit_codes_are_dockers() {
    if !is_root("exit_codes_are_dockers") {
        return;
    }
    let home = Home::new();
    for (args, code) in [
        (&["run", "--rm", "host", "--", "sh", "-c", "exit 7"][..], 7),
        (&["run", "--rm", "host", "--", "sh", "-c", "sh -c 'kill -TERM $$'; exit $?"], 143),
        (&["run", "--rm", "host", "--", "no-such-program"], 127),
        (&["run", "--rm", "host", "--", "/etc/passwd"], 126),
        (&["run", "--rm", "no-such-image", "--", "true"], 125),
        (&["run", "--no-such-flag", "host"], 125),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    }
}

#[test]
fn the_zone_is_a_ceiling() {
    if !is_root("the_zone_is_a_ceiling") {
        return;
    }
    let home = Home::new();
    for flags in [
        &["--privileged"][..],
        &["--cap-add", "SYS_ADMIN"],
        &["--pid", "host"],
        &["--security-opt", "seccomp=unconfined"],
        &["--userns", "host"],
        &["--network", "host"],
    ] {
        let mut args = vec!["run", "--rm"];
        args.extend(flags);
        args.extend(["host", "--", "true"]);
        let ran = home.run(&args);
        assert_eq!(ran.code, 125, "{flags:?}: {ran:?}");
        assert!(ran.err.contains("zone"), "{flags:?} names no zone: {}", ran.err);
    }
}

#[test]
fn a_folder_is_brought_in_read_only_unless_asked() {
    if !is_root("a_folder_is_brought_in_read_only_unless_asked") {
        return;
    }
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "hello").unwrap();
    let volume = format!("{}:/data", folder.path().display());
    let script = "cat /data/in; touch /data/x 2>&1";
    let ran = home.run(&["run", "--rm", "-v", &volume, "host", "--", "sh", "-c", script]);
    assert!(ran.out.starts_with("hello"), "{ran:?}");
    assert!(ran.out.contains("Read-only file system"), "{ran:?}");
    let writable = format!("{volume}:rw");
    let ran = home.run(&[
        "run",
        "--rm",
        "-v",
        &writable,
        "host",
        "--",
        "sh",
        "-c",
        "touch /data/x; stat -c %u /data/in",
    ]);
    assert_eq!((ran.code, ran.out.trim()), (0, "0"), "{ran:?}");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        std::fs::metadata(folder.path().join("x")).unwrap().uid(),
        0,
        "id-mapped: the owner is the folder's"
    );
}

#[test]
fn a_detached_container_is_verified_executed_in_and_read() {
    if !is_root("a_detached_container_is_verified_executed_in_and_read") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "box", "host", "--", "sh", "-c", "echo to-the-log; exec sleep 100"]);
    assert!(eventually(|| home.run(&["logs", "box"]).out.contains("to-the-log")));
    let ran = home.run(&["exec", "box", "sh", "-c", "echo in; exit 3"]);
    assert_eq!((ran.code, ran.out.trim()), (3, "in"), "{ran:?}");
    let verified = home.run(&["verify", "box"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let receipt = home.path().join("receipt");
    std::fs::write(&receipt, home.ok(&["verify", "--signed", "box"])).unwrap();
    assert!(home.ok(&["receipt", "check", receipt.to_str().unwrap()]).contains("controls hold: holds"));
    home.ok(&["pause", "box"]);
    assert_eq!(home.ok(&["ps", "--format", "{{.State}}"]), "paused");
    home.ok(&["unpause", "box"]);
    home.ok(&["stop", "-t", "1", "box"]);
    assert_eq!(home.ok(&["inspect", "--format", "{{.State.Status}}", "box"]), "exited");
    home.ok(&["start", "box"]);
    assert_eq!(home.ok(&["ps", "--format", "{{.State}}"]), "running");
    home.ok(&["rm", "-f", "box"]);
}

/// A zone binds the containers that it has already, from their next start on.
#[test]
fn a_zone_that_has_become_tighter_refuses_the_next_start() {
    if !is_root("a_zone_that_has_become_tighter_refuses_the_next_start") {
        return;
    }
    let home = Home::new();
    let data = tempfile::tempdir().unwrap();
    let zone = home.path().join("zone.toml");
    let apply = |access: &str| {
        let text = format!(
            "zone = \"tight\"\nbase = \"host-tools\"\n[mounts.access]\n\"{}\" = \"{access}\"\n",
            data.path().display()
        );
        std::fs::write(&zone, text).unwrap();
        home.ok(&["zone", "apply", zone.to_str().unwrap()]);
    };
    apply("read");
    let volume = format!("{}:/data:ro", data.path().display());
    home.ok(&["create", "--name", "cc", "--zone", "tight", "-v", &volume, "host", "--", "ls", "/data"]);
    home.ok(&["start", "-a", "cc"]);
    apply("none");
    let refused = home.run(&["start", "cc"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.err.contains("tight.toml"), "{refused:?}");
    assert_eq!(home.ok(&["inspect", "--format", "{{.State.Running}}", "cc"]), "false");
    apply("read");
    home.ok(&["start", "-a", "cc"]);
}
