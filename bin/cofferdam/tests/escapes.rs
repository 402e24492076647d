//! Escapes that happened to others (shared/ESCAPES.md), tried against this runtime: one test for each.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Bundle, Ran, eventually, is_root};

macro_rules! bundle_or_return {
    ($name:literal, $args:expr) => {{
        if !is_root($name) {
            return;
        }
        let Some(bundle) = Bundle::busybox($name, $args) else { return };
        bundle
    }};
}

/// A copy of the program under test, so that an attack that works harms nothing.
fn own_copy(folder: &Path) -> PathBuf {
    let copy = folder.join("cofferdam");
    std::fs::copy(env!("CARGO_BIN_EXE_cofferdam"), &copy).unwrap();
    copy
}

/// The container shares the host's ids (no user namespace), runs the runtime's own program through /proc/self/exe, and
/// tries to write to it afterwards.
#[test]
fn cve_2019_5736_runtime_overwritten_through_proc_self_exe() {
    let bundle =
        bundle_or_return!("cve_2019_5736_runtime_overwritten_through_proc_self_exe", &["sh", "-c", ""]);
    let program = own_copy(bundle.path());
    let before = std::fs::read(&program).unwrap();
    // The first process holds whatever /proc/PID/exe of a new process leads to, and writes there when that has ended.
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); for p in /proc/[0-9]*; do \
        case $p in /proc/1|/proc/$$) continue;; esac; \
        { exec 9<$p/exe; } 2>/dev/null || continue; \
        n=0; while [ $n -lt 50 ]; do n=$((n+1)); echo overwritten >/proc/self/fd/9; done 2>/dev/null; \
        cat <&9 | grep -q cofferdam && echo held-the-runtime; exec 9<&-; done; done";
    let mut bundle = bundle;
    bundle.config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    bundle.config["process"]["capabilities"]["bounding"] =
        serde_json::json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    bundle.config["process"]["capabilities"]["effective"] =
        serde_json::json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    bundle.config["process"]["capabilities"]["permitted"] =
        serde_json::json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    bundle.config["root"]["readonly"] = serde_json::json!(false);
    bundle.write();
    let oci = |args: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(["oci", "--root"])
            .arg(bundle.path().join("state"))
            .args(args)
            .current_dir(bundle.path());
        command.stdin(std::process::Stdio::null());
        command
    };
    let id = "cve-2019-5736";
    assert!(oci(&["run", "-d", id]).status().unwrap().success());
    for _ in 0..10 {
        let _ = oci(&["exec", id, "/bin/true"]).output();
        let _ = oci(&["exec", id, "/proc/self/exe", "--version"]).output();
    }
    let _ = oci(&["delete", "-f", id]).output();
    assert!(std::fs::read(&program).unwrap() == before, "the runtime's program was changed");
}

/// A folder of the host that the runtime holds open must not become the working directory.
#[test]
fn cve_2024_21626_leaked_cwd_fd() {
    let mut bundle = bundle_or_return!("cve_2024_21626_leaked_cwd_fd", &["ls", "-la", "."]);
    for fd in 3..20 {
        bundle.config["process"]["cwd"] = serde_json::json!(format!("/proc/self/fd/{fd}"));
        let ran = bundle.run("cve-2024-21626");
        assert_ne!(ran.code, 0, "descriptor {fd}: {ran:?}");
    }
    // Through a link of the image as well.
    std::os::unix::fs::symlink("/proc/self/fd/7", bundle.rootfs().join("foo")).unwrap();
    bundle.config["process"]["cwd"] = serde_json::json!("/foo");
    assert_ne!(bundle.run("cve-2024-21626").code, 0);
}

/// No descriptor of the runtime's reaches the program.
#[test]
fn cve_2024_21626_no_descriptor_is_leaked() {
    let mut bundle = bundle_or_return!("cve_2024_21626_no_descriptor_is_leaked", &["/bin/true"]);
    bundle.config["process"]["args"] = serde_json::json!([
        "sh",
        "-c",
        "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && printf \"$i \"; i=$((i+1)); done"
    ]);
    let ran = bundle.run("leaks");
    assert_eq!((ran.code, ran.out.trim()), (0, "0 1 2"), "{ran:?}");
}

/// `/proc` in the image is a link: the procfs must not land elsewhere, nor labels and sysctls be written elsewhere.
#[test]
fn cve_2023_27561_proc_is_a_symlink_in_the_image() {
    symlinked_in_image("cve_2023_27561_proc_is_a_symlink_in_the_image", "proc");
}

/// The same mechanism with `/sys`.
#[test]
fn cve_2023_28642_sys_is_a_symlink_in_the_image() {
    symlinked_in_image("cve_2023_28642_sys_is_a_symlink_in_the_image", "sys");
}

/// The same mechanism with `/dev` (CVE-2026-41579, CVE-2026-47766).
#[test]
fn cve_2026_41579_cve_2026_47766_dev_is_a_symlink_in_the_image() {
    symlinked_in_image("cve_2026_41579_cve_2026_47766_dev_is_a_symlink_in_the_image", "dev");
}

