//! Layers as one image: it shows what an overlay of them shows, whatever they hold.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_image::{Limits, Stack, Store, digest_of};
use cofferdam_kernel::mount::{Attributes, attach_at_path, new_filesystem};
use cofferdam_names::Digest;
use support::Tar;
use tar::EntryType;

/// A store that keeps layers as images; none where nobody can mount them, which it says.
fn store(test: &str) -> Option<(tempfile::TempDir, Store)> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIP {test}: it needs root");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    let tar = Tar::default().file("a", "").end();
    let diff_id = digest_of(&tar);
    let layer =
        store.lease().unwrap().unpack(&diff_id, &mut tar.as_slice(), Limits::default()).unwrap().layer();
    if layer.files.is_dir() {
        eprintln!("SKIP {test}: this kernel does not mount an image from its file");
        return None;
    }
    Some((folder, store))
}

fn add(store: &Store, tar: &[u8]) -> Digest {
    let diff_id = digest_of(tar);
    store.lease().unwrap().unpack(&diff_id, &mut { tar }, Limits::default()).unwrap();
    diff_id
}

/// A mount for as long as it lives.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(fstype: &str, source: &str, options: &[String]) -> Self {
        let at = tempfile::tempdir().unwrap();
        let options = options.iter().map(String::as_str);
        attach_at_path(new_filesystem(fstype, source, options, Attributes::NONE).unwrap(), at.path())
            .unwrap();
        Self(at)
    }

    fn overlay(layers: &[PathBuf]) -> Self {
        let opened = support::opened(layers);
        let path = |fd: &std::os::fd::OwnedFd| format!("lowerdir+=/proc/self/fd/{}", fd.as_raw_fd());
        Self::new("overlay", "overlay", &opened.iter().map(path).collect::<Vec<_>>())
    }

    fn stack(stack: &Stack) -> Self {
        // fsconfig(2) takes 255 bytes: by descriptor, as the runtime does it.
        let files: Vec<_> = stack.devices.iter().map(|path| std::fs::File::open(path).unwrap()).collect();
        let device = |file: &std::fs::File| format!("device=/proc/self/fd/{}", file.as_raw_fd());
        let options: Vec<String> = files.iter().map(device).collect();
        Self::new("erofs", stack.image.to_str().unwrap(), &options)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

/// Everything of a tree that a container can see, by path.
fn seen(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        // An overlay lists the mark of a deletion in a folder that only one layer has, and finds nothing there.
        let Ok(found) = path.symlink_metadata() else { continue };
        let content = if found.is_file() {
            // Large ones are full of holes.
            let bytes = if found.len() > 1 << 24 { vec![] } else { std::fs::read(&path).unwrap() };
            digest_of(&bytes).to_string()
        } else if found.is_symlink() {
            format!("{:?}", std::fs::read_link(&path).unwrap())
        } else {
            String::new()
        };
        let mut names = vec![0; 4096];
        let length = rustix::fs::llistxattr(&path, &mut names[..]).unwrap();
        let mut xattrs: Vec<_> = names[..length]
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty() && !name.starts_with(b"trusted.overlay."))
            .map(|name| {
                let mut value = vec![0; 4096];
                let name = std::ffi::CString::new(name).unwrap();
                let length = rustix::fs::lgetxattr(&path, name.as_c_str(), &mut value[..]).unwrap();
                (name, value[..length].to_vec())
            })
            .collect();
        xattrs.sort();
        let text = format!(
            "{:o} {}:{} {} {} {content} {xattrs:?}",
            found.mode(),
            found.uid(),
            found.gid(),
            found.mtime(),
            if found.is_dir() { 0 } else { found.len() },
        );
        all.insert(path.strip_prefix(root).unwrap().to_owned(), text);
        if found.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all
}

/// Both as they are seen; the stack shows the same, and a file as often as it has names.
fn compare(store: &Store, diff_ids: &[Digest]) -> BTreeMap<PathBuf, String> {
    let lease = store.lease().unwrap();
    let stack = lease.make_stack(diff_ids).unwrap().unwrap();
    assert_eq!(store.stack(diff_ids).unwrap().as_ref(), Some(&stack));
    let layers = store.snapshot(diff_ids).unwrap();
    assert_eq!(stack.layers, layers);
    let (overlay, one) = (Mounted::overlay(&layers), Mounted::stack(&stack));
    let (expected, found) = (seen(overlay.0.path()), seen(one.0.path()));
    for (path, text) in &expected {
        assert_eq!(found.get(path), Some(text), "{}", path.display());
    }
    assert_eq!(expected.len(), found.len());
    let mut names: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for path in found.keys() {
        let file = one.0.path().join(path).symlink_metadata().unwrap();
        if !file.is_dir() {
            names.entry(file.ino()).or_insert((0, file.nlink())).0 += 1;
        }
    }
    assert!(names.values().all(|(names, said)| names == said), "{names:?}");
    found
}

