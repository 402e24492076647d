//! Archives of images: what is unpacked while they are still being read.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

mod support;

use std::io::Read;
use std::path::Path;

use cofferdam_image::tree::pack::TarSink;
use cofferdam_image::tree::{Attributes, TreeSink};
use cofferdam_image::{LayerCompression, Lease, MediaType, NewLayer, Platform, Store, digest_of};
use cofferdam_names::Digest;

fn media_type(text: &str) -> MediaType {
    text.parse().unwrap()
}

/// A layer of one file.
fn layer(lease: &Lease, name: &str) -> NewLayer {
    let made = lease.write_layer_with(LayerCompression::Gzip, |sink| {
        sink.file(Path::new(name), &Attributes::default(), 3, &mut &b"abc"[..])?;
        Ok(cofferdam_image::tree::LeftOut::default())
    });
    made.unwrap()
}

fn config(diff_ids: &[&Digest]) -> Vec<u8> {
    let Platform { os, architecture, .. } = Platform::host();
    let diff_ids: Vec<&str> = diff_ids.iter().map(|digest| digest.as_str()).collect();
    let rootfs = serde_json::json!({"type": "layers", "diff_ids": diff_ids});
    let config = serde_json::json!({"architecture": architecture, "os": os, "rootfs": rootfs});
    config.to_string().into_bytes()
}

/// A store with an image of two layers, and its archive.
fn saved() -> (Vec<u8>, [Digest; 2]) {
    let (_folder, store) = support::store();
    let lease = store.lease().unwrap();
    let layers = ["first", "second"].map(|name| layer(&lease, name));
    let diff_ids = layers.clone().map(|layer| layer.diff_id);
    let json = config(&[&diff_ids[0], &diff_ids[1]]);
    let config = lease.put_small(media_type(MediaType::OCI_CONFIG), &json).unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": {"mediaType": MediaType::OCI_CONFIG, "digest": config.digest.as_str(), "size": config.size},
        "layers": layers.each_ref().map(|layer| serde_json::json!({
            "mediaType": layer.descriptor.media_type.as_str(),
            "digest": layer.descriptor.digest.as_str(),
            "size": layer.descriptor.size,
        })),
    });
    let manifest =
        lease.put_small(media_type(MediaType::OCI_MANIFEST), manifest.to_string().as_bytes()).unwrap();
    lease.put_reference(&"localhost/x:1".parse().unwrap(), &manifest).unwrap();
    let mut archive = Vec::new();
    let mut sink = TarSink::new(&mut archive);
    store.save(&store.images().unwrap(), &mut sink).unwrap();
    sink.finish().unwrap();
    (archive, diff_ids)
}

/// The names and contents of an archive's entries.
fn files_of(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    tar::Archive::new(archive).entries().unwrap().map(read).collect()
}

fn is_layer((name, bytes): &(String, Vec<u8>)) -> bool {
    name.starts_with("blobs/sha256/") && bytes.starts_with(b"\x1f\x8b")
}

/// The same files of an archive in another order.
fn in_order(archive: &[u8], key: impl Fn(&str) -> usize) -> Vec<u8> {
    let mut files = files_of(archive);
    files.sort_by_key(|(name, _)| key(name));
    files
        .iter()
        .fold(support::Tar::default(), |tar, (name, bytes)| {
            if name.ends_with('/') { tar } else { tar.entry(tar::EntryType::Regular, name, "", bytes) }
        })
        .end()
}

fn unpacked(store: &Store, diff_ids: &[Digest; 2]) -> [bool; 2] {
    diff_ids.each_ref().map(|diff_id| store.layer(diff_id).unwrap().is_some())
}

#[test]
fn layers_of_an_archive_that_says_what_they_are_come_unpacked() {
    let (archive, diff_ids) = saved();
    let (_folder, store) = support::store();
    let loaded = store.lease().unwrap().load(&mut archive.as_slice()).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(unpacked(&store, &diff_ids), [true, true]);
    // In whatever order: what is known at the end is unpacked too.
    for last in ["manifest.json", "index.json", "blobs"] {
        let archive = in_order(&archive, |name| usize::from(name.starts_with(last)));
        let (_folder, store) = support::store();
        store.lease().unwrap().load(&mut archive.as_slice()).unwrap();
        assert_eq!(unpacked(&store, &diff_ids), [true, true], "{last}");
    }
}

#[test]
fn layers_that_are_others_than_the_configuration_says_are_left_to_whoever_needs_them() {
    let (archive, diff_ids) = saved();
    // Another configuration under the same image: the second layer should be the first.
    let (_folder, store) = support::store();
    let lease = store.lease().unwrap();
    let json = config(&[&diff_ids[0], &digest_of(b"something else")]);
    let wrong = digest_of(&json);
    let files = files_of(&archive);
    let list = files.iter().find(|(name, _)| name == "manifest.json").unwrap();
    let mut list: serde_json::Value = serde_json::from_slice(&list.1).unwrap();
    list[0]["Config"] = format!("blobs/sha256/{}", wrong.hex()).into();
    let tar = support::Tar::default()
        .entry(tar::EntryType::Regular, "manifest.json", "", list.to_string().as_bytes())
        .entry(tar::EntryType::Regular, &format!("blobs/sha256/{}", wrong.hex()), "", &json);
    let layers = files.iter().filter(|file| is_layer(file));
    let tar = layers.fold(tar, |tar, (name, bytes)| tar.entry(tar::EntryType::Regular, name, "", bytes));
    lease.load(&mut tar.end().as_slice()).unwrap();
    assert_eq!(unpacked(&store, &diff_ids), [true, false]);
    let left = std::fs::read_dir(store.folder().join("layers")).unwrap();
    assert_eq!(left.count(), 1, "nothing is left of what was wrong");
}

#[test]
fn a_list_of_very_many_layers_is_no_more_work_than_its_files() {
    let (archive, diff_ids) = saved();
    let (_folder, store) = support::store();
    let blobs: Vec<_> = files_of(&archive).into_iter().filter(is_layer).collect();
    // The same blob under a thousand digests, for a thousand images, and as many files that nobody names.
    let wrong: Vec<Digest> = (0..1000).map(|number: u32| digest_of(&number.to_le_bytes())).collect();
    let json = config(&wrong.iter().collect::<Vec<_>>());
    let name = format!("blobs/sha256/{}", digest_of(&json).hex());
    let image = serde_json::json!({"Config": name, "Layers": vec![blobs[0].0.as_str(); 1000]});
    let list = serde_json::Value::from(vec![image; 40]).to_string();
    let mut tar = support::Tar::default()
        .entry(tar::EntryType::Regular, "manifest.json", "", list.as_bytes())
        .entry(tar::EntryType::Regular, &name, "", &json);
    for number in 0..10_000 {
        tar = tar.file(&format!("other-{number}"), "");
    }
    let tar = tar.entry(tar::EntryType::Regular, &blobs[0].0, "", &blobs[0].1);
    let _ = store.lease().unwrap().load(&mut tar.end().as_slice());
    assert_eq!(unpacked(&store, &diff_ids), [false, false]);
    let layers = store.folder().join("layers");
    assert_eq!(std::fs::read_dir(layers).unwrap().count(), 0, "nothing of it is left");
}
