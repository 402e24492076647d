//! A tree whose owner wants the audit to hang, to crash, to read the host, to believe a lie, or to print escapes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_audit::host::{Source, audit};
use cofferdam_audit::{Outcome, Report, format};
use rustix::fs::{CWD, FileType, Mode, mknodat};

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn fifo(root: &Path, path: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

fn plant(root: &Path) {
    // It would wait for a writer for ever.
    for path in [
        "etc/shadow",
        "etc/sudoers",
        "etc/login.defs",
        "etc/fstab",
        "boot/config-6.1.0",
        "etc/docker/daemon.json",
    ] {
        fifo(root, path);
    }
    write(root, "usr/bin/dockerd", b"");
    // Links in a circle, out of the root, and up.
    symlink("gshadow-", root.join("etc/gshadow")).unwrap();
    symlink("gshadow", root.join("etc/gshadow-")).unwrap();
    symlink("/proc/self/root/etc/passwd", root.join("etc/passwd")).unwrap();
    symlink("../../../../../../../etc/group", root.join("etc/group")).unwrap();
    // Larger than memory is worth.
    std::fs::File::create(root.join("etc/subuid")).unwrap().set_len(1 << 30).unwrap();
    // A configuration that includes itself, by way of its folder too.
    write(root, "usr/sbin/sshd", b"");
    write(root, "etc/ssh/sshd_config", b"Include /etc/ssh/sshd_config.d/*\nPermitRootLogin yes\n");
    for number in 0..4 {
        write(root, &format!("etc/ssh/sshd_config.d/{number}.conf"), b"Include /etc/ssh/sshd_config\n");
    }
    // Names and texts with escapes, and what is no UTF-8.
    write(root, "etc/os-release", b"PRETTY_NAME=\"\x1b[2J\x1b]0;owned\x07 Linux \xff\xfe\"\n");
    let name = std::ffi::OsStr::from_bytes(b"\x1b[31m\xff.conf");
    std::fs::create_dir_all(root.join("etc/modprobe.d")).unwrap();
    std::fs::write(root.join("etc/modprobe.d").join(name), "install \x1b[1m /bin/false\n").unwrap();
    write(root, "etc/exports", b"/srv *(rw,no_root_squash) # \x1b[2J\n");
    // More files than anybody has.
    std::fs::create_dir_all(root.join("etc/sysctl.d")).unwrap();
    for number in 0..25_000 {
        std::fs::File::create(root.join(format!("etc/sysctl.d/{number}.conf"))).unwrap();
    }
    // A kernel configuration that grows without end, and kernel files that no kernel made.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![b'#'; 1 << 20]).unwrap();
    }
    write(root, "lib/modules/6.1.0/config", &bomb.finish().unwrap());
    write(root, "proc/sys/kernel/kptr_restrict", b"2\n");
    write(root, "proc/cmdline", b"lockdown=confidentiality\n");
    write(root, "sys/kernel/security/lsm", b"selinux,apparmor\n");
}

fn shown(report: &Report) -> Vec<String> {
    vec![
        serde_json::to_string(report).unwrap(),
        format::sarif(report, "0").to_string(),
        format::junit(report),
        format::html(report),
    ]
}

#[test]
fn it_neither_hangs_nor_crashes_nor_believes_nor_prints() {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path());
    let start = Instant::now();
    let report = audit(&Source::at_rest(folder.path()).unwrap(), "tree \x1b[2J");
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());

    let outcome = |id: &str| {
        let found = report.findings.iter().find(|finding| finding.about.id == id);
        found.unwrap_or_else(|| panic!("no check {id}")).verdict.outcome
    };
    // What could not be read is unknown, never passed.
    for id in [
        "accounts.no_empty_password",
        "accounts.one_root",
        "accounts.unique_names",
        "accounts.subordinate_ranges",
        "sudo.password",
        "docker.icc",
        "mount.apart./tmp",
        "kconfig.SECCOMP",
    ] {
        assert_eq!(outcome(id), Outcome::Unknown, "{id}");
    }
    // What only a kernel fills is not believed.
    for id in ["kernel.kptr_restrict", "lsm.mandatory", "lsm.lockdown"] {
        assert_eq!(outcome(id), Outcome::Unknown, "{id}");
    }
    // What is there is still judged.
    assert_eq!(outcome("sshd.PermitRootLogin"), Outcome::Fail);
    assert_eq!(outcome("nfs.exports"), Outcome::Fail);
    for text in shown(&report) {
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "a raw escape");
    }
}

#[test]
fn an_image_neither_hangs_nor_crashes_nor_prints() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fifo(root, "etc/shadow");
    fifo(root, "app/.env");
    std::fs::File::create(root.join("etc/passwd")).unwrap().set_len(1 << 30).unwrap();
    std::fs::File::create(root.join("app/id_rsa")).unwrap().set_len(1 << 30).unwrap();
    symlink("loop-b", root.join("etc/loop-a")).unwrap();
    symlink("loop-a", root.join("etc/loop-b")).unwrap();
    symlink("/proc/self/root", root.join("host")).unwrap();
    symlink("..", root.join("app/up")).unwrap();
    symlink("/dev/zero", root.join("etc/os-release")).unwrap();
    let evil = std::ffi::OsStr::from_bytes(b"\x1b]0;owned\x07\xff");
    std::fs::write(root.join("app").join(evil), "x").unwrap();
    std::fs::set_permissions(root.join("app").join(evil), std::fs::Permissions::from_mode(0o4777)).unwrap();
    let start = Instant::now();
    let reports = cofferdam_audit::image::audit(root, "\x1b[2J").unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let outcome = |id: &str| {
        let found = reports[0].findings.iter().find(|finding| finding.about.id == id);
        found.unwrap_or_else(|| panic!("no check {id}")).verdict.outcome
    };
    assert_eq!(outcome("image.set_id"), Outcome::Fail, "what has an evil name is still found");
    assert_ne!(outcome("image.passwords"), Outcome::Pass, "what could not be read does not pass");
    assert_ne!(outcome("image.one_root"), Outcome::Pass);
    for text in shown(&reports[0]) {
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "a raw escape");
    }
}

#[test]
fn what_waits_or_never_ends_is_no_image_and_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    fifo(folder.path(), "pipe");
    let pipe = folder.path().join("pipe");
    let start = Instant::now();
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/proc/self/mem"), Path::new("/dev/null")]
    {
        assert!(cofferdam_audit::image::audit(path, "x").is_err(), "{}", path.display());
        assert!(cofferdam_audit::host::audit_disk(path, "x").is_err(), "{}", path.display());
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