fn symlinked_in_image(test: &'static str, name: &str) {
    if !is_root(test) {
        return;
    }
    let Some(bundle) = Bundle::busybox(test, &["/bin/sh", "-c", "echo ran"]) else { return };
    let outside = tempfile::tempdir().unwrap();
    std::fs::remove_dir(bundle.rootfs().join(name)).unwrap();
    std::os::unix::fs::symlink(outside.path(), bundle.rootfs().join(name)).unwrap();
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    bundle.run(test);
    // Whether it runs with the link resolved inside its root or is refused: nothing may have happened outside.
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "something was made on the host");
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

/// A mount target is a link out of the root; nothing may be made or mounted there (CVE-2021-30465 swaps it while the
/// mounts are made: the target is resolved once, by descriptor).
#[test]
fn cve_2021_30465_mount_target_is_swapped_for_a_link() {
    let mut bundle = bundle_or_return!(
        "cve_2021_30465_mount_target_is_swapped_for_a_link",
        &["/bin/sh", "-c", "ls /mnt/target"]
    );
    let outside = tempfile::tempdir().unwrap();
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("marker"), "").unwrap();
    std::fs::create_dir(bundle.rootfs().join("mnt")).unwrap();
    let target = bundle.rootfs().join("mnt/target");
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.push(serde_json::json!({"destination": "/mnt/target", "type": "bind", "source": source.path(), "options": ["bind", "ro"]}));
    bundle.write();
    // Another process swaps the target all the time.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapper = {
        let (stop, target, outside) = (stop.clone(), target.clone(), outside.path().to_owned());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::remove_dir(&target);
                let _ = std::os::unix::fs::symlink(&outside, &target);
                let _ = std::fs::remove_file(&target);
                let _ = std::fs::create_dir(&target);
            }
        })
    };
    for round in 0..40 {
        let id = format!("swap-{round}");
        let _ = bundle.oci(&["run", &id]).output();
        let _ = bundle.oci(&["delete", "-f", &id]).output();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "round {round}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
}

