//! What enters a container is the runtime's until it executes its program. A container with CAP_SYS_PTRACE must not get hold
//! of it before: neither of the host's files through it, nor of a process without the filter.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::user::User;
use support::{Bundle, Home, Ran, eventually, is_root};

/// Waits for new processes, and says what it could take of each: a file of the host's through its root, or the process itself
/// before it is confined. Ends when the file `stop` is there.
const WATCHER: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int says(int pid, const char *line) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int file = open(path, O_RDONLY);
    if (file < 0) return 0;
    int size = read(file, text, sizeof text - 1);
    close(file);
    text[size < 0 ? 0 : size] = 0;
    return strstr(text, line) != 0;
}

static void grab(int pid, const char *secret) {
    char path[512];
    for (int i = 0; i < 4000 && kill(pid, 0) == 0; i++) {
        snprintf(path, sizeof path, "/proc/%d/root%s", pid, secret);
        int file = open(path, O_RDONLY);
        if (file >= 0) { printf("took a file of the host through process %d\n", pid); close(file); break; }
        if (i % 8 == 0 && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
            int status;
            ptrace(PTRACE_INTERRUPT, pid, 0, 0);
            waitpid(pid, &status, __WALL);
            if (says(pid, "Seccomp:\t0")) printf("took process %d without a filter\n", pid);
            else printf("met process %d confined\n", pid);
            ptrace(PTRACE_DETACH, pid, 0, 0);
            break;
        }
    }
    fflush(stdout);
}

int main(int count, char **args) {
    int next = getpid() + 1;
    printf("watching\n");
    fflush(stdout);
    while (access(args[2], F_OK) != 0)
        for (int pid = next; pid < next + 8; pid++)
            if (kill(pid, 0) == 0) { grab(pid, args[1]); next = pid + 1; break; }
    return count != 3;
}
"#;

/// The program and the file of the host's that it is after; none without a compiler, which is said.
struct Attack {
    folder: tempfile::TempDir,
}

impl Attack {
    fn new(test: &str, user: Option<User>) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("cofferdam-watch-").tempdir().unwrap();
        let source = folder.path().join("watch.c");
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(&source, WATCHER).unwrap();
        std::fs::write(folder.path().join("secret"), "the host's").unwrap();
        let mut compiler = Command::new("gcc");
        compiler.args(["-O2", "-static", "-o"]).arg(folder.path().join("in/watch")).arg(&source);
        match compiler.status() {
            Ok(status) if status.success() => {}
            _ => {
                support::skip(test, "there is no C compiler");
                return None;
            }
        }
        if let Some(user) = user {
            user.owns(folder.path());
        }
        Some(Self { folder })
    }

    fn inside(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn secret(&self) -> String {
        self.folder.path().join("secret").to_str().unwrap().to_owned()
    }
}

/// Nothing was taken; something was met, or the watcher did not watch.
fn check(log: &str) {
    assert!(!log.contains("took"), "{log}");
    assert!(log.contains("watching"), "{log}");
}

fn home(user: bool) -> Home {
    let program = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    if user { Home::of_user(program) } else { Home::of(program) }
}

fn engine_is_open_to_no_tracer(test: &str, user: bool) {
    if !is_root(test) {
        return;
    }
    let home = home(user);
    let Some(attack) = Attack::new(test, home.user()) else { return };
    let volume = format!("{}:/a:rw", attack.inside().display());
    let script = format!("/a/watch {} /a/stop >/a/log 2>&1; sleep 100", attack.secret());
    let rights = ["--zone", "default", "--cap-add", "SYS_PTRACE", "-v", &volume];
    let mut args = vec!["run", "-d", "--name", "one"];
    args.extend(rights);
    args.extend(["host", "--", "sh", "-c", &script]);
    home.ok(&args);
    let log = attack.inside().join("log");
    assert!(eventually(|| std::fs::read_to_string(&log).is_ok_and(|log| log.contains("watching"))));
    for _ in 0..6 {
        home.ok(&[
            "run",
            "--rm",
            "--zone",
            "default",
            "--pid",
            "container:one",
            "host",
            "--",
            "sleep",
            "0.05",
        ]);
        home.ok(&["exec", "one", "sleep", "0.05"]);
    }
    std::fs::write(attack.inside().join("stop"), "").unwrap();
    check(&std::fs::read_to_string(&log).unwrap());
    home.ok(&["rm", "-f", "one"]);
}

#[test]
fn root_engine_is_open_to_no_tracer() {
    engine_is_open_to_no_tracer("root_engine_is_open_to_no_tracer", false);
}

#[test]
fn user_engine_is_open_to_no_tracer() {
    engine_is_open_to_no_tracer("user_engine_is_open_to_no_tracer", true);
}

