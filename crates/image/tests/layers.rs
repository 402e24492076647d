//! Layers: unpacked once, shared, stacked with deletions, and written again from an overlay's upper folder.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is told"
)]

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use cofferdam_image::{
    ImageConfigFile, LayerCompression, LayerError, LayerOptions, Limits, StoreError, Unpacked, digest_of,
};
use support::{Tar, chain, leftovers, read, see, store, unpack, unpack_as};
use tar::EntryType;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Mounts layers read-only, topmost first, and works with what they show; skipped where nobody may mount.
fn mounted(lower: &[std::path::PathBuf], work: impl FnOnce(&std::path::Path)) {
    if !is_root() {
        println!("SKIP: mounting needs root");
        return;
    }
    use std::os::fd::AsRawFd;
    let at = tempfile::tempdir().unwrap();
    let opened = support::opened(lower);
    let paths: Vec<String> = opened.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect();
    let option = format!("lowerdir={}", paths.join(":"));
    let attributes = cofferdam_kernel::mount::Attributes::NONE;
    let mount =
        cofferdam_kernel::mount::new_filesystem("overlay", "overlay", [option.as_str()], attributes).unwrap();
    cofferdam_kernel::mount::attach_at_path(mount, at.path()).unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(at.path())));
    rustix::mount::unmount(at.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_layer_is_unpacked_once_and_only_if_it_is_the_right_one() {
    let (_folder, store) = store();
    let tar =
        Tar::default().folder("etc").file("etc/a", "a").hard_link("b", "etc/a").link("c", "/etc/a").end();
    let diff_id = digest_of(&tar);
    assert!(store.layer(&diff_id).unwrap().is_none());
    let lease = store.lease().unwrap();
    let layer = match lease.unpack(&diff_id, &mut tar.as_slice(), Limits::default()).unwrap() {
        Unpacked::Now(layer) => layer,
        Unpacked::Before(_) => unreachable!("it was not there"),
    };
    let seen = see(layer.clone());
    assert_eq!((read(&seen, "b").as_str(), layer.record.entries, layer.record.bytes), ("a", 4, 1));
    assert_eq!(std::fs::metadata(seen.files.join("b")).unwrap().nlink(), 2);
    assert_eq!(std::fs::metadata(seen.files.join("etc")).unwrap().mtime(), 1_700_000_000);
    // The second time nothing is read of the stream.
    let again = lease.unpack(&diff_id, &mut &b"what is no tar"[..], Limits::default()).unwrap();
    assert_eq!(again, Unpacked::Before(layer.clone()));
    assert_eq!(store.layer(&diff_id).unwrap(), Some(layer));
    let other = digest_of(b"something else");
    let wrong = unpack_as(&store, &tar, &other, Limits::default());
    assert!(matches!(wrong, Err(LayerError::WrongContent { .. })));
    assert_eq!(leftovers(&store).len(), 1, "what was wrong is gone");
}

#[test]
fn compressed_streams_are_told_by_their_first_bytes() {
    let (_folder, store) = store();
    let tar = Tar::default().file("a", &"text ".repeat(10_000)).end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let layer = unpack_as(&store, &gzip, &digest_of(&tar), Limits::default()).unwrap();
    assert_eq!(read(&layer, "a").len(), 50_000);
    // What is cut off is not taken for whole, wherever it is cut.
    let (_folder, store) = support::store();
    for cut in [0, 10, gzip.len() / 2, gzip.len() - 1] {
        assert!(unpack_as(&store, &gzip[..cut], &digest_of(&tar), Limits::default()).is_err(), "{cut}");
    }
    assert!(leftovers(&store).is_empty());
}

#[test]
fn a_layer_of_umoci_ends_with_its_last_byte() {
    // It names the root so, too.
    let tar = Tar::default().folder("/").file("a", "first").file("b", &"last".repeat(100));
    let whole = tar.end();
    let bytes = whole.len() - 1024 - (512 - 400);
    let (_folder, store) = store();
    let layer = unpack(&store, &whole[..bytes]).unwrap();
    assert_eq!((read(&layer, "a"), read(&layer, "b")), ("first".to_owned(), "last".repeat(100)));
    // Content that is not whole is none, also where its block would be filled up.
    for cut in [1, 399, 400, 500] {
        assert!(unpack(&store, &whole[..bytes - cut]).is_err(), "{cut}");
    }
}

#[test]
fn deletions_hide_what_is_below_and_nothing_of_their_own_layer() {
    let (_folder, store) = store();
    let low = Tar::default()
        .folder("d")
        .file("d/old", "1")
        .folder("e")
        .file("e/old", "1")
        .folder("f")
        .file("f/old", "1")
        .file("gone", "1")
        .file("kept", "1")
        .end();
    let high = Tar::default()
        .file(".wh.gone", "")
        // A folder that hides what it covers, told before and after what it has of its own.
        .folder("d")
        .file("d/.wh..wh..opq", "")
        .file("d/new", "2")
        .file("e/new", "2")
        .file("e/.wh..wh..opq", "")
        // Deleted and made again, in both orders.
        .file(".wh.f", "")
        .folder("f")
        .file("f/new", "2")
        .file("kept", "2")
        .file(".wh.kept", "")
        .end();
    let lower: Vec<_> = [&low, &high].map(|tar| digest_of(tar)).to_vec();
    for tar in [&low, &high] {
        unpack(&store, tar).unwrap();
    }
    let snapshot = store.snapshot(&lower).unwrap();
    assert_eq!(snapshot.len(), 2);
    mounted(&snapshot, |root| {
        assert!(!root.join("gone").exists());
        assert_eq!(std::fs::read_to_string(root.join("kept")).unwrap(), "2");
        for folder in ["d", "e", "f"] {
            let names: Vec<_> = std::fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(names, ["new"], "{folder}");
        }
    });
}

#[test]
fn a_layer_whose_root_hides_all_ends_the_stack() {
    let (_folder, store) = store();
    let low = Tar::default().file("old", "1").end();
    let high = Tar::default().file("new", "2").file(".wh..wh..opq", "").end();
    let diff_ids = [&low, &high, &high].map(|tar| unpack(&store, tar).unwrap().diff_id.clone());
    let snapshot = store.snapshot(&diff_ids).unwrap();
    assert_eq!(snapshot.len(), 1, "once, and nothing below");
    assert!(unpack(&store, &high).unwrap().files.join("new").exists());
    assert!(matches!(store.snapshot(&[digest_of(b"")]), Err(StoreError::NotUnpacked { .. })));
}

#[test]
fn an_upper_folder_becomes_the_same_bytes_each_time_and_unpacks_to_itself() {
    let (_folder, store) = store();
    let tar = Tar::default()
        .pax(&[("SCHILY.xattr.user.note", b"x")])
        .file("a", "text")
        .folder("d")
        .file("d/.wh..wh..opq", "")
        .file(".wh.gone", "")
        .entry(EntryType::Fifo, "pipe", "", b"")
        .hard_link("d/b", "a")
        .link("d/c", "nowhere")
        .file(&format!("d/{}", "n".repeat(90)), "")
        .end();
    let layer = unpack(&store, &tar).unwrap();
    assert!(std::fs::metadata(layer.files.join("pipe")).unwrap().file_type().is_fifo());
    let lease = store.lease().unwrap();
    let first = lease.write_layer(&layer.files, &LayerOptions::default()).unwrap();
    assert_eq!(first.descriptor.digest, first.diff_id);
    let gzip = LayerOptions { compression: LayerCompression::Gzip, ..LayerOptions::default() };
    let [second, third] = [(), ()].map(|()| lease.write_layer(&layer.files, &gzip).unwrap());
    assert_eq!(second, third);
    assert_eq!(second.diff_id, first.diff_id);
    let again = see(lease.unpack_blob(&second.descriptor.digest, &first.diff_id).unwrap());
    let third = lease.write_layer(&again.files, &LayerOptions::default()).unwrap();
    assert_eq!(third.diff_id, first.diff_id);
    let mut text = Vec::new();
    store.open_blob(&first.diff_id).unwrap().read_to_end(&mut text).unwrap();
    for name in [".wh.gone", "d/.wh..wh..opq", "SCHILY.xattr.user.note"] {
        assert!(text.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    // Time of a build that is to be the same each time.
    let clamped = LayerOptions { newest: Some(5), ..LayerOptions::default() };
    let early = lease.write_layer(&layer.files, &clamped).unwrap();
    let early = see(lease.unpack_blob(&early.descriptor.digest, &early.diff_id).unwrap());
    assert_eq!(std::fs::metadata(early.files.join("a")).unwrap().mtime(), 5);
}

#[test]
fn a_file_whose_name_means_a_deletion_makes_no_layer() {
    let (_folder, store) = store();
    let upper = tempfile::tempdir().unwrap();
    std::fs::write(upper.path().join(".wh.passwd"), "").unwrap();
    let lease = store.lease().unwrap();
    let error = lease.write_layer(upper.path(), &LayerOptions::default()).unwrap_err();
    assert!(chain(&error).contains("means a deletion"), "{}", chain(&error));
    assert_eq!(std::fs::read_dir(store.folder().join("ingest")).unwrap().count(), 0, "the draft is gone");
}

#[test]
fn an_image_is_committed_under_its_names() {
    let (_folder, store) = store();
    let lease = store.lease().unwrap();
    let upper = tempfile::tempdir().unwrap();
    std::fs::write(upper.path().join("a"), "a").unwrap();
    let layer = lease.write_layer(upper.path(), &LayerOptions::default()).unwrap();
    let mut config = ImageConfigFile::new("2024-01-02T03:04:05Z".parse().unwrap());
    let refused = lease.commit(&config, vec![layer.descriptor.clone()], &[]);
    assert!(matches!(refused, Err(StoreError::LayerCount { blobs: 1, diff_ids: 0 })));
    config.diff_ids = vec![layer.diff_id.clone()];
    let names = ["a:1", "b"].map(|name| name.parse().unwrap());
    let image = lease.commit(&config, vec![layer.descriptor], &names).unwrap();
    assert_eq!(store.resolve("a:1").unwrap().names, names);
    let (_, manifest) = store.manifest(&image, &config.platform).unwrap();
    assert_eq!(store.config(&manifest).unwrap(), config);
}

#[test]
fn many_at_once_unpack_a_layer_once() {
    let (_folder, store) = store();
    let tar = (0..200).fold(Tar::default(), |tar, i| tar.file(&format!("f{i}"), "x")).end();
    let now = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lease = store.lease().unwrap();
                let unpacked =
                    lease.unpack(&digest_of(&tar), &mut tar.as_slice(), Limits::default()).unwrap();
                if matches!(unpacked, Unpacked::Now(_)) {
                    now.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(now.into_inner(), 1);
    assert_eq!(leftovers(&store).len(), 1, "no lock and no draft is left");
}

#[test]
fn holes_take_no_room_and_are_read_as_zeroes() {
    use std::os::unix::fs::FileExt;
    let (_folder, store) = store();
    let mut map = b"1\n5368709120\n3\n".to_vec();
    map.resize(512, 0);
    map.extend(b"end");
    let tar = Tar::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", b"5368709123"),
        ])
        .entry(EntryType::Regular, "x", "", &map)
        .file("after", "text")
        .end();
    let layer = unpack(&store, &tar).unwrap();
    let file = std::fs::File::open(layer.files.join("sparse")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5_368_709_123);
    let mut end = [7; 5];
    file.read_exact_at(&mut end, 5_368_709_118).unwrap();
    assert_eq!(&end, b"\0\0end");
    assert_eq!(read(&layer, "after"), "text");
    let room = cofferdam_image::tree::usage::on_disk(&store.folder().join("layers")).unwrap();
    assert!(room < 1 << 20, "{room} bytes");
}

#[test]
fn folders_of_all_sizes_and_long_names_are_whole() {
    let (_folder, store) = store();
    let mut tar = Tar::default();
    for number in 0..2000 {
        tar = tar.file(&format!("d/{number}-{}", "n".repeat(number % 90)), "");
    }
    let long = "l".repeat(255);
    tar = tar.pax(&[("path", format!("d/{long}").as_bytes())]).file("x", "long");
    for length in [1, 90, 440, 448, 449, 500, 4095] {
        let target = "t".repeat(length);
        tar = tar.pax(&[("linkpath", target.as_bytes())]).link(&format!("link-{length}"), "x");
    }
    let value = vec![b'v'; 3000];
    tar = tar.pax(&[("SCHILY.xattr.user.large", value.as_slice())]).file("attributed", "content");
    let layer = unpack(&store, &tar.end()).unwrap();
    let names: std::collections::BTreeSet<_> = std::fs::read_dir(layer.files.join("d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2001);
    for name in &names {
        assert!(std::fs::metadata(layer.files.join("d").join(name)).is_ok(), "{name}");
    }
    assert_eq!(read(&layer, &format!("d/{long}")), "long");
    for length in [1, 90, 440, 448, 449, 500, 4095] {
        let target = std::fs::read_link(layer.files.join(format!("link-{length}"))).unwrap();
        assert_eq!(target.as_os_str().len(), length);
    }
    assert_eq!(read(&layer, "attributed"), "content");
    let mut found = Vec::with_capacity(4096);
    rustix::fs::getxattr(
        layer.files.join("attributed"),
        c"user.large",
        rustix::buffer::spare_capacity(&mut found),
    )
    .unwrap();
    assert_eq!(found, value);
}
