//! Root file systems from outside: formats, what belongs to files, and what hostile archives try (ESCAPES.md, "images").
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::archive::{RawEntry, RawTar};
use support::layers::Seen;
use support::{Home, Ran, busybox_root, eventually, is_root, skip};

fn import(home: &Home, tar: &[u8], name: &str) -> Ran {
    home.run_with_input(&["image", "import", "-", name], tar)
}

/// The files of an image of one layer.
fn root_of(home: &Home, id: &str) -> Seen {
    Seen::of(Path::new(&layer_of(home, id)))
}

/// Where an image's only layer is.
fn layer_of(home: &Home, id: &str) -> PathBuf {
    home.ok(&["image", "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", id]).into()
}

fn names_in(home: &Home, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(home.path().join("state/images").join(folder)) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The layers that are unpacked, also unfinished ones.
fn folders(home: &Home) -> Vec<String> {
    names_in(home, "layers")
}

/// What there is of images: nothing where there is none.
fn remains(home: &Home) -> Vec<String> {
    ["layers", "blobs/sha256", "ingest"].iter().flat_map(|folder| names_in(home, folder)).collect()
}

/// Imports a hostile tar that must be refused, and leave nothing.
fn refused(tar: RawTar, why: &str) {
    let home = Home::new();
    let ran = import(&home, &tar.bytes(), "hostile");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains(why), "{ran:?}");
    assert_eq!(remains(&home), [""; 0]);
    assert_eq!(home.ok(&["image", "ls", "-q"]), "");
}

#[test]
fn a_folder_with_busybox_is_an_image() {
    let test = "a_folder_with_busybox_is_an_image";
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()).filter(|_| is_root(test)) else { return };
    let home = Home::new();
    home.ok(&["image", "import", root.to_str().unwrap(), "busybox"]);
    let ran = home.run(&["run", "--rm", "busybox", "sh", "-c", "id -u; ls /; cat /etc/hosts | head -1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("0\n") && ran.out.contains("127.0.0.1\tlocalhost"), "{ran:?}");
    let verified = home.ok(&["run", "-d", "busybox", "sleep", "100"]);
    assert_eq!(home.run(&["verify", &verified]).code, 0);
}

#[test]
fn a_static_program_alone_is_an_image() {
    let test = "a_static_program_alone_is_an_image";
    if !is_root(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("hello.c");
    std::fs::write(&source, "#include <stdio.h>\nint main(void) { puts(\"from scratch\"); return 5; }")
        .unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let built = Command::new("gcc").args(["-static", "-o"]).arg(root.join("hello")).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        skip(test, "gcc -static does not work here");
        return;
    }
    let home = Home::new();
    home.ok(&["image", "import", "--cmd", "/hello", root.to_str().unwrap(), "scratch"]);
    let ran = home.run(&["run", "--rm", "scratch"]);
    assert_eq!((ran.code, ran.out.trim()), (5, "from scratch"), "{ran:?}");
    let ran = home.run(&["run", "--rm", "scratch", "/bin/sh"]);
    assert_eq!(ran.code, 127, "{ran:?}");
}

#[test]
fn compressed_tars_are_read() {
    let tar = RawTar::default().file("a", b"text").bytes();
    for program in ["gzip", "zstd", "xz"] {
        let mut child =
            match Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
                Ok(child) => child,
                Err(error) => {
                    skip(&format!("compressed_tars_are_read ({program})"), &error.to_string());
                    continue;
                }
            };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &tar).unwrap();
        let packed = child.wait_with_output().unwrap().stdout;
        let home = Home::new();
        let ran = import(&home, &packed, "a");
        assert_eq!(ran.code, 0, "{program}: {ran:?}");
        assert_eq!(std::fs::read(root_of(&home, ran.out.trim()).join("a")).unwrap(), b"text");
        let ran = import(&home, &packed[..packed.len() / 2], "b");
        assert_eq!(ran.code, 1, "{program}: {ran:?}");
        assert_eq!(folders(&home).len(), 1);
    }
}