/// A bundle whose root may trace, and the command line for it.
fn tracing_bundle(test: &str, user: Option<User>, attack: &Attack) -> Option<Bundle> {
    let mut bundle = Bundle::busybox_of(test, &["sh", "-c", ""], user)?;
    let script = format!("/bin/grabber {} /stop >/log 2>&1; sleep 100", attack.secret());
    std::fs::copy(attack.inside().join("watch"), bundle.rootfs().join("bin/grabber")).unwrap();
    bundle.config["process"]["args"] = json!(["sh", "-c", script]);
    for set in ["bounding", "effective", "permitted"] {
        bundle.config["process"]["capabilities"][set] = json!(["CAP_SYS_PTRACE", "CAP_KILL"]);
    }
    bundle.config["root"]["readonly"] = json!(false);
    if user.is_none() {
        // In the host's own user namespace the capability would be one over everything that is root's (THREATS.md).
        let first = 1_800_000_000;
        let map = json!([{"containerID": 0, "hostID": first, "size": 65_536}]);
        bundle.config["linux"]["uidMappings"] = map.clone();
        bundle.config["linux"]["gidMappings"] = map;
        bundle.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        User(first).owns(&bundle.rootfs());
        // The way to its root is for everybody.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(bundle.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bundle.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["keyctl"], "action": "SCMP_ACT_ERRNO"}]});
    bundle.write();
    Some(bundle)
}

fn oci(bundle: &Bundle, args: &[&str]) -> Ran {
    Ran::of(&mut bundle.oci(args))
}

/// A command whose container keeps the command's own streams open.
fn detached(bundle: &Bundle, args: &[&str]) -> bool {
    use std::process::Stdio;
    bundle.oci(args).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// The same through the OCI face.
fn oci_exec_is_open_to_no_tracer(test: &str, user: Option<User>) {
    if !is_root(test) {
        return;
    }
    let Some(attack) = Attack::new(test, user) else { return };
    let Some(bundle) = tracing_bundle(test, user, &attack) else { return };
    let id = &bundle.id("tracers");
    assert!(detached(&bundle, &["run", "-d", id]));
    let log = bundle.rootfs().join("log");
    assert!(eventually(|| std::fs::read_to_string(&log).is_ok_and(|log| log.contains("watching"))));
    for _ in 0..8 {
        let ran = oci(&bundle, &["exec", id, "sleep", "0.05"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    std::fs::write(bundle.rootfs().join("stop"), "").unwrap();
    check(&std::fs::read_to_string(&log).unwrap());
    let _: Ran = oci(&bundle, &["delete", "-f", id]);
}

#[test]
fn root_oci_exec_is_open_to_no_tracer() {
    oci_exec_is_open_to_no_tracer("root_oci_exec_is_open_to_no_tracer", None);
}

#[test]
fn user_oci_exec_is_open_to_no_tracer() {
    oci_exec_is_open_to_no_tracer("user_oci_exec_is_open_to_no_tracer", Some(User::new()));
}

/// An init that waits for another command to start it is open to tracers, so none may come to it.
#[test]
fn user_lets_no_tracer_into_what_waits() {
    let test = "user_lets_no_tracer_into_what_waits";
    let user = Some(User::new());
    if !is_root(test) {
        return;
    }
    let Some(attack) = Attack::new(test, user) else { return };
    let Some(bundle) = tracing_bundle(test, user, &attack) else { return };
    let id = &bundle.id("waits");
    assert!(detached(&bundle, &["create", id]));
    let refused = oci(&bundle, &["exec", id, "true"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.err.contains("CAP_SYS_PTRACE"), "{refused:?}");
    let _: Ran = oci(&bundle, &["delete", "-f", id]);
}

/// Who has the container's root may stop what enters, and it goes on all the same.
fn stop_signals_hold_nobody_up(test: &str, user: bool) {
    if !is_root(test) {
        return;
    }
    let home = home(user);
    let script = "n=2; while :; do if kill -STOP $n 2>/dev/null; then n=$((n+1)); fi; done";
    home.ok(&["run", "-d", "--name", "one", "--zone", "default", "host", "--", "sh", "-c", script]);
    for _ in 0..5 {
        let start = std::time::Instant::now();
        // The program itself may be stopped: the client does not wait for it.
        let ran = home.run(&["exec", "-d", "one", "true"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(start.elapsed() < std::time::Duration::from_secs(8), "{:?}", start.elapsed());
    }
    home.ok(&["rm", "-f", "one"]);
}

#[test]
fn root_exec_is_held_up_by_no_signal() {
    stop_signals_hold_nobody_up("root_exec_is_held_up_by_no_signal", false);
}

#[test]
fn user_exec_is_held_up_by_no_signal() {
    stop_signals_hold_nobody_up("user_exec_is_held_up_by_no_signal", true);
}
