//! What the tests of the whole program share: a state folder of their own, and a count of what is left behind.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod accounts;
pub mod archive;
pub mod debian;
pub mod dice;
pub mod faulty;
pub mod field;
pub mod hosts;
pub mod internet;
pub mod layers;
pub mod packets;
#[path = "../../../../crates/network/tests/kernel/place.rs"]
pub mod place;
pub mod project;
pub mod question;
pub mod remains;
pub mod tun;
pub mod user;

use user::User;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A state folder of its own, whose containers are removed at the end.
pub struct Home {
    folder: tempfile::TempDir,
    program: PathBuf,
    user: Option<User>,
}

/// Says on standard error that a test did not run, and why; the test command counts these lines.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIP {test}: {reason}");
}

/// Whether the tests run as root; says so if not.
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(test, "it needs root");
    }
    root
}

impl Home {
    pub fn new() -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_cofferdam")))
    }

    /// With another build of the program.
    pub fn of(program: &Path) -> Self {
        away_from_the_machines_network();
        let folder = tempfile::Builder::new().prefix("cofferdam-test-").tempdir().unwrap();
        Self { folder, program: program.to_owned(), user: None }
    }

    /// An ordinary user's, who runs a copy of the program that is in this folder.
    pub fn of_user(program: &Path) -> Self {
        let mut home = Self::of(program);
        let user = User::new();
        let copy = home.path().join("cofferdam");
        place_program(program, &copy);
        std::os::unix::fs::chown(home.path(), Some(user.0), Some(user.0)).unwrap();
        (home.program, home.user) = (copy, Some(user));
        home
    }

    pub fn user(&self) -> Option<User> {
        self.user
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.path()).env(remains::MARK, self.path()).stdin(Stdio::null());
        if let Some(user) = self.user {
            user.runs(&mut command);
        }
        command
    }

    /// What is left of all containers that there ever were in this home, which are all removed; waits a little for
    /// processes that are about to end.
    pub fn remains(&self) -> Vec<String> {
        let look = || {
            let mut found = remains::of(self.path(), &remains::ids_ever(self.path()));
            found.extend(remains::in_state(self.path()));
            found
        };
        let mut found = Vec::new();
        eventually(|| {
            found = look();
            found.is_empty()
        });
        found
    }

    /// Makes containers' folders look as if they had been left two minutes ago: the next command takes those of nobody for
    /// abandoned.
    pub fn age_folders(&self) {
        let then = std::time::SystemTime::now() - Duration::from_secs(120);
        for folder in ["run", "state/containers"] {
            let entries = std::fs::read_dir(self.path().join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                let opened = std::fs::File::open(entry.path());
                // One that goes meanwhile needs no age.
                let _ = opened.and_then(|file| file.set_modified(then));
            }
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command().args(args))
    }

    /// Runs a command with input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        use std::io::Write;
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed; gives its output without the last line end.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?} failed:\n{}{}", ran.out, ran.err);
        ran.out.trim_end().to_owned()
    }

    /// The cgroup folders of this home's containers.
    pub fn cgroups(&self, id: &str) -> Vec<PathBuf> {
        cgroups_named(id)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Ok(output) = self.command().args(["ps", "-aq", "--no-trunc"]).output() else { return };
        for id in String::from_utf8_lossy(&output.stdout).lines() {
            let _ = self.command().args(["rm", "-f", id]).output();
        }
    }
}

/// Gives the calling thread, and so all commands that it runs, a network namespace without any link to the machine's: the
/// engine of a test makes links and packet rules there, and a rule that fails has nowhere to leak to.
pub fn away_from_the_machines_network() {
    thread_local! {
        static AWAY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if rustix::process::geteuid().is_root() && !AWAY.replace(true) {
        cofferdam_kernel::namespace::unshare(cofferdam_kernel::namespace::Namespace::Network).unwrap();
        cofferdam_kernel::link::bring_loopback_up().unwrap();
    }
}

/// Puts a program where an ordinary user can run it, which the work tree may not be. It stays root's: a link to the file that
/// other tests run, where that can be.
fn place_program(program: &Path, at: &Path) {
    std::fs::hard_link(program, at).or_else(|_| std::fs::copy(program, at).map(drop)).unwrap();
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Folders of any cgroup hierarchy whose name holds the text.
pub fn cgroups_named(text: &str) -> Vec<PathBuf> {
    cgroups(|name| name.contains(text))
}

/// Folders of any cgroup hierarchy with such a name.
pub fn cgroups(is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![(PathBuf::from("/sys/fs/cgroup"), 4)];
    while let Some((folder, depth)) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if is_wanted(&entry.file_name().to_string_lossy()) {
                found.push(entry.path());
            } else if depth > 1 {
                left.push((entry.path(), depth - 1));
            }
        }
    }
    found
}

/// Waits until something holds; false after ten seconds.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    holds()
}

