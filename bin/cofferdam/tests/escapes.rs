//! Escapes that happened to others (docs/escapes.md), tried against this runtime: each with a container of root's and with one
//! of an ordinary user's.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::user::User;
use support::{Bundle, Ran, eventually, is_root};

/// Whose container attacks.
struct Attacker {
    test: &'static str,
    user: Option<User>,
}

impl Attacker {
    /// A bundle of busybox; none where this machine cannot try the attack, which is said.
    fn bundle(&self, args: &[&str]) -> Option<Bundle> {
        if is_root(self.test) { Bundle::busybox_of(self.test, args, self.user) } else { None }
    }

    /// A folder outside of the container's root that whoever starts the container may write to: an escape would be seen.
    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some(user) = self.user {
            user.owns(folder.path());
        }
        folder
    }
}

/// Makes two tests of each attack: `root::NAME` and `user::NAME`.
macro_rules! as_root_and_user {
    ($($attack:ident,)+) => {
        mod root {
            $(#[test]
            fn $attack() {
                super::$attack(&super::Attacker { test: stringify!(root::$attack), user: None });
            })+
        }
        mod user {
            $(#[test]
            fn $attack() {
                let user = Some(super::User::new());
                super::$attack(&super::Attacker { test: stringify!(user::$attack), user });
            })+
        }
    };
}

as_root_and_user! {
    cve_2019_5736_runtime_overwritten_through_proc_self_exe,
    cve_2024_21626_leaked_cwd_fd,
    cve_2024_21626_no_descriptor_is_leaked,
    cve_2023_27561_proc_is_a_symlink_in_the_image,
    cve_2023_28642_sys_is_a_symlink_in_the_image,
    cve_2026_41579_cve_2026_47766_dev_is_a_symlink_in_the_image,
    cve_2021_30465_mount_target_is_swapped_for_a_link,
    cve_2024_45310_empty_host_files_made_through_racing_mounts,
    cve_2022_29162_inheritable_capabilities_are_empty,
    cve_2022_0492_release_agent_is_out_of_reach,
    cve_2023_25809_hosts_cgroups_are_not_writable,
    cve_2025_31133_masked_path_bound_from_a_swapped_dev_null,
    cve_2025_52565_dev_console_is_a_link,
    cve_2019_19921_cve_2025_52881_writes_to_a_fake_proc,
    cve_2026_30892_exec_with_another_user_drops_capabilities,
    cve_2026_119101_cve_2026_115520_restore_is_refused,
    cve_2022_0811_sysctl_values_inject_nothing,
    a_failed_start_leaves_no_cgroup,
}

/// A copy of the program under test, so that an attack that works harms nothing.
fn own_copy(folder: &Path) -> PathBuf {
    let copy = folder.join("own-copy");
    std::fs::copy(env!("CARGO_BIN_EXE_cofferdam"), &copy).unwrap();
    copy
}

/// The container shares the host's ids (no user namespace), runs the runtime's own program through /proc/self/exe, and
/// tries to write to it afterwards.
fn cve_2019_5736_runtime_overwritten_through_proc_self_exe(attacker: &Attacker) {
    let Some(bundle) = attacker.bundle(&["sh", "-c", ""]) else { return };
    let program = own_copy(bundle.path());
    if let Some(user) = attacker.user {
        user.owns(&program);
    }
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
        if let Some(user) = attacker.user {
            user.runs(&mut command);
        }
        command
    };
    let id = &bundle.id("cve-2019-5736");
    assert!(oci(&["run", "-d", id]).status().unwrap().success());
    for _ in 0..10 {
        let _ = oci(&["exec", id, "/bin/true"]).output();
        let _ = oci(&["exec", id, "/proc/self/exe", "--version"]).output();
    }
    let _ = oci(&["delete", "-f", id]).output();
    assert!(std::fs::read(&program).unwrap() == before, "the runtime's program was changed");
}

