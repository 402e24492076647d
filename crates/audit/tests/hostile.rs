//! Trees whose owner wants the audit to hang, to crash, to read the host, to believe a lie, or to print escapes: one test for each
//! way to try.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_audit::host::{Source, audit};
use cofferdam_audit::{Outcome, Report, format};
use cofferdam_names::Timestamp;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

const GIBIBYTE: u64 = 1 << 30;
/// Far more than any of these trees takes, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(60);

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn node(root: &Path, path: &str, kind: FileType, device: u64) -> rustix::io::Result<()> {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), device)
}

fn fifo(root: &Path, path: &str) {
    node(root, path, FileType::Fifo, 0).unwrap();
}

fn shown(report: &Report) -> Vec<String> {
    vec![
        serde_json::to_string(report).unwrap(),
        format::sarif(std::slice::from_ref(report), "0").to_string(),
        format::junit(std::slice::from_ref(report)),
        format::oscal(std::slice::from_ref(report), "0", Timestamp::from_unix(1_800_000_000, 0)).to_string(),
        format::html(report),
    ]
}

fn assert_shown_without_escapes(report: &Report) {
    for text in shown(report) {
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "a raw escape");
    }
}

fn outcome(report: &Report, id: &str) -> Outcome {
    let found = report.findings.iter().find(|finding| finding.about.id == id);
    found.unwrap_or_else(|| panic!("no check {id}")).verdict.outcome
}

/// The audit of a tree that `plant` makes; it ends soon, and nothing that it shows is raw.
fn audited(plant: impl FnOnce(&Path)) -> Report {
    audited_as(Source::at_rest, plant)
}

fn audited_as<E: std::fmt::Debug>(
    source: impl FnOnce(&Path) -> Result<Source, E>,
    plant: impl FnOnce(&Path),
) -> Report {
    let folder = tempfile::tempdir().unwrap();
    plant(folder.path());
    let start = Instant::now();
    let report = audit(&source(folder.path()).unwrap(), "tree \x1b[2J");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_shown_without_escapes(&report);
    report
}

fn assert_unknown(report: &Report, ids: &[&str]) {
    for id in ids {
        assert_eq!(
            outcome(report, id),
            Outcome::Unknown,
            "{id}: what could not be read is unknown, never passed"
        );
    }
}

#[test]
fn a_pipe_is_not_waited_for() {
    let report = audited(|root| {
        for path in ["etc/shadow", "etc/sudoers", "etc/fstab", "boot/config-6.1.0", "etc/docker/daemon.json"]
        {
            fifo(root, path);
        }
        write(root, "usr/bin/dockerd", b"");
    });
    let ids =
        ["accounts.no_empty_password", "sudo.password", "mount.apart./tmp", "kconfig.SECCOMP", "docker.icc"];
    assert_unknown(&report, &ids);
}

#[test]
fn a_device_is_not_opened() {
    // /dev/zero never ends; a terminal, or a watchdog, does something when it is opened.
    let zero = makedev(1, 5);
    let place = tempfile::tempdir().unwrap();
    if let Err(error) = node(place.path(), "zero", FileType::CharacterDevice, zero) {
        eprintln!("SKIP a_device_is_not_opened: cannot make a device: {error}");
        return;
    }
    let report = audited(|root| {
        for path in ["etc/shadow", "etc/group", "etc/docker/daemon.json", "var/lib/dpkg/status"] {
            node(root, path, FileType::CharacterDevice, zero).unwrap();
        }
        node(root, "etc/sudoers", FileType::BlockDevice, makedev(7, 0)).unwrap();
        write(root, "usr/bin/dockerd", b"");
    });
    let ids = [
        "accounts.no_empty_password",
        "accounts.unique_names",
        "sudo.password",
        "docker.icc",
        "updates.security",
    ];
    assert_unknown(&report, &ids);
    assert_eq!(outcome(&report, "files.devices"), Outcome::Fail, "devices outside of /dev are named");
}

