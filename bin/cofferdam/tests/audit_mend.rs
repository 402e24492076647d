//! `audit host --fix`, `--export` and `audit undo`, by the whole program: on trees, and on a running system in namespaces of its
//! own. Nothing of this machine's own settings is written.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::is_root;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    write(root, "etc/group", "root:x:0:\n");
    write(root, "etc/sysctl.d/10-own.conf", "kernel.kptr_restrict = 0\n");
    write(root, "etc/systemd/journald.conf", "[Journal]\n");
    write(root, "etc/systemd/coredump.conf", "[Coredump]\n");
    folder
}

fn audit(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["audit", "host", "--root"]).arg(root).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_tree_is_mended_once_and_taken_back() {
    let folder = tree();
    let path = folder.path().join("etc/sysctl.d/zz-cofferdam.conf");
    let shown = audit(folder.path(), &["--fix", "--dry-run"]);
    assert!(text(&shown).contains("+kernel.kptr_restrict = 1"), "{}", text(&shown));
    assert!(!path.exists(), "a dry run writes nothing");
    let only = ["--fix", "--only", "kernel.kptr_restrict,journal.persistent"];
    let done = audit(folder.path(), &only);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    assert!(text(&done).contains("2 checks pass now, 0 do not yet"), "{}", text(&done));
    let again = audit(folder.path(), &only);
    assert!(text(&again).contains("nothing to write"), "{}", text(&again));
    let undo = Command::new(PROGRAM).args(["audit", "undo", "--root"]).arg(folder.path()).output().unwrap();
    assert_eq!(undo.status.code(), Some(0), "{}", text(&undo));
    assert!(!path.exists());
    let nothing =
        Command::new(PROGRAM).args(["audit", "undo", "--root"]).arg(folder.path()).output().unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    let unknown = audit(folder.path(), &["--fix", "--only", "no.such"]);
    assert!(text(&unknown).contains("no check is called so"), "{}", text(&unknown));
}

/// The exported script makes the same files: run by a shell in a root of its own.
#[test]
fn an_exported_script_writes_the_same() {
    const TEST: &str = "an_exported_script_writes_the_same";
    let busybox = Path::new("/usr/bin/busybox");
    let busybox = if busybox.exists() { busybox } else { Path::new("/bin/busybox") };
    if !is_root(TEST) || !busybox.exists() {
        return support::skip(TEST, "it needs root and busybox");
    }
    let folder = tree();
    let only = ["--only", "journal.persistent,coredump.storage"];
    let script = audit(folder.path(), &[&["--export", "shell"][..], &only].concat());
    let mended = tree();
    fs::create_dir(mended.path().join("bin")).unwrap();
    fs::copy(busybox, mended.path().join("bin/busybox")).unwrap();
    for name in ["sh", "mkdir", "cat"] {
        std::os::unix::fs::symlink("busybox", mended.path().join("bin").join(name)).unwrap();
    }
    fs::write(mended.path().join("script"), script.stdout).unwrap();
    let run = Command::new("chroot").arg(mended.path()).args(["/bin/sh", "/script"]).output().unwrap();
    assert!(run.status.success(), "{}", text(&run));
    audit(folder.path(), &[&["--fix"][..], &only].concat());
    for path in
        ["etc/systemd/journald.conf.d/zz-cofferdam.conf", "etc/systemd/coredump.conf.d/zz-cofferdam.conf"]
    {
        assert_eq!(
            fs::read(folder.path().join(path)).unwrap(),
            fs::read(mended.path().join(path)).unwrap(),
            "{path}"
        );
    }
}

/// A running system: its parameters are set at once and set back. The network's belong to the namespace that the test makes; the
/// folders that are written are in its mounts alone.
#[test]
fn a_running_system_is_mended_at_once() {
    const TEST: &str = "a_running_system_is_mended_at_once";
    if !is_root(TEST) {
        return;
    }
    let parameter = "/proc/sys/net/ipv4/conf/all/send_redirects";
    let of_host = fs::read_to_string(parameter).unwrap();
    let script = format!(
        "set -e
        mount -t tmpfs own /var/lib
        mkdir /var/lib/etc && cp /etc/passwd /etc/group /etc/shadow /var/lib/etc/
        mount --bind /var/lib/etc /etc
        echo 1 > {parameter}
        {PROGRAM} audit host --fix --only net.ipv4.conf.all.send_redirects
        cat {parameter}
        {PROGRAM} audit undo
        cat {parameter}
        ls /etc/sysctl.d"
    );
    let mut command = Command::new("unshare");
    let output =
        command.args(["--mount", "--net", "--propagation", "private", "sh", "-c", &script]).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 checks pass now, 0 do not yet"), "{said}");
    let values: Vec<&str> = said.lines().filter(|line| matches!(*line, "0" | "1")).collect();
    assert_eq!(values, ["0", "1"], "{said}");
    assert!(said.contains("as it was: net.ipv4.conf.all.send_redirects"), "{said}");
    assert_eq!(fs::read_to_string(parameter).unwrap(), of_host, "the host's own is as it was");
}