/// A folder of the host that the runtime holds open must not become the working directory.
fn cve_2024_21626_leaked_cwd_fd(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["ls", "-la", "."]) else { return };
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
fn cve_2024_21626_no_descriptor_is_leaked(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    bundle.config["process"]["args"] = serde_json::json!([
        "sh",
        "-c",
        "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && printf \"$i \"; i=$((i+1)); done"
    ]);
    let ran = bundle.run("leaks");
    assert_eq!((ran.code, ran.out.trim()), (0, "0 1 2"), "{ran:?}");
}

/// `/proc` in the image is a link: the procfs must not land elsewhere, nor labels and sysctls be written elsewhere.
fn cve_2023_27561_proc_is_a_symlink_in_the_image(attacker: &Attacker) {
    symlinked_in_image(attacker, "proc");
}

/// The same mechanism with `/sys`.
fn cve_2023_28642_sys_is_a_symlink_in_the_image(attacker: &Attacker) {
    symlinked_in_image(attacker, "sys");
}

/// The same mechanism with `/dev` (CVE-2026-41579, CVE-2026-47766).
fn cve_2026_41579_cve_2026_47766_dev_is_a_symlink_in_the_image(attacker: &Attacker) {
    symlinked_in_image(attacker, "dev");
}

fn symlinked_in_image(attacker: &Attacker, name: &str) {
    let Some(bundle) = attacker.bundle(&["/bin/sh", "-c", "echo ran"]) else { return };
    let outside = attacker.folder();
    std::fs::remove_dir(bundle.rootfs().join(name)).unwrap();
    std::os::unix::fs::symlink(outside.path(), bundle.rootfs().join(name)).unwrap();
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    bundle.run("symlinked");
    // Whether it runs with the link resolved inside its root or is refused: nothing may have happened outside.
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "something was made on the host");
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

/// A mount target is a link out of the root; nothing may be made or mounted there (CVE-2021-30465 swaps it while the
/// mounts are made: the target is resolved once, by descriptor).
fn cve_2021_30465_mount_target_is_swapped_for_a_link(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/sh", "-c", "ls /mnt/target"]) else { return };
    let outside = attacker.folder();
    let source = attacker.folder();
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
        let id = bundle.id(&format!("swap-{round}"));
        let _ = bundle.oci(&["run", &id]).output();
        let _ = bundle.oci(&["delete", "-f", &id]).output();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "round {round}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
}