#[test]
fn links_in_a_circle_and_out_of_the_tree_lead_nowhere() {
    let report = audited(|root| {
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("gshadow-", root.join("etc/gshadow")).unwrap();
        symlink("gshadow", root.join("etc/gshadow-")).unwrap();
        symlink(".", root.join("etc/sudoers.d")).unwrap();
        symlink("/proc/self/root/etc/passwd", root.join("etc/passwd")).unwrap();
        symlink("../../../../../../../etc/group", root.join("etc/group")).unwrap();
        symlink("/proc/1/root/etc/shadow", root.join("etc/shadow")).unwrap();
    });
    assert_unknown(&report, &["accounts.one_root", "accounts.unique_names", "accounts.no_empty_password"]);
}

#[test]
fn a_gibibyte_is_not_read() {
    let paths = [
        "etc/subuid",
        "etc/ssh/sshd_config",
        "etc/docker/daemon.json",
        "var/lib/dpkg/status",
        "boot/config-6.1.0",
    ];
    let report = audited(|root| {
        for path in paths {
            write(root, path, b"");
            File::create(root.join(path)).unwrap().set_len(GIBIBYTE).unwrap();
        }
        write(root, "usr/bin/dockerd", b"");
        write(root, "usr/sbin/sshd", b"");
    });
    let ids = [
        "accounts.subordinate_ranges",
        "sshd.PermitRootLogin",
        "docker.icc",
        "updates.security",
        "kconfig.SECCOMP",
    ];
    assert_unknown(&report, &ids);
}

#[test]
fn what_grows_when_it_is_decompressed_is_not_read_to_its_end() {
    let report = audited(|root| {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            bomb.write_all(&vec![b'#'; 1 << 20]).unwrap();
        }
        write(root, "lib/modules/6.1.0/config", &bomb.finish().unwrap());
    });
    assert_unknown(&report, &["kconfig.SECCOMP"]);
}

#[test]
fn a_configuration_that_includes_itself_ends() {
    let report = audited(|root| {
        write(root, "usr/sbin/sshd", b"");
        write(root, "etc/ssh/sshd_config", b"Include /etc/ssh/sshd_config.d/*\nPermitRootLogin yes\n");
        for number in 0..4 {
            write(root, &format!("etc/ssh/sshd_config.d/{number}.conf"), b"Include /etc/ssh/sshd_config\n");
        }
        write(
            root,
            "etc/sudoers",
            b"@include /etc/sudoers\n@includedir /etc/sudoers.d\neve ALL=(ALL) NOPASSWD: ALL\n",
        );
        write(root, "etc/sudoers.d/x", b"@include /etc/sudoers\n");
    });
    assert_eq!(outcome(&report, "sshd.PermitRootLogin"), Outcome::Fail, "what is there is still judged");
    assert_ne!(outcome(&report, "sudo.password"), Outcome::Pass);
}

#[test]
fn more_files_and_folders_than_anybody_has_end() {
    audited(|root| {
        fs::create_dir_all(root.join("etc/sysctl.d")).unwrap();
        for number in 0..25_000 {
            File::create(root.join(format!("etc/sysctl.d/{number}.conf"))).unwrap();
        }
        let mut deep = root.join("opt");
        for _ in 0..200 {
            deep = deep.join("deeper");
        }
        fs::create_dir_all(deep).unwrap();
    });
}

#[test]
fn escapes_and_what_is_no_utf8_are_shown_and_never_sent() {
    let report = audited(|root| {
        write(root, "etc/os-release", b"PRETTY_NAME=\"\x1b[2J\x1b]0;owned\x07 Linux \xff\xfe\"\n");
        let name = std::ffi::OsStr::from_bytes(b"\x1b[31m\xff.conf");
        fs::create_dir_all(root.join("etc/modprobe.d")).unwrap();
        fs::write(root.join("etc/modprobe.d").join(name), "install \x1b[1m /bin/false\n").unwrap();
        write(root, "etc/passwd", b"\x1b[2Jtoor:x:0:0:\xff:/:/bin/sh\nroot:x:0:0::/:/bin/sh\n");
        write(root, "etc/exports", b"/srv *(rw,no_root_squash) # \x1b[2J\n");
        fs::create_dir_all(root.join("opt")).unwrap();
        let program = root.join("opt").join(std::ffi::OsStr::from_bytes(b"\x1b]0;owned\x07\xff"));
        fs::write(&program, "x").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4777)).unwrap();
    });
    for id in ["nfs.exports", "accounts.one_root", "files.set_id"] {
        assert_eq!(outcome(&report, id), Outcome::Fail, "{id}: what has an evil name is still found");
    }
}

