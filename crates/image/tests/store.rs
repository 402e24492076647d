//! The store on a disk: whole blobs or none, names that move, several at once.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

use std::io::{Read, Write};

use cofferdam_image::{Descriptor, MediaType, Store, StoreError, digest_of};
use cofferdam_names::ImageReference;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    (folder, store)
}

fn blob(bytes: &[u8]) -> Descriptor {
    let media_type: MediaType = "application/x".parse().unwrap();
    Descriptor::new(media_type, digest_of(bytes), bytes.len() as u64)
}

fn name(text: &str) -> ImageReference {
    text.parse().unwrap()
}

#[test]
fn a_download_that_was_cut_carries_on_where_it_was() {
    let (_folder, store) = store();
    let lease = store.lease().unwrap();
    let whole = blob(b"hello, world");
    let mut ingest = lease.ingest(&whole).unwrap().unwrap();
    ingest.write_all(b"hello").unwrap();
    drop(ingest);
    assert!(!store.contains(&whole.digest));
    let mut ingest = lease.ingest(&whole).unwrap().unwrap();
    assert_eq!(ingest.offset(), 5);
    ingest.write_all(b", world").unwrap();
    assert!(ingest.write_all(b"!").is_err());
    ingest.finish().unwrap();
    let mut text = String::new();
    store.open_blob(&whole.digest).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello, world");
    assert!(lease.ingest(&whole).unwrap().is_none());
    assert_eq!(std::fs::read_dir(store.folder().join("ingest")).unwrap().count(), 0);
}

#[test]
fn wrong_bytes_get_no_place() {
    let (_folder, store) = store();
    let lease = store.lease().unwrap();
    let whole = blob(b"right");
    let mut ingest = lease.ingest(&whole).unwrap().unwrap();
    ingest.write_all(b"wrong").unwrap();
    assert!(matches!(ingest.finish(), Err(StoreError::WrongDigest { .. })));
    let mut ingest = lease.ingest(&whole).unwrap().unwrap();
    assert_eq!(ingest.offset(), 0, "what was wrong is gone");
    ingest.write_all(b"rig").unwrap();
    assert!(matches!(ingest.finish(), Err(StoreError::WrongSize { found: 3, .. })));
    let mut ingest = lease.ingest(&whole).unwrap().unwrap();
    assert_eq!(ingest.offset(), 3, "what was short stays");
    ingest.restart().unwrap();
    ingest.write_all(b"right").unwrap();
    ingest.finish().unwrap();
    // A disk that changed it.
    std::fs::write(store.blob_path(&whole.digest), b"wrong").unwrap();
    assert!(matches!(store.read_small(&whole), Err(StoreError::WrongDigest { .. })));
    std::fs::write(store.blob_path(&whole.digest), b"righter").unwrap();
    assert!(matches!(store.read_small(&whole), Err(StoreError::WrongSize { .. })));
    let huge = Descriptor { size: 5 << 20, ..whole };
    assert!(matches!(store.read_small(&huge), Err(StoreError::TooLarge { .. })));
}

#[test]
fn several_at_once_write_one_blob_once() {
    let (_folder, store) = store();
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    let whole = blob(&bytes);
    let written = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let lease = store.lease().unwrap();
                if let Some(mut ingest) = lease.ingest(&whole).unwrap() {
                    let from = usize::try_from(ingest.offset()).unwrap();
                    ingest.write_all(&bytes[from..]).unwrap();
                    ingest.finish().unwrap();
                    written.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(written.into_inner(), 1);
    assert_eq!(digest_of(&std::fs::read(store.blob_path(&whole.digest)).unwrap()), whole.digest);
}

#[test]
fn names_move_and_an_image_that_loses_its_last_one_stays() {
    let (_folder, store) = store();
    let lease = store.lease().unwrap();
    let manifest =
        |text: &str| lease.put_small(MediaType::OCI_MANIFEST.parse().unwrap(), text.as_bytes()).unwrap();
    let (one, two) = (manifest("1"), manifest("2"));
    assert!(lease.put_reference(&name("x"), &blob(b"absent")).is_err());
    lease.put_reference(&name("a"), &one).unwrap();
    lease.put_reference(&name("b:1"), &one).unwrap();
    lease.put_reference(&name("a"), &two).unwrap();
    lease.put_reference(&name("b:1"), &two).unwrap();
    let images = store.images().unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!((&images[0].descriptor, images[0].names.len()), (&two, 2));
    assert_eq!((&images[1].descriptor, images[1].names.len()), (&one, 0));
    assert_eq!(store.resolve("a").unwrap().descriptor, two);
    assert_eq!(store.resolve("docker.io/library/b:1").unwrap().descriptor, two);
    assert_eq!(store.resolve(&one.digest.hex()[..9]).unwrap().descriptor, one);
    assert_eq!(store.resolve(one.digest.as_str()).unwrap().descriptor, one);
    assert_eq!(store.resolve(&format!("a@{}", two.digest)).unwrap().descriptor, two);
    for none in ["c", "", "sha256:", &format!("a@{}", one.digest)] {
        assert!(matches!(store.resolve(none), Err(StoreError::NoImage { .. })), "{none}");
    }
    assert!(store.remove_reference(&name("a"), false).unwrap());
    assert!(!store.remove_reference(&name("a"), false).unwrap());
    assert_eq!(store.remove_image(&two.digest).unwrap(), [name("b:1")]);
    lease.put_reference(&name("c"), &one).unwrap();
    assert_eq!(store.images().unwrap().len(), 1);
}

#[test]
fn a_store_of_another_version_is_refused() {
    let (_folder, store) = store();
    std::fs::write(store.folder().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(Store::open(store.folder()), Err(StoreError::Layout { .. })));
}
