//! Ordinary users with subordinate ids.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::user::User;
use super::{Home, Ran, remains, skip};

/// A mount namespace in which /etc/passwd, /etc/subuid and /etc/subgid know a user of the test's, for newuidmap.
pub struct Accounts {
    files: tempfile::TempDir,
}

impl Accounts {
    /// None, and said so, where there is no newuidmap or no file to bind over.
    pub fn of(test: &str, user: User) -> Option<Self> {
        let uid = user.0;
        for needed in ["/usr/bin/newuidmap", "/etc/subuid", "/etc/subgid"] {
            if !Path::new(needed).exists() {
                skip(test, &format!("uidmap is not installed ({needed})"));
                return None;
            }
        }
        let files = tempfile::tempdir().unwrap();
        let write = |name: &str, line: String| {
            let before = std::fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
            std::fs::write(files.path().join(name), before + &line).unwrap();
        };
        write("passwd", format!("throw-away:x:{uid}:{uid}::/nonexistent:/bin/sh\n"));
        write("group", format!("throw-away:x:{uid}:\n"));
        write("subuid", format!("throw-away:{}:65536\n", Self::first(uid)));
        write("subgid", format!("throw-away:{}:65536\n", Self::first(uid)));
        Some(Self { files })
    }

    /// Ranges of their own for each user of these tests.
    pub fn first(uid: u32) -> u32 {
        2_200_000_000 + uid % 30_000 * 65_536
    }

    /// Runs a command of the home's user to its end.
    pub fn run(&self, home: &Home, args: &[&str]) -> Ran {
        Ran::of(self.command(home).args(args))
    }

    /// A command of the home's user, without arguments.
    pub fn command(&self, home: &Home) -> Command {
        let user = home.user().unwrap();
        let mut script = String::from("set -e; ");
        for name in ["passwd", "group", "subuid", "subgid"] {
            let file: PathBuf = self.files.path().join(name);
            script.push_str(&format!("mount --bind {} /etc/{name}; ", file.display()));
        }
        script.push_str(&format!("exec setpriv --reuid {0} --regid {0} --clear-groups -- \"$@\"", user.0));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        command.arg(home.path().join("cofferdam")).arg("--root").arg(home.path());
        command.env(remains::MARK, home.path()).env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
        command
    }
}
