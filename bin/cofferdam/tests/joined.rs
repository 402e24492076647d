//! Namespaces shared with another container: found anew at each start, and refused when that container does not run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said"
)]

mod support;

use support::{Home, eventually, is_root};

/// The flag, and the namespace that it shares.
const SHARED: [(&str, &str); 3] = [("--pid", "pid"), ("--network", "net"), ("--uts", "uts")];

/// The namespace of a container's first process, as the host names it.
fn namespace(home: &Home, container: &str, kind: &str) -> String {
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", container]);
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_container_shares_a_namespace_of_another_and_finds_it_again() {
    if !is_root("a_container_shares_a_namespace_of_another_and_finds_it_again") {
        return;
    }
    for (flag, kind) in SHARED {
        let home = Home::new();
        home.ok(&["run", "-d", "--name", "first", "host", "--", "sleep", "100"]);
        let shared = "container:first";
        home.ok(&["run", "-d", "--name", "second", flag, shared, "host", "--", "sleep", "100"]);
        assert_eq!(namespace(&home, "second", kind), namespace(&home, "first", kind), "{flag}");
        assert_eq!(namespace(&home, "second", "user"), namespace(&home, "first", "user"), "{flag}");
        let private = if kind == "net" { "uts" } else { "net" };
        assert_ne!(namespace(&home, "second", private), namespace(&home, "first", private), "{flag}");
        let verified = home.run(&["verify", "--all"]);
        assert_eq!(verified.code, 0, "{flag}: {verified:?}");
        home.ok(&["exec", "second", "true"]);

        // The other container has new namespaces after its restart, also under a new name.
        home.ok(&["rename", "first", "other"]);
        home.ok(&["stop", "-t", "0", "second"]);
        home.ok(&["restart", "-t", "0", "other"]);
        home.ok(&["start", "second"]);
        assert_eq!(namespace(&home, "second", kind), namespace(&home, "other", kind), "{flag}");
        assert_eq!(home.run(&["verify", "--all"]).code, 0, "{flag}");

        home.ok(&["stop", "-t", "0", "second"]);
        home.ok(&["stop", "-t", "0", "other"]);
        let refused = home.run(&["start", "second"]);
        assert_ne!(refused.code, 0, "{flag}");
        assert!(refused.err.contains("it does not run"), "{flag}: {}", refused.err);
        home.ok(&["rm", "other"]);
        let refused = home.run(&["start", "second"]);
        assert!(refused.err.contains("no such container"), "{flag}: {}", refused.err);
    }
}

/// The shim starts it again by itself: into the namespaces that the other container has then.
#[test]
fn a_restart_by_policy_joins_what_the_other_has_by_then() {
    if !is_root("a_restart_by_policy_joins_what_the_other_has_by_then") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "first", "host", "--", "sleep", "100"]);
    let policy = ["--restart", "always", "--network", "container:first"];
    let mut args = vec!["run", "-d", "--name", "second"];
    args.extend(policy);
    args.extend(["host", "--", "sleep", "100"]);
    home.ok(&args);
    home.ok(&["restart", "-t", "0", "first"]);
    assert_ne!(namespace(&home, "second", "net"), namespace(&home, "first", "net"));
    let before = home.ok(&["inspect", "--format", "{{.State.Pid}}", "second"]);
    std::process::Command::new("kill").args(["-9", &before]).status().unwrap();
    assert!(eventually(|| {
        let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "second"]);
        pid != before && pid != "0" && namespace(&home, "second", "net") == namespace(&home, "first", "net")
    }));
}

#[test]
fn what_cannot_be_shared_is_refused() {
    if !is_root("what_cannot_be_shared_is_refused") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "first", "host", "--", "sleep", "100"]);
    let refused = home.run(&["run", "--rm", "--ipc", "container:first", "host", "--", "true"]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("not started with --ipc shareable"), "{}", refused.err);
    home.ok(&["stop", "-t", "0", "first"]);
    for (flag, _) in SHARED {
        let refused = home.run(&["run", "--rm", flag, "container:first", "host", "--", "true"]);
        assert_ne!(refused.code, 0, "{flag}");
        assert!(refused.err.contains("no running container"), "{flag}: {}", refused.err);
    }
}

/// Both the namespace (System V, POSIX queues) and /dev/shm, which glibc's shm_open(3) uses.
fn ipc_is_shared(home: &Home) {
    home.ok(&["run", "-d", "--name", "first", "--ipc", "shareable", "host", "--", "sleep", "100"]);
    let join = ["--ipc", "container:first"];
    let mut args = vec!["run", "-d", "--name", "second"];
    args.extend(join);
    args.extend(["host", "--", "sh", "-c", "echo from-second >/dev/shm/x; exec sleep 100"]);
    home.ok(&args);
    assert_eq!(namespace(home, "second", "ipc"), namespace(home, "first", "ipc"));
    assert!(eventually(|| home.run(&["exec", "first", "cat", "/dev/shm/x"]).out == "from-second\n"));
    let ran = home.run(&[
        "exec",
        "second",
        "sh",
        "-c",
        "cp /bin/true /dev/shm/t && chmod +x /dev/shm/t && /dev/shm/t",
    ]);
    assert_eq!(ran.code, 126, "the mount has its flags: {ran:?}");
    let verified = home.run(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    home.ok(&["rm", "-f", "second"]);
    home.ok(&["exec", "first", "cat", "/dev/shm/x"]);
    home.ok(&["rm", "-f", "first"]);
}

#[test]
fn root_shares_ipc_and_shared_memory() {
    if is_root("root_shares_ipc_and_shared_memory") {
        ipc_is_shared(&Home::new());
    }
}

#[test]
fn user_shares_ipc_and_shared_memory() {
    if is_root("user_shares_ipc_and_shared_memory") {
        ipc_is_shared(&Home::of_user(std::path::Path::new(env!("CARGO_BIN_EXE_cofferdam"))));
    }
}

/// What stands over a masked file is the container's own node: a lock or a watch on it tells of nobody else.
#[test]
fn masked_files_are_not_the_hosts_null() {
    use std::os::unix::fs::MetadataExt;
    if !is_root("masked_files_are_not_the_hosts_null") {
        return;
    }
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "first", "host", "--", "sleep", "100"]);
    let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", "first"]);
    let of = |path: &str| {
        let stat = std::fs::metadata(path).unwrap();
        (stat.dev(), stat.ino())
    };
    assert_ne!(of(&format!("/proc/{pid}/root/proc/keys")), of("/dev/null"));
    assert_eq!(home.run(&["verify", "first"]).code, 0);
}