#[test]
fn files_in_the_place_of_the_kernels_are_not_believed() {
    let report = audited(|root| {
        write(root, "proc/sys/kernel/kptr_restrict", b"2\n");
        write(root, "proc/cmdline", b"lockdown=confidentiality\n");
        write(root, "proc/self/mountinfo", b"1 0 8:1 / / ro,nodev,nosuid,noexec - ext4 /dev/sda1 rw\n");
        write(root, "sys/kernel/security/lsm", b"selinux,apparmor\n");
        write(root, "sys/kernel/security/lockdown", b"none integrity [confidentiality]\n");
    });
    assert_unknown(&report, &["kernel.kptr_restrict", "lsm.mandatory", "lsm.lockdown"]);
}

/// A running container chooses the names of its processes, their words, the points of its mounts, and the sizes of all three.
#[test]
fn what_a_container_calls_itself_is_not_believed_and_not_sent() {
    let id = "0123456789abcdef";
    let report = audited_as(Source::running, |root| {
        let mountinfo = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n";
        write(root, "proc/1/mountinfo", mountinfo.as_bytes());
        write(root, "proc/self/mountinfo", mountinfo.as_bytes());
        let status = "Name:\tdockerd\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t77\nPid:\t77\nPPid:\t1\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nNSpid:\t77\t1\nThreads:\t1\nCapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n";
        write(root, "proc/77/status", status.as_bytes());
        write(root, "proc/77/comm", b"\x1b[2J\xff\n");
        let words =
            [&b"dockerd\0--icc=false\0--userns-remap=default\0\x1b]0;owned\x07\0"[..], &[b'x'; 1 << 20]];
        write(root, "proc/77/cmdline", &words.concat());
        write(root, "proc/77/cgroup", format!("0::/system.slice/docker-{id}.scope\n").as_bytes());
        write(root, "proc/77/uid_map", b"0 0 4294967295\n");
        write(
            root,
            "proc/77/mountinfo",
            b"1 0 0:9 / / rw - overlay overlay rw\n2 1 8:1 /etc /\x1b[2J\\033]0;owned\\007 rw - ext4 /dev/sda1 rw\n",
        );
        write(root, "usr/bin/dockerd", b"");
    });
    for id in ["docker.icc", "docker.userns-remap"] {
        assert_eq!(outcome(&report, id), Outcome::Fail, "{id}: a contained process is not the engine");
    }
    assert_eq!(outcome(&report, "containers.no_host_folders"), Outcome::Fail);
    assert_eq!(outcome(&report, "containers.seccomp"), Outcome::Fail);
}

#[test]
fn an_image_neither_hangs_nor_crashes_nor_prints() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fifo(root, "etc/shadow");
    fifo(root, "app/.env");
    File::create(root.join("etc/passwd")).unwrap().set_len(GIBIBYTE).unwrap();
    File::create(root.join("app/id_rsa")).unwrap().set_len(GIBIBYTE).unwrap();
    symlink("loop-b", root.join("etc/loop-a")).unwrap();
    symlink("loop-a", root.join("etc/loop-b")).unwrap();
    symlink("/proc/self/root", root.join("host")).unwrap();
    symlink("..", root.join("app/up")).unwrap();
    symlink("/dev/zero", root.join("etc/os-release")).unwrap();
    let evil = std::ffi::OsStr::from_bytes(b"\x1b]0;owned\x07\xff");
    fs::write(root.join("app").join(evil), "x").unwrap();
    fs::set_permissions(root.join("app").join(evil), fs::Permissions::from_mode(0o4777)).unwrap();
    let start = Instant::now();
    let reports = cofferdam_audit::image::audit(root, "\x1b[2J").unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let outcome = |id: &str| outcome(&reports[0], id);
    assert_eq!(outcome("image.set_id"), Outcome::Fail, "what has an evil name is still found");
    assert_ne!(outcome("image.passwords"), Outcome::Pass, "what could not be read does not pass");
    assert_ne!(outcome("image.one_root"), Outcome::Pass);
    assert_shown_without_escapes(&reports[0]);
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
