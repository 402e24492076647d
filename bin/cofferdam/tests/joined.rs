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
    assert!(refused.err.contains("/dev/shm cannot be shared"), "{}", refused.err);
    home.ok(&["stop", "-t", "0", "first"]);
    for (flag, _) in SHARED {
        let refused = home.run(&["run", "--rm", flag, "container:first", "host", "--", "true"]);
        assert_ne!(refused.code, 0, "{flag}");
        assert!(refused.err.contains("no running container"), "{flag}: {}", refused.err);
    }
}