/// Racing mounts must not make empty files and folders on the host.
#[test]
fn cve_2024_45310_empty_host_files_made_through_racing_mounts() {
    let mut bundle =
        bundle_or_return!("cve_2024_45310_empty_host_files_made_through_racing_mounts", &["/bin/true"]);
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), bundle.rootfs().join("link")).unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.push(serde_json::json!({"destination": "/link/made/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}));
    mounts.push(serde_json::json!({"destination": "/link/folder", "type": "tmpfs", "source": "tmpfs"}));
    bundle.run("cve-2024-45310");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// Inheritable capabilities stay empty unless the configuration names them.
#[test]
fn cve_2022_29162_inheritable_capabilities_are_empty() {
    let mut bundle = bundle_or_return!(
        "cve_2022_29162_inheritable_capabilities_are_empty",
        &["grep", "CapInh", "/proc/self/status"]
    );
    bundle.config["process"]["capabilities"]["inheritable"] = serde_json::json!([]);
    let ran = bundle.run("cve-2022-29162");
    assert_eq!(ran.out.split_ascii_whitespace().last(), Some("0000000000000000"), "{ran:?}");
}

/// A v1 hierarchy's release_agent runs as the host's root: the container must not be able to write it.
#[test]
fn cve_2022_0492_release_agent_is_out_of_reach() {
    let mut bundle = bundle_or_return!("cve_2022_0492_release_agent_is_out_of_reach", &["/bin/true"]);
    let script = "mkdir -p /tmp/c; for o in rdma memory cpu pids none,name=x; do mount -t cgroup -o $o cgroup /tmp/c && echo mounted; \
        done 2>/dev/null; for f in /sys/fs/cgroup/*/release_agent /tmp/c/release_agent; do \
        [ -e $f ] && { echo /bin/sh >$f; } 2>/dev/null && echo wrote $f; done; echo done";
    bundle.config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    bundle.config["root"]["readonly"] = serde_json::json!(false);
    let ran = bundle.run("cve-2022-0492");
    assert_eq!(ran.out.trim(), "done", "{ran:?}");
}

/// Without a cgroup namespace the container sees its own groups and nothing of the host's, read-only.
#[test]
fn cve_2023_25809_hosts_cgroups_are_not_writable() {
    let mut bundle = bundle_or_return!("cve_2023_25809_hosts_cgroups_are_not_writable", &["/bin/true"]);
    let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    let script = "for d in /sys/fs/cgroup/*/; do mkdir $d/x 2>/dev/null && echo made $d; done; cat /sys/fs/cgroup/pids/cgroup.procs | wc -l";
    bundle.config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    let ran = bundle.run("cve-2023-25809");
    assert!(!ran.out.contains("made"), "{ran:?}");
}

/// `/dev/null` in the image is another file: what is masked must be covered by the real null device.
#[test]
fn cve_2025_31133_masked_path_bound_from_a_swapped_dev_null() {
    let mut bundle =
        bundle_or_return!("cve_2025_31133_masked_path_bound_from_a_swapped_dev_null", &["/bin/true"]);
    std::fs::write(bundle.rootfs().join("etc/secret"), "secret").unwrap();
    std::fs::write(bundle.rootfs().join("decoy"), "decoy").unwrap();
    std::os::unix::fs::symlink("/decoy", bundle.rootfs().join("dev/null")).unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    bundle.config["linux"]["maskedPaths"] = serde_json::json!(["/etc/secret"]);
    bundle.config["process"]["args"] = serde_json::json!(["cat", "/etc/secret"]);
    let ran = bundle.run("cve-2025-31133");
    assert_eq!(ran.out, "", "{ran:?}");
}

/// `/dev/console` is made and bound by descriptor; a link in its place leads nowhere outside.
#[test]
fn cve_2025_52565_dev_console_is_a_link() {
    let mut bundle = bundle_or_return!("cve_2025_52565_dev_console_is_a_link", &["/bin/true"]);
    let outside = tempfile::tempdir().unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/dev");
    std::os::unix::fs::symlink(outside.path().join("console"), bundle.rootfs().join("dev/console")).unwrap();
    bundle.config["process"]["terminal"] = serde_json::json!(true);
    bundle.run("cve-2025-52565");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// A volume over `/proc` must not catch what the runtime writes to procfs.
#[test]
fn cve_2019_19921_cve_2025_52881_writes_to_a_fake_proc() {
    let mut bundle = bundle_or_return!("cve_2019_19921_cve_2025_52881_writes_to_a_fake_proc", &["/bin/true"]);
    let fake = tempfile::tempdir().unwrap();
    for name in ["sys/kernel", "sys/net/ipv4", "self/attr", "thread-self/attr"] {
        std::fs::create_dir_all(fake.path().join(name)).unwrap();
    }
    std::fs::write(fake.path().join("sys/kernel/shmmax"), "untouched").unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/proc");
    mounts.insert(0, serde_json::json!({"destination": "/proc", "type": "bind", "source": fake.path(), "options": ["bind"]}));
    bundle.config["linux"]["sysctl"] = serde_json::json!({"kernel.shmmax": "1048576"});
    bundle.config["linux"]["maskedPaths"] = serde_json::json!([]);
    bundle.config["linux"]["readonlyPaths"] = serde_json::json!([]);
    bundle.run("cve-2025-52881");
    assert_eq!(std::fs::read_to_string(fake.path().join("sys/kernel/shmmax")).unwrap(), "untouched");
}

/// exec with another user: what the first process's user had is dropped.
#[test]
fn cve_2026_30892_exec_with_another_user_drops_capabilities() {
    let bundle =
        bundle_or_return!("cve_2026_30892_exec_with_another_user_drops_capabilities", &["sleep", "100"]);
    bundle.write();
    let id = "cve-2026-30892";
    assert!(bundle.oci(&["run", "-d", id]).status().unwrap().success());
    let ran =
        Ran::of(&mut bundle.oci(&["exec", "--user", "1000:1000", id, "grep", "Cap", "/proc/self/status"]));
    let _ = bundle.oci(&["delete", "-f", id]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in ran.out.lines().filter(|line| !line.starts_with("CapBnd")) {
        assert_eq!(line.split_ascii_whitespace().last(), Some("0000000000000000"), "{ran:?}");
    }
}

/// There is no checkpoint and no restore here, so no checkpoint's mounts are trusted.
#[test]
fn cve_2026_119101_cve_2026_115520_restore_is_refused() {
    let bundle = bundle_or_return!("cve_2026_119101_cve_2026_115520_restore_is_refused", &["/bin/true"]);
    bundle.write();
    for command in ["checkpoint", "restore"] {
        let ran = Ran::of(&mut bundle.oci(&[command, "x"]));
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains(command), "{ran:?}");
    }
}

/// A value of a kernel parameter is one text for one file, and a parameter of the whole host is refused.
#[test]
fn cve_2022_0811_sysctl_values_inject_nothing() {
    let mut bundle = bundle_or_return!("cve_2022_0811_sysctl_values_inject_nothing", &["/bin/true"]);
    for (name, value) in [
        ("kernel.core_pattern", "|/bin/sh"),
        ("kernel.shmmax", "1+kernel.core_pattern=x"),
        ("kernel/../vm/panic_on_oom", "1"),
    ] {
        bundle.config["linux"]["sysctl"] = serde_json::json!({name: value});
        let ran = bundle.run("cve-2022-0811");
        assert_ne!(ran.code, 0, "{name}={value}: {ran:?}");
    }
}

/// Nothing is left of all these containers.
#[test]
fn a_failed_start_leaves_no_cgroup() {
    let mut bundle = bundle_or_return!("a_failed_start_leaves_no_cgroup", &["/no/such/program"]);
    bundle.config["linux"]["cgroupsPath"] = serde_json::json!("/cofferdam-test-failed-start/x");
    let ran = bundle.run("failed-start");
    assert_ne!(ran.code, 0);
    assert!(eventually(|| support::cgroups_named("failed-start")
        .iter()
        .all(|path| !path.join("x").exists())));
    for folder in support::cgroups_named("cofferdam-test-failed-start") {
        let _ = std::fs::remove_dir(folder);
    }
}