/// A folder with busybox as a root file system; `None` without busybox on the host, which it says.
pub fn busybox_root(test: &str, folder: &Path) -> Option<PathBuf> {
    if !Path::new("/usr/bin/busybox").exists() {
        skip(test, "busybox-static is not installed");
        return None;
    }
    let root = folder.join("root");
    for name in ["bin", "etc", "tmp", "root"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000::/:/bin/sh\n")
        .unwrap();
    for name in [
        "sh", "cat", "chmod", "chown", "du", "find", "id", "kill", "ln", "ls", "mkdir", "mv", "ps", "rm",
        "sleep", "stat", "touch", "true",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    Some(root)
}

/// A home with an image `busybox`; `None` where the test cannot run, which it says.
pub fn busybox_home(test: &str) -> Option<Home> {
    busybox_home_of(test, Path::new(env!("CARGO_BIN_EXE_cofferdam")))
}

/// The same with another build of the program.
pub fn busybox_home_of(test: &str, program: &Path) -> Option<Home> {
    if !is_root(test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root(test, folder.path())?;
    let home = Home::of(program);
    home.ok(&["image", "import", root.to_str().unwrap(), "busybox"]);
    Some(home)
}

/// An ordinary user's home with an image `busybox`; `None` where the test cannot run, which it says.
pub fn busybox_home_of_user(test: &str) -> Option<Home> {
    if !is_root(test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root(test, folder.path())?;
    let home = Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam")));
    home.user()?.owns(folder.path());
    home.ok(&["image", "import", root.to_str().unwrap(), "busybox"]);
    Some(home)
}

/// An OCI bundle of busybox (Debian's busybox-static, which the test command installs).
pub struct Bundle {
    folder: tempfile::TempDir,
    program: PathBuf,
    user: Option<User>,
    pub config: serde_json::Value,
}

impl Bundle {
    /// `None` without busybox on the host; says so.
    pub fn busybox(test: &str, args: &[&str]) -> Option<Self> {
        Self::busybox_of(test, args, None)
    }

    /// An ordinary user's, whose configuration is the one for rootless containers.
    pub fn busybox_of(test: &str, args: &[&str], user: Option<User>) -> Option<Self> {
        let busybox = Path::new("/usr/bin/busybox");
        if !busybox.exists() {
            skip(test, "busybox-static is not installed");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("cofferdam-bundle-").tempdir().unwrap();
        let root = folder.path().join("rootfs");
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp", "root"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for name in [
            "sh", "cat", "ls", "sleep", "echo", "id", "grep", "mount", "touch", "mkdir", "ln", "true", "stat",
        ] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        if let Some(user) = user {
            user.owns(folder.path());
        }
        let program = folder.path().join("cofferdam");
        place_program(Path::new(env!("CARGO_BIN_EXE_cofferdam")), &program);
        let mut spec = Command::new(&program);
        spec.args(["oci", "spec"]).current_dir(folder.path());
        if let Some(user) = user {
            user.runs(spec.arg("--rootless"));
        }
        let spec = spec.output().unwrap();
        assert!(spec.status.success(), "{}", String::from_utf8_lossy(&spec.stderr));
        let text = std::fs::read(folder.path().join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
        config["process"]["args"] = serde_json::json!(args);
        config["process"]["terminal"] = serde_json::json!(false);
        Some(Self { folder, program, user, config })
    }

    /// Runs it with another build of the program.
    pub fn with_program(self, program: &Path) -> Self {
        std::fs::remove_file(&self.program).unwrap();
        place_program(program, &self.program);
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    pub fn user(&self) -> Option<User> {
        self.user
    }

    /// Writes the configuration as it is now.
    pub fn write(&self) {
        std::fs::write(self.path().join("config.json"), self.config.to_string()).unwrap();
    }

    /// What is left of the containers with these ids, which are all removed; waits a little.
    pub fn remains(&self, ids: &[&str]) -> Vec<String> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut found = Vec::new();
        eventually(|| {
            found = remains::of(self.path(), &ids);
            let records = std::fs::read_dir(self.path().join("state"));
            let records = records.into_iter().flatten().flatten().map(|it| it.path().display().to_string());
            // The host key that receipts are signed with stays.
            found.extend(records.filter(|path| !path.ends_with("/@keys")));
            found.is_empty()
        });
        found
    }

    /// `cofferdam oci ARGS`, with a state folder inside the bundle's.
    pub fn oci(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["oci", "--root"]).arg(self.path().join("state")).args(args).stdin(Stdio::null());
        command.current_dir(self.path()).env(remains::MARK, self.path());
        if let Some(user) = self.user {
            user.runs(&mut command);
        }
        command
    }

    /// `cofferdam oci run` to its end, under an id of its own.
    pub fn run(&self, id: &str) -> Ran {
        self.write();
        let id = self.id(id);
        let ran = Ran::of(&mut self.oci(&["run", &id]));
        let _ = self.oci(&["delete", "-f", &id]).output();
        ran
    }

    /// An id that no other run of the same test has: the cgroup is named after it.
    pub fn id(&self, id: &str) -> String {
        let folder = self.path().file_name().unwrap().to_string_lossy();
        format!("{id}-{}", folder.rsplit('-').next().unwrap())
    }
}
