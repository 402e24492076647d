//! A layer is the same files, whether it is kept as a folder or as an image; and no bytes make either of them fail otherwise than
//! with an error.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is told"
)]

mod support;

use cofferdam_image::{LayerForm, LayerOptions, Limits, Store, digest_of};
use proptest::prelude::*;
use support::{Tar, see, store};
use tar::EntryType;

/// What a layer's files are, as the digest of the tar that they would become.
fn files_of(store: &Store, tar: &[u8], form: LayerForm) -> Result<String, String> {
    let store = store.clone().with_form(form);
    let lease = store.lease().unwrap();
    let limits = Limits { entries: 10_000, bytes: 1 << 24, depth: 64 };
    let unpacked = lease.unpack(&digest_of(tar), &mut { tar }, limits);
    let layer = unpacked.map_err(|error| support::chain(&error))?.layer();
    let hides_all = layer.record.hides_all;
    let seen = see(layer);
    let written = lease.write_layer(&seen.files, &LayerOptions::default());
    drop(seen);
    std::fs::remove_dir_all(store.folder().join("layers")).unwrap();
    written.map(|layer| format!("{} {hides_all}", layer.diff_id)).map_err(|error| support::chain(&error))
}

/// One entry of a tar, of names that meet each other.
fn entry() -> impl Strategy<Value = (u8, String, String)> {
    let name = prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just(".wh.a"),
        Just(".wh.b"),
        Just(".wh..wh..opq"),
        Just("..")
    ];
    let path = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    (0u8..7, path.clone(), path)
}

fn tar_of(entries: &[(u8, String, String)]) -> Vec<u8> {
    let mut tar = Tar::default();
    for (kind, path, target) in entries {
        tar = match kind {
            0 | 1 => tar.file(path, target),
            2 | 3 => tar.folder(path),
            4 => tar.link(path, target),
            5 => tar.hard_link(path, target),
            _ => tar.entry(EntryType::Fifo, path, "", b""),
        };
    }
    tar.end()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_hold_the_same_files(entries in proptest::collection::vec(entry(), 1..12)) {
        if rustix::process::geteuid().is_root() {
            let (_folder, store) = store();
            let tar = tar_of(&entries);
            let folder = files_of(&store, &tar, LayerForm::Folder);
            let image = files_of(&store, &tar, LayerForm::Best);
            if let (Ok(folder), Ok(image)) = (&folder, &image) {
                prop_assert_eq!(folder, image);
            }
        }
    }

    #[test]
    fn any_change_of_a_tar_is_read_or_refused(
        entries in proptest::collection::vec(entry(), 1..6),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let (_folder, store) = store();
        let mut tar = tar_of(&entries);
        for (at, byte) in &changes {
            let at = at.index(tar.len());
            tar[at] = *byte;
        }
        // Neither panics, and what is refused leaves nothing.
        if files_of(&store, &tar, LayerForm::Best).is_err() {
            prop_assert!(support::leftovers(&store).is_empty());
        }
    }
}