/// CVE-2016-5195, CVE-2022-0847, CVE-2026-31431: whoever writes to pages of files that are only read writes for all that share them.
/// Containers share none of a layer that is an image: each mount has inodes, and so pages, of its own.
#[test]
fn cve_2016_5195_2022_0847_2026_31431_mounts_of_a_layer_share_no_files() {
    let Some((_folder, store)) = store("mounts_of_a_layer_share_no_files") else { return };
    let tar = Tar::default().file("file", "content").end();
    let diff_id = digest_of(&tar);
    let lease = store.lease().unwrap();
    let layer = lease.unpack(&diff_id, &mut tar.as_slice(), Limits::default()).unwrap().layer();
    let mounts = [(); 3].map(|()| cofferdam_image::open_layer(&layer.files).unwrap());
    let devices: std::collections::BTreeSet<u64> = mounts
        .iter()
        .map(|mount| std::fs::metadata(format!("/proc/self/fd/{}/file", mount.as_raw_fd())).unwrap().dev())
        .collect();
    assert_eq!(devices.len(), mounts.len(), "each mount is a file system of its own");
}

#[test]
fn a_stack_shows_what_an_overlay_shows() {
    let Some((_folder, store)) = store("a_stack_shows_what_an_overlay_shows") else { return };
    let long = "n".repeat(99);
    let mut low = Tar::default()
        .folder("d")
        .file("d/old", "1")
        .folder("e")
        .file("e/old", "1")
        .file("gone", "1")
        .file("file", "1")
        .folder("folder")
        .file("folder/in", "1")
        .file("a", "several names")
        .hard_link("b", "a")
        .hard_link("c", "a")
        .link("link", "d")
        .link(&long, &"t".repeat(99))
        .entry(EntryType::Fifo, "pipe", "", b"");
    for number in 0..300 {
        low = low.file(&format!("d/file-{number:03}"), &"x".repeat(number));
    }
    let middle = Tar::default()
        .pax(&[("SCHILY.xattr.user.note", b"x"), ("SCHILY.xattr.security.capability", CAPABILITY)])
        .file("program", "1")
        .file(".wh.gone", "")
        // Hidden, and something of its own; a file where a folder was, and the other way round.
        .file("e/new", "2")
        .file("e/.wh..wh..opq", "")
        .file(".wh.folder", "")
        .file("folder", "2")
        .file(".wh.file", "")
        .folder("file")
        .file("file/in", "2")
        .file(".wh.b", "")
        .file("d/.wh.file-007", "");
    let high =
        Tar::default().folder("d").file("d/high", &"3".repeat(5000)).file("e/old", "3").file("gone", "3");
    let diff_ids = [low, middle, high].map(|tar| add(&store, &tar.end()));
    let found = compare(&store, &diff_ids);
    for (path, there) in [
        ("d/high", true),
        ("d/file-006", true),
        ("d/file-007", false),
        ("e/old", true),
        ("e/new", true),
        ("folder/in", false),
        ("file/in", true),
        ("b", false),
        ("c", true),
    ] {
        assert_eq!(found.contains_key(Path::new(path)), there, "{path}");
    }
    // The same once more, from another process's view: a stack is made once.
    assert!(store.verify_all().unwrap().problems.is_empty());
}

/// `cap_net_raw+ep` (linux/capability.h).
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A layer of few names, so that layers meet.
fn some_layer(numbers: &mut Numbers) -> Vec<u8> {
    let mut tar = Tar::default();
    let name = |numbers: &mut Numbers| ["a", "b", "c"][usize::try_from(numbers.below(3)).unwrap()];
    let mut files = Vec::new();
    // Half of them are too large to be copied into a stack.
    if numbers.below(2) == 0 {
        tar = tar.file(&format!("large-{}", numbers.below(1000)), &"large".repeat(60_000));
    }
    for _ in 0..numbers.below(12) {
        let mut path = name(numbers).to_owned();
        for _ in 0..numbers.below(3) {
            path = format!("{path}/{}", name(numbers));
        }
        let parent = Path::new(&path).parent().unwrap().to_str().unwrap().to_owned();
        let mark = |mark: &str| if parent.is_empty() { mark.to_owned() } else { format!("{parent}/{mark}") };
        // A file where this layer has a folder, or the other way round, is no tar that anybody makes.
        let clash = files.iter().any(|(other, _): &(String, bool)| {
            *other == path || path.starts_with(&format!("{other}/")) || other.starts_with(&format!("{path}/"))
        });
        match numbers.below(6) {
            _ if clash => {}
            0 => tar = tar.file(&mark(&format!(".wh.{}", path.rsplit('/').next().unwrap())), ""),
            1 if !parent.is_empty() => tar = tar.file(&mark(".wh..wh..opq"), ""),
            2 => {
                tar = tar.link(&path, "a/b");
                files.push((path, false));
            }
            3 if files.iter().any(|(_, plain)| *plain) => {
                let target = files.iter().find(|(_, plain)| *plain).unwrap().0.clone();
                tar = tar.hard_link(&path, &target);
                files.push((path, false));
            }
            _ => {
                tar = tar.file(&path, &"text".repeat(usize::try_from(numbers.below(400)).unwrap()));
                files.push((path, true));
            }
        }
    }
    tar.end()
}

