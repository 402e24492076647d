//! Layers that mean harm (ESCAPES.md, "images"): each is refused, or does nothing outside of its own folder.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

mod support;

use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use cofferdam_image::{Limits, digest_of};
use support::{Tar, chain, leftovers, store, unpack, unpack_as};
use tar::EntryType;

/// Unpacks what must be refused; the error's whole chain.
fn refused(tar: &[u8]) -> String {
    let (_folder, store) = store();
    let error = unpack(&store, tar).unwrap_err();
    assert!(leftovers(&store).is_empty(), "{:?}", leftovers(&store));
    chain(&error)
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["../out", "/out", "a/../../out", "..", "a/.."] {
        let error = refused(&Tar::default().file(path, "x").end());
        assert!(error.contains("leads out"), "{path}: {error}");
    }
    for long in [b"../../etc/cron.d/x".as_slice(), b"/etc/cron.d/x"] {
        let error = refused(&Tar::default().pax(&[("path", long)]).file("harmless", "x").end());
        assert!(error.contains("leads out"), "{error}");
    }
}

#[test]
fn a_link_is_not_followed_out_of_the_layer() {
    let (folder, store) = store();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    for target in [outside.to_str().unwrap(), "../../../outside", "../../../../../../../../../../tmp"] {
        let tar = Tar::default().link("up", target).file("up/cofferdam-escape", "x").end();
        // Inside the layer the link leads to a folder that the layer does not have, or to one of the layer's own.
        let _ = unpack(&store, &tar);
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{target}");
        assert!(!Path::new("/tmp/cofferdam-escape").exists());
    }
    // A folder of the layer that is replaced by a link after it was made.
    let tar = Tar::default().folder("a").link("a", outside.to_str().unwrap()).file("a/x", "x").end();
    let _ = unpack(&store, &tar);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_link_is_replaced_and_not_written_through() {
    let (folder, store) = store();
    let outside = folder.path().join("outside");
    std::fs::write(&outside, "kept").unwrap();
    let tar = Tar::default()
        .link("passwd", outside.to_str().unwrap())
        .file("passwd", "new")
        .link("shadow", outside.to_str().unwrap())
        .hard_link("second", "shadow")
        .file("second", "new")
        .end();
    let layer = unpack(&store, &tar).unwrap();
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "kept");
    assert!(layer.files.join("passwd").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_hard_link_reaches_no_file_of_the_host() {
    for target in ["/etc/passwd", "../../../../../../../../etc/passwd", "not/here"] {
        refused(&Tar::default().hard_link("passwd", target).end());
    }
    // By a link of the layer's own: what it leads to is looked for inside the layer.
    refused(&Tar::default().link("up", "/etc").hard_link("passwd", "up/passwd").end());
    // The link itself may have two names; the file that it leads to is nobody's.
    let (_folder, store) = store();
    let tar = Tar::default().link("link", "/etc/passwd").hard_link("second", "link").end();
    let layer = unpack(&store, &tar).unwrap();
    assert!(layer.files.join("second").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn device_nodes_are_left_out_and_a_forged_deletion_with_them() {
    let (_folder, store) = store();
    let node = |path: &str, major, minor| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(EntryType::Char);
        header.set_mode(0o666);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header
    };
    let tar = Tar::default()
        .header(node("mem", 1, 1), b"")
        // What an overlay would take for a deletion of the image's file below.
        .header(node("passwd", 0, 0), b"")
        .entry(EntryType::Block, "disk", "", b"")
        .file("kept", "")
        .end();
    let layer = unpack(&store, &tar).unwrap();
    assert_eq!(std::fs::read_dir(&layer.files).unwrap().count(), 1);
    assert_eq!(layer.record.left_out, 3);
}

#[test]
fn deletions_reach_nothing_outside() {
    for path in [".wh..", ".wh...", "a/.wh..", ".wh.", "../.wh.x", ".wh.x/y"] {
        refused(&Tar::default().file(path, "").end());
    }
    let (folder, store) = store();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("kept"), "").unwrap();
    let up = outside.to_str().unwrap();
    for name in ["up/.wh.kept", "up/.wh..wh..opq"] {
        let _ = unpack(&store, &Tar::default().link("up", up).file(name, "").end());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn marks_of_the_overlay_and_of_security_modules_are_not_taken_from_a_layer() {
    let (_folder, store) = store();
    let marks: [(&str, &[u8]); 6] = [
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.metacopy", b""),
        ("SCHILY.xattr.security.selinux", b"system_u:object_r:unlabeled_t:s0"),
        ("SCHILY.xattr.user.kept", b"x"),
    ];
    let layer = unpack(&store, &Tar::default().pax(&marks).folder("d").end()).unwrap();
    let mut names = Vec::with_capacity(4096);
    rustix::fs::listxattr(layer.files.join("d"), rustix::buffer::spare_capacity(&mut names)).unwrap();
    assert_eq!(names, b"user.kept\0");
}

/// Set-user-ID programs belong to images (`su`, `ping`); a file becomes one only with the owner that it says, which is an
/// unprivileged number of the host once it is mapped.
#[test]
fn a_set_user_id_bit_does_not_outlive_a_change_of_the_owner() {
    let (_folder, store) = store();
    let mut header = tar::Header::new_gnu();
    header.set_path("su").unwrap();
    header.set_mode(0o4755);
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
    header.set_size(0);
    header.set_mtime(0);
    let layer = unpack(&store, &Tar::default().header(header, b"").file("su2", "").end()).unwrap();
    assert_eq!(std::fs::metadata(layer.files.join("su")).unwrap().mode() & 0o7777, 0o4755);
    // Nobody else on the host can reach it there.
    let mode = std::fs::metadata(store.folder()).unwrap().mode();
    assert_eq!(mode & 0o077, 0, "the store is the owner's alone");
}

#[test]
fn bombs_end_at_their_limits() {
    let (_folder, store) = store();
    let limits = Limits { entries: 100, bytes: 1 << 20, depth: 20 };
    let refused = |tar: &[u8], word: &str| {
        let error = chain(&unpack_as(&store, tar, &digest_of(tar), limits).unwrap_err());
        assert!(error.contains(word), "{error}");
        assert!(leftovers(&store).is_empty());
    };
    let many = (0..101).fold(Tar::default(), |tar, i| tar.file(&format!("{i}"), "")).end();
    refused(&many, "more than 100 entries");
    let deep = Tar::default().folder(&"d/".repeat(21)).end();
    refused(&deep, "deeper than 20");
    let large = (0..3).fold(Tar::default(), |tar, i| tar.file(&format!("{i}"), &"x".repeat(1 << 19))).end();
    refused(&large, "larger than 1 MiB");
    // A sparse file is as large as it says, however little of it the archive holds.
    let sparse = Tar::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"big"),
            ("GNU.sparse.realsize", b"99999999999"),
        ])
        .entry(EntryType::Regular, "x", "", &{
            let mut map = b"0\n".to_vec();
            map.resize(512, 0);
            map
        })
        .end();
    refused(&sparse, "larger than 1 MiB");
    // 64 MiB of zeroes for each file's name, in a few bytes of gzip: read with a limit.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(64 << 20);
    header.set_cksum();
    gzip.write_all(header.as_bytes()).unwrap();
    gzip.write_all(&vec![0; 64 << 20]).unwrap();
    refused(&gzip.finish().unwrap(), "larger than 1 MiB");
}

/// The size that counts is the extended header's: an archive in the archive must not be read as entries of the outer one.
#[test]
fn cve_2025_62518_the_size_of_an_extended_header_counts() {
    let inner = Tar::default().file("smuggled", "x").end();
    let size = inner.len().to_string();
    let mut header = tar::Header::new_gnu();
    header.set_path("archive.tar").unwrap();
    header.set_mode(0o644);
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
    header.set_mtime(0);
    // The header itself says that there is no content.
    header.set_size(0);
    let tar = Tar::default().pax(&[("size", size.as_bytes())]).header(header, &inner).file("after", "").end();
    let (_folder, store) = store();
    let layer = unpack(&store, &tar).unwrap();
    assert!(!layer.files.join("smuggled").exists());
    assert!(layer.files.join("after").exists());
    assert_eq!(std::fs::read(layer.files.join("archive.tar")).unwrap(), inner);
}

#[test]
fn a_layer_folder_that_is_a_link_is_not_followed() {
    let (folder, store) = store();
    let tar = Tar::default().file("a", "a").end();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(store.folder().join("layers")).unwrap();
    symlink(&outside, store.folder().join("layers").join(format!(".new-{}", digest_of(&tar).hex()))).unwrap();
    assert!(unpack(&store, &tar).is_err());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn what_is_no_tar_is_refused() {
    for bytes in [&b""[..], b"\x1f\x8b\x08", b"hello, world", &[7u8; 2000]] {
        refused(bytes);
    }
}

#[test]
fn a_million_entries_are_counted_and_refused_in_time() {
    let (_folder, store) = store();
    // As many as a hostile layer has, of a kind that costs nothing to keep.
    let entry = Tar::default().folder("d").end();
    let entry = entry.get(..512).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..60_000 {
        gzip.write_all(entry).unwrap();
    }
    let tar = gzip.finish().unwrap();
    let limits = Limits { entries: 50_000, ..Limits::default() };
    let start = std::time::Instant::now();
    let error = unpack_as(&store, &tar, &digest_of(b""), limits).unwrap_err();
    assert!(chain(&error).contains("more than 50000 entries"), "{}", chain(&error));
    assert!(start.elapsed().as_secs() < 60);
}
