//! Ordinary users who exist for one test only: a number that no account has.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Such a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u32);

impl User {
    /// One that no other test has at the same time.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed) % 64;
        // Process numbers go up to 2^22; the engine gives containers ids from 2^30 on.
        Self(100_000_000 + std::process::id() * 64 + number)
    }

    /// Lets a command run as this user, without any group or right of root's.
    pub fn runs(self, command: &mut Command) -> &mut Command {
        command.uid(self.0).gid(self.0).env_remove("XDG_RUNTIME_DIR").env_remove("XDG_DATA_HOME")
    }

    /// Makes the user the owner of a folder and all that is in it.
    pub fn owns(self, path: &Path) {
        std::os::unix::fs::lchown(path, Some(self.0), Some(self.0)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            for entry in std::fs::read_dir(path).unwrap() {
                self.owns(&entry.unwrap().path());
            }
        }
    }
}
