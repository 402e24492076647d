//! A real Debian as a root file system, made once and kept below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// The tar of a Debian bookworm with gcc (mmdebstrap, 1 to 2 minutes the first time). None without mmdebstrap; says so.
pub fn tar(test: &str) -> Option<PathBuf> {
    if !Path::new("/usr/bin/mmdebstrap").exists() {
        skip(test, "mmdebstrap is not installed");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let tar = folder.join("debian-bookworm-gcc.tar");
    // One test program makes it, the others wait.
    let lock = std::fs::File::create(folder.join("debian-bookworm-gcc.lock")).unwrap();
    lock.lock().unwrap();
    if !tar.exists() {
        let draft = folder.join("debian-bookworm-gcc.draft.tar");
        let made = Command::new("mmdebstrap")
            .args(["--variant=minbase", "--include=gcc,libc6-dev,libcap2-bin", "--quiet", "bookworm"])
            .arg(&draft)
            // Its own choice of temporary folder has vanished in the middle of an installation.
            .env("TMPDIR", "/var/tmp")
            .output()
            .unwrap();
        assert!(made.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(&draft, &tar).unwrap();
    }
    Some(tar)
}