#[test]
fn attributes_capabilities_hard_links_and_holes_come_along() {
    let test = "attributes_capabilities_hard_links_and_holes_come_along";
    if !is_root(test) {
        return;
    }
    // cap_net_bind_service+ep, as linux/capability.h lays it out (version 2).
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut sparse = b"1\n1048576\n3\n".to_vec();
    sparse.resize(512, 0);
    sparse.extend(b"end");
    let size = (1048576 + 3).to_string();
    let tar = RawTar::default()
        .pax(&[
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ])
        .add(&RawEntry { name: "a", mode: 0o4755, uid: 33, ..RawEntry::default() }, b"text")
        .add(&RawEntry { name: "b", target: "a", kind: b'1', ..RawEntry::default() }, b"")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", size.as_bytes()),
        ])
        .file("GNUSparseFile.0/sparse", &sparse)
        .bytes();
    let home = Home::new();
    let ran = import(&home, &tar, "a");
    assert_eq!(ran.code, 0, "{ran:?}");
    let root = root_of(&home, ran.out.trim());
    let a = std::fs::metadata(root.join("a")).unwrap();
    assert_eq!((a.uid(), a.mode() & 0o7777, a.nlink()), (33, 0o4755, 2));
    let names = |path: &Path| {
        let mut buffer = Vec::with_capacity(4096);
        rustix::fs::listxattr(path, rustix::buffer::spare_capacity(&mut buffer)).unwrap();
        let names = buffer.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect::<std::collections::BTreeSet<_>>()
    };
    let expected: Vec<&str> = vec!["security.capability", "user.note"];
    assert!(names(&root.join("a")).iter().eq(expected.iter()), "{:?}", names(&root.join("a")));
    let sparse = std::fs::metadata(root.join("sparse")).unwrap();
    assert_eq!(sparse.len(), 1_048_579);
    // Holes take no room, in a folder as in an image.
    let room = || cofferdam_image::tree::usage::on_disk(&home.path().join("state/images/layers")).unwrap();
    assert!(room() < 200_000, "{} bytes", room());
    // A folder is read the same way as a tar.
    let second = home.ok(&["image", "import", root.to_str().unwrap(), "second"]);
    let root = root_of(&home, &second);
    assert!(names(&root.join("a")).iter().eq(expected.iter()));
    assert_eq!(std::fs::metadata(root.join("b")).unwrap().nlink(), 2);
    assert!(room() < 400_000, "{} bytes", room());
}

#[test]
fn hostile_paths_with_dots_are_refused() {
    for name in ["../escape", "a/../../escape", ".."] {
        refused(RawTar::default().file(name, b"x"), "leads out of the root");
    }
}

#[test]
fn hostile_absolute_paths_are_refused() {
    refused(RawTar::default().file("/tmp/cofferdam-escape", b"x"), "leads out of the root");
    assert!(!Path::new("/tmp/cofferdam-escape").exists());
}

#[test]
fn hostile_link_then_write_through_it_stays_inside() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let home = Home::new();
    let tar = RawTar::default().link("out", target).file("out/escape", b"x").file("out", b"instead").bytes();
    let ran = import(&home, &tar, "hostile");
    assert!(std::fs::read_dir(outside.path()).unwrap().next().is_none(), "{ran:?}");
    // A link to a folder that the root itself has is followed inside the root: so is Debian's /bin.
    let tar = RawTar::default()
        .add(&RawEntry { name: "usr/bin", kind: b'5', mode: 0o755, ..RawEntry::default() }, b"")
        .link("bin", "/usr/bin")
        .file("bin/tool", b"x")
        .bytes();
    let ran = import(&home, &tar, "merged");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(root_of(&home, ran.out.trim()).join("usr/bin/tool").exists());
}

#[test]
fn hostile_hard_links_to_the_host_are_refused() {
    for target in ["../../../../../../etc/passwd", "/etc/passwd"] {
        let tar =
            RawTar::default().add(&RawEntry { name: "p", target, kind: b'1', ..RawEntry::default() }, b"");
        refused(tar, "leads out of the root");
    }
    // Through a link inside, to what the root does not have.
    let tar = RawTar::default()
        .link("etc", "/etc")
        .add(&RawEntry { name: "p", target: "etc/passwd", kind: b'1', ..RawEntry::default() }, b"");
    let home = Home::new();
    assert_eq!(import(&home, &tar.bytes(), "hostile").code, 1);
    assert_eq!(remains(&home), [""; 0]);
}

/// In a layer such a name deletes what is below: a file of a root that is called so has no place in an image.
#[test]
fn hostile_names_of_deletions_are_refused() {
    for name in [".wh.plain", "etc/.wh.passwd", ".wh..wh..opq", ".wh.x/y"] {
        refused(RawTar::default().file(name, b""), "means a deletion");
    }
}

