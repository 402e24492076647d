//! Programs of another processor: refused with what is missing, and run through what binfmt_misc has for them, which is proven. The
//! handler is one of a user namespace that the test makes (Linux 6.7), and its interpreter is busybox's `cp`: what real ones do was
//! tried by hand with Debian's qemu-user-static and its busybox for arm64.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{Home, Ran, eventually, is_root, remains, skip};

const BUSYBOX: &str = "/bin/busybox";

/// Another processor than this one, as images name it, and ELF's number of it.
const OTHER: (&str, u8) =
    if cfg!(target_arch = "aarch64") { ("linux/amd64", 62) } else { ("linux/arm64", 183) };

/// How its programs begin.
fn head() -> Vec<u8> {
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    head.extend([OTHER.1, 0]);
    head
}

/// A user namespace with a binfmt_misc of its own, and an ordinary user in it.
struct Place {
    holder: Child,
    home: Home,
    folder: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Place {
    fn new(test: &str) -> Option<Self> {
        if !is_root(test) {
            return None;
        }
        if !Path::new(BUSYBOX).exists() {
            skip(test, "busybox-static is not installed");
            return None;
        }
        let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
        let mut command = Command::new("unshare");
        command.args(["--user", "--mount", "sleep", "1000"]).stdin(Stdio::null());
        let holder = command.spawn().unwrap();
        let place = Self { holder, home, folder: tempfile::tempdir().unwrap() };
        let process = PathBuf::from(format!("/proc/{}", place.holder.id()));
        let own = std::fs::read_link("/proc/self/ns/user").unwrap();
        assert!(eventually(|| std::fs::read_link(process.join("ns/user")).is_ok_and(|other| other != own)));
        for map in ["uid_map", "gid_map"] {
            std::fs::write(process.join(map), format!("0 0 1\n1000 {} 1\n", place.home.user().unwrap().0))
                .unwrap();
        }
        let mounted = place.inside("mount -t binfmt_misc none /proc/sys/fs/binfmt_misc");
        if mounted.code != 0 {
            skip(
                test,
                &format!("this kernel has no binfmt_misc for user namespaces: {}", mounted.err.trim()),
            );
            return None;
        }
        let at = |name: &str| place.folder.path().join(name);
        std::fs::set_permissions(place.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // By another process: one that is cloned here meanwhile would hold it open for writing, and none could be executed.
        assert!(Command::new("cp").arg(BUSYBOX).arg(at("cp")).status().unwrap().success());
        std::fs::write(at("foreign"), [head(), b" a program of another processor\n".to_vec()].concat())
            .unwrap();
        std::fs::write(
            at("Dockerfile"),
            "FROM scratch\nCOPY --chmod=755 foreign /bin/foreign\nRUN [\"/bin/foreign\", \"/made\"]\n",
        )
        .unwrap();
        Some(place)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--target", &self.holder.id().to_string(), "--"]);
        command.env(remains::MARK, self.home.path()).env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
        command
    }

    /// Runs a shell's command as the namespace's root.
    fn inside(&self, script: &str) -> Ran {
        Ran::of(self.command().args(["sh", "-c", script]))
    }

    fn register(&self, flags: &str) {
        let magic: String = head().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let line = format!(":other:M::{magic}::{}/cp:{flags}", self.folder.path().display());
        let script = format!("printf '%s' '{line}' > /proc/sys/fs/binfmt_misc/register");
        let done = self.inside(&script);
        assert_eq!(done.code, 0, "{done:?}");
    }

    fn forget(&self) {
        assert_eq!(self.inside("echo -1 > /proc/sys/fs/binfmt_misc/other").code, 0);
    }

    /// Runs the program as the namespace's user.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--"]);
        command.arg(self.home.path().join("cofferdam")).arg("--root").arg(self.home.path());
        Ran::of(command.env("HOME", self.home.path()).args(args))
    }

    fn build(&self) -> Ran {
        let folder = self.folder.path().to_str().unwrap();
        self.run(&["build", "-t", "other", "--no-cache", "--platform", OTHER.0, folder])
    }
}

const RUN: [&str; 8] = ["run", "--rm", "--pull", "never", "--platform", OTHER.0, "other", "/bin/foreign"];

#[test]
fn programs_of_another_processor_run_through_binfmt_misc() {
    let Some(place) = Place::new("programs_of_another_processor_run_through_binfmt_misc") else { return };
    let started = [&RUN[..], &["/dev/stdout"]].concat();
    // Nothing is registered, then something that a container would not have.
    for why in ["qemu-user-static", "flag F"] {
        let built = place.build();
        assert!(built.code != 0 && built.err.contains("qemu-user-static"), "{built:?}");
        let ran = place.run(&started);
        assert!(ran.code == 125 && ran.err.contains(why), "{ran:?}");
        if why == "qemu-user-static" {
            place.register("");
        }
    }
    place.forget();
    place.register("OF");
    let built = place.build();
    assert_eq!(built.code, 0, "{built:?}");
    let ran = place.run(&started);
    assert_eq!((ran.code, ran.out.contains("a program of another processor")), (0, true), "{ran:?}");
    // What the step has written is there.
    let out = place.home.path().join("made.tar");
    assert_eq!(place.run(&["image", "export", "other", "-o", out.to_str().unwrap()]).code, 0);
    let listed = Command::new("tar").arg("-tf").arg(&out).output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().lines().any(|line| line == "made"));
    // Who does not ask for it gets none.
    let own = place.run(&["run", "--rm", "--pull", "never", "other", "/bin/foreign", "/dev/stdout"]);
    assert!(own.code == 125 && own.err.contains(OTHER.0), "{own:?}");
    let host = place.run(&["run", "--rm", "--platform", OTHER.0, "host", "--", "true"]);
    assert!(host.code == 125 && host.err.contains("own programs"), "{host:?}");
    assert_eq!(place.home.remains(), [""; 0]);
}

/// The kernel holds the file that was registered. Another one in its place is not what the plan names, and the gate stays closed.
#[test]
fn the_interpreter_is_the_one_of_the_plan() {
    let Some(place) = Place::new("the_interpreter_is_the_one_of_the_plan") else { return };
    place.register("F");
    assert_eq!(place.build().code, 0);
    let at = |name: &str| place.folder.path().join(name);
    std::fs::rename(at("cp"), at("other")).unwrap();
    std::fs::copy(BUSYBOX, at("cp")).unwrap();
    let ran = place.run(&[&RUN[..], &["/dev/stdout"]].concat());
    assert!(ran.code == 125 && ran.err.contains("not confined as planned"), "{ran:?}");
    assert!(!ran.out.contains("a program of another processor"), "{ran:?}");
    assert_eq!(place.home.remains(), [""; 0]);
}
