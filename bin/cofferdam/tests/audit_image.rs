//! `cofferdam audit image` on what the store holds: the same answer as for the archive that it came from.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;

use support::archive::{RawEntry, RawTar};
use support::{Home, is_root};

/// The outcomes by check, and what was looked at.
fn audited(home: &Home, image: &str) -> (BTreeMap<String, String>, String) {
    let report: serde_json::Value =
        serde_json::from_str(&home.ok(&["audit", "image", "--format", "json", image])).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let outcomes = findings.map(|finding| (word(&finding["id"]), word(&finding["outcome"]))).collect();
    (outcomes, word(&report["target"]))
}

#[test]
fn an_image_of_the_store_is_audited_by_its_name_its_id_and_its_archive() {
    let test = "an_image_of_the_store_is_audited_by_its_name_its_id_and_its_archive";
    if !is_root(test) {
        return;
    }
    let home = Home::new();
    let rooted = RawEntry { name: "bin/rooted", mode: 0o4755, ..RawEntry::default() };
    let tar = RawTar::default().add(&rooted, b"x").file("app/.env", b"TOKEN=secret\n").bytes();
    let imported = home.run_with_input(&["image", "import", "-", "shop/web:1"], &tar);
    assert_eq!(imported.code, 0, "{imported:?}");
    let (by_name, target) = audited(&home, "shop/web:1");
    assert_eq!(target, "image shop/web:1");
    for id in ["image.secrets", "image.set_id"] {
        assert_eq!(by_name[id], "fail", "{by_name:?}");
    }
    assert_eq!(by_name["image.digests"], "pass");
    let id = home.ok(&["image", "ls", "-q", "--no-trunc"]);
    let hex = id.strip_prefix("sha256:").unwrap();
    for word in [id.as_str(), hex, &hex[..12]] {
        assert_eq!(audited(&home, word).0, by_name, "{word}");
    }
    let archive = home.path().join("web.tar");
    let archive = archive.to_str().unwrap();
    home.ok(&["image", "save", "-o", archive, "shop/web:1"]);
    assert_eq!(audited(&home, archive).0, by_name, "its archive");
}

#[test]
fn a_blob_that_was_changed_in_the_store_is_named() {
    let test = "a_blob_that_was_changed_in_the_store_is_named";
    if !is_root(test) {
        return;
    }
    let home = Home::new();
    let tar = RawTar::default().file("a", b"x").bytes();
    assert_eq!(home.run_with_input(&["image", "import", "-", "plain"], &tar).code, 0);
    let blobs = home.path().join("state/images/blobs/sha256");
    let evil = RawTar::default().file("a", b"evil").bytes();
    let blobs = std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path());
    let layer = blobs.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    std::fs::write(&layer, evil).unwrap();
    assert_eq!(audited(&home, "plain").0["image.digests"], "fail");
}

#[test]
fn what_is_neither_a_file_nor_an_image_is_said_so() {
    let home = Home::new();
    let ran = home.run(&["audit", "image", "no/such:image"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no/such:image") && ran.err.contains("cofferdam image ls"), "{ran:?}");
    let ran = home.run(&["audit", "image", "./no-such.tar"]);
    assert!(ran.code == 1 && ran.err.contains("cannot open ./no-such.tar"), "{ran:?}");
}
