//! The store of images under faults: commands that are killed, a full disk, a store that cannot be written to.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use support::layers::busybox_with;
use support::{Home, is_root};

/// An archive of an image `box` of three layers.
fn archive(test: &str, folder: &Path) -> Option<PathBuf> {
    let home = Home::new();
    busybox_with(&home, test, "box", 2).filter(|_| is_root(test))?;
    let path = folder.join("box.tar");
    home.ok(&["save", "-o", path.to_str().unwrap(), "box"]);
    Some(path)
}

/// Numbers that look random, from the time: the test says which when it fails.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn the_store_stays_whole_whatever_is_killed() {
    let test = "the_store_stays_whole_whatever_is_killed";
    let folder = tempfile::tempdir().unwrap();
    let Some(archive) = archive(test, folder.path()) else { return };
    let archive = archive.to_str().unwrap();
    let home = Home::new();
    busybox_with(&home, test, "kept", 1).unwrap();
    let container = home.ok(&["create", "kept", "cat", "/layer-1"]);
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let seed = u64::try_from(seed & u128::from(u64::MAX)).unwrap();
    let mut numbers = Numbers(seed);
    for round in 0..40 {
        let words: &[&str] = match numbers.below(5) {
            0 => &["image", "prune", "-af"],
            1 => &["rmi", "-f", "box"],
            _ => &["load", "-i", archive],
        };
        let mut child = home.command();
        let mut child = child.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(numbers.below(120_000)));
        let _ = child.kill();
        child.wait().unwrap();
        let ran = home.run(&["image", "verify", "--all"]);
        assert_eq!(ran.code, 0, "round {round} of seed {seed}, {words:?}: {ran:?}");
    }
    home.ok(&["load", "-i", archive]);
    assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2", "seed {seed}");
    home.ok(&["start", &container]);
    home.ok(&["wait", &container]);
    assert_eq!(home.ok(&["logs", &container]), "1", "seed {seed}");
    home.ok(&["rm", &container]);
    home.ok(&["image", "prune", "-af"]);
    for folder in ["layers", "blobs/sha256", "ingest"] {
        let left: Vec<_> =
            std::fs::read_dir(home.path().join("state/images").join(folder)).unwrap().collect();
        assert!(left.is_empty(), "seed {seed}, {folder}: {left:?}");
    }
}

/// A file system of its own for a home's images, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(home: &Home, size: &str) -> Self {
        let at = home.path().join("state/images");
        std::fs::create_dir_all(&at).unwrap();
        let options = std::ffi::CString::new(format!("size={size},mode=0700")).unwrap();
        mount("tmpfs", &at, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self(at)
    }

    fn change(&self, flags: MountFlags, options: &str) {
        mount_remount(&self.0, flags, options).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_and_a_store_that_cannot_be_written_to_are_told() {
    let test = "a_full_disk_and_a_store_that_cannot_be_written_to_are_told";
    let folder = tempfile::tempdir().unwrap();
    let Some(archive) = archive(test, folder.path()) else { return };
    let archive = archive.to_str().unwrap();
    let size = std::fs::metadata(archive).unwrap().len();
    let home = Home::new();
    // Enough for nothing, for some blobs, for all blobs but not for the layers.
    let disk = Disk::new(&home, "64k");
    for room in [64 << 10, size / 2, size + size / 4, size * 2 - size / 8] {
        disk.change(MountFlags::empty(), &format!("size={room}"));
        let ran = home.run(&["load", "-i", archive]);
        assert!(ran.code == 1 && ran.err.contains("No space left"), "{room}: {ran:?}");
        let ran = home.run(&["image", "verify", "--all"]);
        assert_eq!(ran.code, 0, "{room}: {ran:?}");
        assert_eq!(home.ok(&["images", "-q"]), "", "{room}");
    }
    disk.change(MountFlags::empty(), "size=100m");
    home.ok(&["load", "-i", archive]);
    assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2");
    // What is ready runs from a store that cannot be written to.
    disk.change(MountFlags::RDONLY, "size=100m");
    for words in [&["load", "-i", archive][..], &["rmi", "box"], &["tag", "box", "other"]] {
        let ran = home.run(words);
        assert!(ran.code == 1 && ran.err.contains("Read-only file system"), "{words:?}: {ran:?}");
    }
    assert_eq!(home.ok(&["images", "--format", "{{.Name}}"]), "box:latest");
    assert_eq!(home.run(&["image", "history", "box"]).code, 0);
    assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-1"]), "1");
}