#[test]
fn any_layers_show_the_same_as_a_stack() {
    let Some((_folder, store)) = store("any_layers_show_the_same_as_a_stack") else { return };
    let mut numbers = Numbers(7);
    let (mut compared, mut devices, mut layers_of_all) = (0, 0, 0);
    for _ in 0..60 {
        let count = 3 + numbers.below(4);
        let lease = store.lease().unwrap();
        let layers = (0..count).filter_map(|_| {
            let tar = some_layer(&mut numbers);
            let diff_id = digest_of(&tar);
            lease.unpack(&diff_id, &mut tar.as_slice(), Limits::default()).ok().map(|_| diff_id)
        });
        let diff_ids: Vec<Digest> = layers.collect();
        if store.snapshot(&diff_ids).is_ok_and(|layers| layers.len() >= 3) {
            compare(&store, &diff_ids);
            compared += 1;
            let stack = store.stack(&diff_ids).unwrap().unwrap();
            devices += stack.devices.len();
            layers_of_all += stack.layers.len();
        }
    }
    assert!(compared > 30, "{compared}");
    assert!((layers_of_all / 4..layers_of_all * 3 / 4).contains(&devices), "{devices} of {layers_of_all}");
}

#[test]
fn layers_that_hold_little_are_no_devices_of_their_stack() {
    let Some((_folder, store)) = store("layers_that_hold_little_are_no_devices_of_their_stack") else {
        return;
    };
    let large = "large".repeat(200_000);
    let tars = [
        Tar::default()
            .file("small", "1")
            .file("a/hidden", &large)
            .file("b", "several names")
            .hard_link("c", "b"),
        Tar::default().file("large", &large).file("a/.wh.hidden", ""),
        Tar::default().file("empty", "").file("d", &"x".repeat(70_000)),
        Tar::default().folder("folder").file(".wh.c", ""),
    ];
    let diff_ids = tars.map(|tar| add(&store, &tar.end()));
    let found = compare(&store, &diff_ids);
    assert!(found.contains_key(Path::new("b")) && !found.contains_key(Path::new("a/hidden")));
    let stack = store.stack(&diff_ids).unwrap().unwrap();
    // What is hidden does not count, what shows does.
    assert_eq!(stack.devices, [stack.layers[2].clone()], "the second from below");
    // Small ones are copied up to a limit.
    let some = |number: usize| Tar::default().file(&format!("f{number}"), &"y".repeat(250_000));
    let diff_ids: Vec<Digest> = (0..80).map(|number| add(&store, &some(number).end())).collect();
    compare(&store, &diff_ids);
    let stack = store.stack(&diff_ids).unwrap().unwrap();
    assert_eq!(stack.devices, stack.layers[67..], "the lowest 13 of 80");
    assert!(store.verify_all().unwrap().problems.is_empty());
}

#[test]
fn a_stack_is_used_as_long_as_its_layers_are_those_that_it_was_made_of() {
    let test = "a_stack_is_used_as_long_as_its_layers_are_those_that_it_was_made_of";
    let Some((_folder, store)) = store(test) else { return };
    let diff_ids = ["1", "2", "3"].map(|text| add(&store, &Tar::default().file(text, text).end()));
    let lease = store.lease().unwrap();
    assert_eq!(lease.make_stack(&diff_ids[..2]).unwrap(), None, "few layers are mounted one by one");
    let stack = lease.make_stack(&diff_ids).unwrap().unwrap();
    // Written to: not used, and told.
    let file = std::fs::File::options().write(true).open(&stack.image).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 2000).unwrap();
    assert_eq!(store.stack(&diff_ids).unwrap(), None);
    let stack = lease.make_stack(&diff_ids).unwrap().unwrap();
    // Another file in a layer's place, if of the same bytes.
    let layer = &stack.layers[1];
    std::fs::copy(layer, layer.with_extension("copy")).unwrap();
    std::fs::rename(layer.with_extension("copy"), layer).unwrap();
    assert_eq!(store.stack(&diff_ids).unwrap(), None);
    assert!(lease.make_stack(&diff_ids).is_err(), "a layer is not ready");
    add(&store, &Tar::default().file("2", "2").end());
    assert!(lease.make_stack(&diff_ids).unwrap().is_some());
    drop(lease);
    // It goes with its image: nothing keeps these.
    store.collect(&cofferdam_image::Reached::default()).unwrap().unwrap();
    assert!(!stack.image.exists());
}
