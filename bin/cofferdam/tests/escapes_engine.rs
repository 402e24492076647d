//! Escapes from other engines (docs/escapes.md), tried against this one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use serde_json::json;
use support::{Bundle, Home, busybox_home, is_root};

/// A container in the host's network namespace would reach a socket in the abstract namespace. The shim's is a file that only its
/// owner comes to.
#[test]
fn cve_2020_15257_no_shim_listens_in_the_abstract_namespace() {
    use std::os::unix::fs::PermissionsExt;
    if !is_root("cve_2020_15257_no_shim_listens_in_the_abstract_namespace") {
        return;
    }
    let home = Home::new();
    let id = home.ok(&["run", "-d", "host", "--", "sleep", "100"]);
    let run = home.path().join("run").join(&id);
    assert!(run.join("shim.sock").exists());
    for folder in [run.as_path(), run.parent().unwrap()] {
        assert_eq!(
            std::fs::metadata(folder).unwrap().permissions().mode() & 0o077,
            0,
            "{}",
            folder.display()
        );
    }
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let abstract_ones = sockets.lines().filter(|line| line.contains(" @"));
    assert_eq!(abstract_ones.filter(|line| line.contains(&id) || line.contains("cofferdam")).count(), 0);
    home.ok(&["rm", "-f", &id]);
}

/// A hook is the host's program: what the container's configuration sets in its own environment is not the hook's.
#[test]
fn cve_2025_23266_hooks_do_not_get_the_containers_environment() {
    let test = "cve_2025_23266_hooks_do_not_get_the_containers_environment";
    if !is_root(test) {
        return;
    }
    let Some(mut bundle) = Bundle::busybox(test, &["true"]) else { return };
    let told = bundle.path().join("told");
    let script = format!("env >>{}", told.display());
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["OWN=1"]}]);
    bundle.config["hooks"] =
        json!({"prestart": hook, "createRuntime": hook, "poststart": hook, "poststop": hook});
    bundle.config["process"]["env"] = json!(["PATH=/bin", "LD_PRELOAD=/evil.so", "EVIL=1"]);
    let ran = bundle.run("cve-2025-23266");
    assert_eq!(ran.code, 0, "{ran:?}");
    let env = std::fs::read_to_string(told).unwrap();
    assert_eq!(env.matches("OWN=1").count(), 4, "{env}");
    assert!(!env.contains("EVIL") && !env.contains("LD_PRELOAD"), "{env}");
}

/// What annotations ask for is data: only the configuration's own fields bring devices.
#[test]
fn cve_2026_53492_annotations_bring_no_device() {
    let test = "cve_2026_53492_annotations_bring_no_device";
    if !is_root(test) {
        return;
    }
    let Some(mut bundle) = Bundle::busybox(test, &["ls", "/dev"]) else { return };
    let plain = bundle.run("cve-2026-53492-plain");
    bundle.config["annotations"] = json!({
        "cdi.k8s.io/x": "vendor.example/device=all",
        "io.kubernetes.cri.devices": "/dev/kvm",
        "run.oci.keep_original_groups": "1",
        "org.opencontainers.image.devices": "/dev/kvm",
    });
    let ran = bundle.run("cve-2026-53492");
    assert_eq!((ran.code, ran.out), (0, plain.out), "{}", ran.err);
}

/// The engine reads a container's account files as root: a link to a file of /proc that only the host's root may read, and
/// that is emptied by reading (/proc/kmsg), must not make it the container's deputy.
#[test]
fn account_files_are_the_containers_own_files() {
    let Some(home) = busybox_home("account_files_are_the_containers_own_files") else { return };
    for (link, why) in
        [("/proc/kmsg", "kernel's own"), ("/sys/kernel/notes", "kernel's own"), ("/dev/null", "is no file")]
    {
        home.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
        home.ok(&["exec", "box", "ln", "-sf", link, "/etc/passwd"]);
        let ran = home.run(&["exec", "-u", "joe", "box", "true"]);
        assert!(ran.code != 0 && ran.err.contains(why), "{link}: {ran:?}");
        home.ok(&["rm", "-f", "box"]);
    }
}