#[test]
fn hostile_device_nodes_are_left_out() {
    let home = Home::new();
    let tar = RawTar::default()
        .add(&RawEntry { name: "disk", kind: b'4', mode: 0o666, ..RawEntry::default() }, b"")
        .add(&RawEntry { name: "whiteout", kind: b'3', mode: 0, ..RawEntry::default() }, b"")
        .add(&RawEntry { name: "pipe", kind: b'6', mode: 0o666, ..RawEntry::default() }, b"")
        .file("kept", b"x")
        .bytes();
    let ran = import(&home, &tar, "nodes");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("left out 2 device nodes"), "{ran:?}");
    let names: Vec<_> = std::fs::read_dir(&*root_of(&home, ran.out.trim())).unwrap().collect();
    assert_eq!(names.len(), 2, "a file and a pipe");
}

#[test]
fn hostile_duplicate_entries_end_with_the_last_and_write_through_none() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "whole").unwrap();
    let home = Home::new();
    let tar = RawTar::default()
        .file("a", b"first")
        .link("a", victim.to_str().unwrap())
        .file("a", b"last")
        .add(&RawEntry { name: "a", target: "a", kind: b'1', ..RawEntry::default() }, b"")
        .bytes();
    let ran = import(&home, &tar, "twice");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(std::fs::read(root_of(&home, ran.out.trim()).join("a")).unwrap(), b"last");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "whole");
}

/// The extended header says that the next file is long; the plain header says that it is empty, and the file holds a tar.
#[test]
fn cve_2025_62518_tar_header_size_confusion() {
    let inner = RawTar::default().file("smuggled", b"x").bytes();
    let size = inner.len().to_string();
    let tar = RawTar::default()
        .pax(&[("size", size.as_bytes())])
        .add(&RawEntry { name: "inner.tar", size: Some(0), ..RawEntry::default() }, &inner)
        .bytes();
    let home = Home::new();
    let ran = import(&home, &tar, "nested");
    assert_eq!(ran.code, 0, "{ran:?}");
    let root = root_of(&home, ran.out.trim());
    assert!(!root.join("smuggled").exists());
    assert_eq!(std::fs::metadata(root.join("inner.tar")).unwrap().len(), inner.len() as u64);
}

#[test]
fn a_killed_import_is_cleaned_up_by_the_next_command() {
    let home = Home::new();
    let mut child = home
        .command()
        .args(["image", "import", "-", "never"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &RawTar::default().file("a", &[1; 4096]).bytes()[..2048]).unwrap();
    assert!(eventually(|| !names_in(&home, "ingest").is_empty()));
    // While it lives, nobody takes its file away.
    home.ok(&["image", "ls"]);
    assert_eq!(names_in(&home, "ingest").len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    home.ok(&["ps"]);
    assert_eq!(remains(&home), [""; 0]);
}

#[test]
fn an_image_without_a_name_goes_when_its_last_container_does() {
    let test = "an_image_without_a_name_goes_when_its_last_container_does";
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = busybox_root(test, folder.path()).filter(|_| is_root(test)) else { return };
    let home = Home::new();
    let import = || home.ok(&["image", "import", root.to_str().unwrap(), "box"]);
    let first = layer_of(&home, &import());
    let id = home.ok(&["run", "-d", "box", "sleep", "100"]);
    std::fs::write(root.join("new"), "").unwrap();
    let second = layer_of(&home, &import());
    assert_ne!(first, second);
    assert!(first.exists(), "a container uses it");
    home.ok(&["image", "prune", "-f"]);
    assert!(first.exists(), "a container uses it");
    assert_eq!(home.run(&["exec", &id, "cat", "/bin/busybox"]).code, 0);
    home.ok(&["rm", "-f", &id]);
    home.ok(&["image", "prune", "-f"]);
    assert!(!first.exists() && second.exists());
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
}

/// What is said of a file that is no tar is said in our words: not with the file's own bytes, which may be a terminal's orders.
#[test]
fn what_is_no_tar_is_told_without_its_bytes() {
    if !is_root("what_is_no_tar_is_told_without_its_bytes") {
        return;
    }
    let home = Home::new();
    let file = home.path().join("none.tar");
    std::fs::write(&file, "\x1b[31m\x07 no tar ".repeat(100)).unwrap();
    let ran = home.run(&["image", "import", file.to_str().unwrap(), "none"]);
    assert!(ran.code == 1 && ran.err.contains("it is no tar"), "{ran:?}");
    assert!(!ran.err.contains(['\x1b', '\x07']), "{ran:?}");
}
