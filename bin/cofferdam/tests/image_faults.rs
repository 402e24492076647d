//! The store of images under faults: commands that are killed, a full disk, a store that cannot be written to.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/debian_registry.rs"]
mod debian_registry;
mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use debian_registry::{DebianRegistry, Wishes};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use support::layers::{busybox_with, image};
use support::{Home, busybox_root, is_root};

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

/// How often something is killed: 20 times, or as the variable says.
fn rounds() -> u32 {
    std::env::var("COFFERDAM_KILLS").map_or(20, |text| text.parse().unwrap())
}

/// Starts a command and kills it after some time, at most so many microseconds.
fn killed(home: &Home, words: &[&str], numbers: &mut Numbers, most: u64) {
    let mut child = home.command();
    let mut child = child.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_micros(numbers.below(most)));
    let _ = child.kill();
    child.wait().unwrap();
}

fn nothing_left(home: &Home, seed: u64) {
    home.ok(&["image", "prune", "-af"]);
    for folder in ["layers", "blobs/sha256"] {
        let left: Vec<_> =
            std::fs::read_dir(home.path().join("state/images").join(folder)).unwrap().collect();
        assert!(left.is_empty(), "seed {seed}, {folder}: {left:?}");
    }
}

/// A registry that has two images of one base, `one` and `two`, and an archive of both: the base, so many layers, and one of
/// this many megabytes that nothing makes smaller.
fn registry_of_two(test: &str, folder: &Path, megabytes: usize) -> Option<(Home, DebianRegistry, PathBuf)> {
    let root = busybox_root(test, folder).filter(|_| is_root(test))?;
    // First: it gives this thread the network that the registry is then in, too.
    let maker = Home::new();
    let registry = DebianRegistry::start(test, &Wishes::default())?;
    let mut names = Vec::new();
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let mut layers = vec![root.clone()];
        for layer in 0..2 {
            let layer = folder.join(format!("{name}-{layer}"));
            std::fs::create_dir(&layer).unwrap();
            std::fs::write(layer.join(layer.file_name().unwrap()), name).unwrap();
            layers.push(layer);
        }
        let mut numbers = Numbers(number as u64 + 1);
        let noise = std::iter::repeat_with(|| u8::try_from(numbers.below(256)).unwrap());
        let noise: Vec<u8> = noise.take(megabytes << 20).collect();
        std::fs::write(layers[1].join("noise"), noise).unwrap();
        let layers: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
        let name = registry.name(&format!("{name}:1"));
        image(&maker, &name, &layers, |_| {});
        maker.ok(&["push", "-q", &name]);
        names.push(name);
    }
    let archive = folder.join("both.tar");
    maker.ok(&["save", "-o", archive.to_str().unwrap(), &names[0], &names[1]]);
    Some((Home::new(), registry, archive))
}

#[test]
fn pulls_and_removals_that_are_killed_leave_a_whole_store_and_are_carried_on() {
    let test = "pulls_and_removals_that_are_killed";
    let folder = tempfile::tempdir().unwrap();
    let Some((home, registry, archive)) = registry_of_two(test, folder.path(), 3) else { return };
    let (one, two) = (registry.name("one:1"), registry.name("two:1"));
    home.ok(&["pull", "-q", &two]);
    // In use, also when it has lost its names: what it shares with the other image is never removed.
    let container = home.ok(&["create", &two, "cat", "/two-1"]);
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let seed = u64::try_from(seed & u128::from(u64::MAX)).unwrap();
    let mut numbers = Numbers(seed);
    for round in 0..rounds() {
        let words: &[&str] = match numbers.below(8) {
            0 => &["image", "prune", "-af"],
            1 => &["rmi", "-f", &one],
            2 => &["rmi", "-f", &two],
            3 => &["load", "-i", archive.to_str().unwrap()],
            4 => &["pull", "-q", &two],
            _ => &["pull", "-q", &one],
        };
        killed(&home, words, &mut numbers, 400_000);
        let ran = home.run(&["image", "verify", "--all"]);
        assert_eq!(ran.code, 0, "round {round} of seed {seed}, {words:?}: {ran:?}");
    }
    home.ok(&["start", &container]);
    home.ok(&["wait", &container]);
    assert_eq!(home.ok(&["logs", &container]), "two", "seed {seed}");
    for (name, file, text) in [(&one, "/one-1", "one"), (&two, "/two-1", "two")] {
        home.ok(&["pull", "-q", name]);
        assert_eq!(home.ok(&["run", "--rm", name, "cat", file]), text, "seed {seed}");
    }
    home.ok(&["rm", &container]);
    nothing_left(&home, seed);
}

#[test]
fn a_pull_to_a_full_disk_or_a_store_that_cannot_be_written_to_is_told_and_carried_on() {
    let test = "a_pull_to_a_full_disk";
    let folder = tempfile::tempdir().unwrap();
    let Some((home, registry, _)) = registry_of_two(test, folder.path(), 2) else { return };
    let one = registry.name("one:1");
    let disk = Disk::new(&home, "64k");
    // Enough for nothing, for some of the blobs, for all blobs but not for the layers.
    for room in [64, 1 << 10, 5 << 10] {
        disk.change(MountFlags::empty(), &format!("size={room}k"));
        let ran = home.run(&["pull", &one]);
        assert!(ran.code == 1 && ran.err.contains("No space left"), "{room}: {ran:?}");
        let ran = home.run(&["image", "verify", "--all"]);
        assert_eq!(ran.code, 0, "{room}: {ran:?}");
        assert_eq!(home.ok(&["images", "-q"]), "", "{room}");
    }
    disk.change(MountFlags::RDONLY, "size=100m");
    let ran = home.run(&["pull", &one]);
    assert!(ran.code == 1 && ran.err.contains("Read-only file system"), "{ran:?}");
    disk.change(MountFlags::empty(), "size=100m");
    home.ok(&["pull", &one]);
    assert_eq!(home.ok(&["run", "--rm", &one, "cat", "/one-1"]), "one");
    drop(home.run(&["rmi", "-f", &one]));
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
    for round in 0..rounds() {
        let words: &[&str] = match numbers.below(5) {
            0 => &["image", "prune", "-af"],
            1 => &["rmi", "-f", "box"],
            _ => &["load", "-i", archive],
        };
        killed(&home, words, &mut numbers, 120_000);
        let ran = home.run(&["image", "verify", "--all"]);
        assert_eq!(ran.code, 0, "round {round} of seed {seed}, {words:?}: {ran:?}");
    }
    home.ok(&["load", "-i", archive]);
    assert_eq!(home.ok(&["run", "--rm", "box", "cat", "/layer-2"]), "2", "seed {seed}");
    home.ok(&["start", &container]);
    home.ok(&["wait", &container]);
    assert_eq!(home.ok(&["logs", &container]), "1", "seed {seed}");
    home.ok(&["rm", &container]);
    nothing_left(&home, seed);
    assert_eq!(std::fs::read_dir(home.path().join("state/images/ingest")).unwrap().count(), 0, "seed {seed}");
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