/// Racing mounts must not make empty files and folders on the host.
fn cve_2024_45310_empty_host_files_made_through_racing_mounts(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    let outside = attacker.folder();
    std::os::unix::fs::symlink(outside.path(), bundle.rootfs().join("link")).unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.push(serde_json::json!({"destination": "/link/made/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}));
    mounts.push(serde_json::json!({"destination": "/link/folder", "type": "tmpfs", "source": "tmpfs"}));
    bundle.run("cve-2024-45310");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// Inheritable capabilities stay empty unless the configuration names them.
fn cve_2022_29162_inheritable_capabilities_are_empty(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["grep", "CapInh", "/proc/self/status"]) else { return };
    bundle.config["process"]["capabilities"]["inheritable"] = serde_json::json!([]);
    let ran = bundle.run("cve-2022-29162");
    assert_eq!(ran.out.split_ascii_whitespace().last(), Some("0000000000000000"), "{ran:?}");
}

/// A v1 hierarchy's release_agent runs as the host's root: the container must not be able to write it.
fn cve_2022_0492_release_agent_is_out_of_reach(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    let script = "mkdir -p /tmp/c; for o in rdma memory cpu pids none,name=x; do mount -t cgroup -o $o cgroup /tmp/c && echo mounted; \
        done 2>/dev/null; for f in /sys/fs/cgroup/*/release_agent /tmp/c/release_agent; do \
        [ -e $f ] && { echo /bin/sh >$f; } 2>/dev/null && echo wrote $f; done; echo done";
    bundle.config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    bundle.config["root"]["readonly"] = serde_json::json!(false);
    let ran = bundle.run("cve-2022-0492");
    assert_eq!(ran.out.trim(), "done", "{ran:?}");
}

/// Without a cgroup namespace the container sees its own groups and nothing of the host's, read-only.
fn cve_2023_25809_hosts_cgroups_are_not_writable(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    let script = "for d in /sys/fs/cgroup/*/; do mkdir $d/x 2>/dev/null && echo made $d; done; cat /sys/fs/cgroup/pids/cgroup.procs | wc -l";
    bundle.config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
    let ran = bundle.run("cve-2023-25809");
    assert!(!ran.out.contains("made"), "{ran:?}");
}

/// `/dev/null` in the image is another file: what is masked must be covered by the real null device.
fn cve_2025_31133_masked_path_bound_from_a_swapped_dev_null(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
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
fn cve_2025_52565_dev_console_is_a_link(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    let outside = attacker.folder();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/dev");
    std::os::unix::fs::symlink(outside.path().join("console"), bundle.rootfs().join("dev/console")).unwrap();
    bundle.config["process"]["terminal"] = serde_json::json!(true);
    bundle.run("cve-2025-52565");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// A volume over `/proc` must not catch what the runtime writes to procfs.
fn cve_2019_19921_cve_2025_52881_writes_to_a_fake_proc(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
    let fake = attacker.folder();
    for name in ["sys/kernel", "sys/net/ipv4", "self/attr", "thread-self/attr"] {
        std::fs::create_dir_all(fake.path().join(name)).unwrap();
    }
    std::fs::write(fake.path().join("sys/kernel/shmmax"), "untouched").unwrap();
    if let Some(user) = attacker.user {
        user.owns(fake.path());
    }
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
fn cve_2026_30892_exec_with_another_user_drops_capabilities(attacker: &Attacker) {
    let Some(bundle) = attacker.bundle(&["sleep", "100"]) else { return };
    bundle.write();
    let id = &bundle.id("cve-2026-30892");
    assert!(bundle.oci(&["run", "-d", id]).status().unwrap().success());
    let ran =
        Ran::of(&mut bundle.oci(&["exec", "--user", "1000:1000", id, "grep", "Cap", "/proc/self/status"]));
    let _ = bundle.oci(&["delete", "-f", id]).output();
    if attacker.user.is_some() {
        // With one id there is no other user to become.
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains("user"), "{ran:?}");
        return;
    }
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in ran.out.lines().filter(|line| !line.starts_with("CapBnd")) {
        assert_eq!(line.split_ascii_whitespace().last(), Some("0000000000000000"), "{ran:?}");
    }
}

/// There is no checkpoint and no restore here, so no checkpoint's mounts are trusted.
fn cve_2026_119101_cve_2026_115520_restore_is_refused(attacker: &Attacker) {
    let Some(bundle) = attacker.bundle(&["/bin/true"]) else { return };
    bundle.write();
    for command in ["checkpoint", "restore"] {
        let ran = Ran::of(&mut bundle.oci(&[command, "x"]));
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains(command), "{ran:?}");
    }
}

/// A value of a kernel parameter is one text for one file, and a parameter of the whole host is refused.
fn cve_2022_0811_sysctl_values_inject_nothing(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/bin/true"]) else { return };
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
fn a_failed_start_leaves_no_cgroup(attacker: &Attacker) {
    let Some(mut bundle) = attacker.bundle(&["/no/such/program"]) else { return };
    let parent = bundle.id("cofferdam-test-failed-start");
    if attacker.user.is_none() {
        bundle.config["linux"]["cgroupsPath"] = serde_json::json!(format!("/{parent}/x"));
    }
    let ran = bundle.run("failed-start");
    assert_ne!(ran.code, 0);
    assert!(eventually(|| support::cgroups_named(&parent).iter().all(|path| !path.join("x").exists())));
    for folder in support::cgroups_named(&parent) {
        let _ = std::fs::remove_dir(folder);
    }
    assert_eq!(bundle.remains(&[&bundle.id("failed-start")]), Vec::<String>::new());
}
