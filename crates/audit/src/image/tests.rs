//! Every check on an image, on one that is weak in it and on one that is not; and all forms in which images are shipped.

use std::collections::BTreeSet;
use std::io::Write;

use cofferdam_image::{ImageConfigFile, digest_of};
use serde_json::{Value, json};

use super::super::open::{Opened, open};
use super::*;
use crate::control::Outcome;
use crate::tree::Archive;
use crate::tree::tests_of_tapes::{Made, spool, spool_of, tar_of};

const NOW: i64 = 1_800_000_000;

fn config_of(config: &Value, layers: &[Vec<u8>], history: &[Value]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| digest_of(layer).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2027-01-01T00:00:00Z", "config": config,
        "rootfs": { "type": "layers", "diff_ids": ids }, "history": history,
    });
    serde_json::to_vec(&config).unwrap()
}

/// An image as a script says: a line `PATH MODE TEXT` for each file (`dev`, `cap` and `old` are modes too), `layer`,
/// `config JSON`, `history WORDS`, `tampered`.
fn image(script: &str) -> ImageFacts {
    let (mut layers, mut config, mut history, mut mismatches) =
        (vec![Vec::new()], None, Vec::new(), Vec::new());
    for line in script.lines() {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        match head {
            "layer" => layers.push(Vec::new()),
            "config" => config = Some(serde_json::from_str(rest).unwrap()),
            "history" => history.push(json!({ "created_by": rest })),
            "tampered" => mismatches.push("it is another one".to_owned()),
            path => {
                let (mode, text) = rest.split_once(' ').unwrap();
                let text = text.replace("\\n", "\n");
                let new = u64::try_from(NOW - 1000).unwrap();
                let file = Made::file(path.trim_start_matches('/'), &text).modified(new);
                let made = match mode {
                    "dev" => Made::device(path.trim_start_matches('/')),
                    "cap" => file.mode(0o755).capabilities(b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                    "old" => file.modified(1_500_000_000),
                    mode => file.mode(u32::from_str_radix(mode, 8).unwrap()),
                };
                layers.last_mut().unwrap().push(made);
            }
        }
    }
    let mut files = Archive::empty();
    for layer in &layers {
        files.lay(&spool(layer)).unwrap();
    }
    if !history.is_empty() {
        config = config.or(Some(json!({})));
    }
    let config = config.map(|config| ImageConfigFile::parse(&config_of(&config, &[], &history)).unwrap());
    ImageFacts::of(Opened { name: None, config, files, mismatches }, NOW)
}

#[test]
fn every_check_fails_on_its_weak_image_and_passes_on_its_strong_one() {
    let mut ids = BTreeSet::new();
    for line in lines() {
        let id = line.id();
        assert!(ids.insert(id), "{id} stands twice");
        let outcome = |script| (line.judge)(&image(script)).unwrap();
        let (weak, strong) = (outcome(line.weak), outcome(line.strong));
        assert_eq!(weak.outcome, Outcome::Fail, "{id}: {weak:?}");
        assert_eq!(strong.outcome, Outcome::Pass, "{id}: {strong:?}");
    }
}

#[test]
fn what_a_plain_tar_does_not_say_is_unknown() {
    let facts = image("/bin/app 755 x");
    for id in ["image.user", "image.health_check", "image.digests", "image.secrets_environment"] {
        let control = controls().into_iter().find(|control| control.about.id == id).unwrap();
        assert_eq!(control.judge(&facts).outcome, Outcome::Unknown, "{id}");
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// An archive whose entries are bytes.
fn archive(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn layout(layer_type: &str, layers: &[Vec<u8>], stored: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let config = config_of(&json!({ "User": "app" }), layers, &[]);
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", digest_of(bytes).hex()), bytes.to_vec());
    let described = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": digest_of(bytes).to_string(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "config": described("application/vnd.oci.image.config.v1+json", &config),
        "layers": stored.iter().map(|layer| described(layer_type, layer)).collect::<Vec<_>>(),
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": [described("application/vnd.oci.image.manifest.v1+json", &manifest)] });
    let mut entries = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), serde_json::to_vec(&index).unwrap()),
        blob(&config),
        blob(&manifest),
    ];
    entries.extend(stored.iter().map(|layer| blob(layer)));
    entries
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn every_form_in_which_images_are_shipped_is_read() {
    let layer = tar_of(&[Made::file("app/.env", "TOKEN=x").mode(0o644)]);
    let zipped = compressed(&layer);
    let oci = layout("application/vnd.oci.image.layer.v1.tar+gzip", std::slice::from_ref(&layer), &[zipped]);
    let config = config_of(&json!({ "User": "app" }), std::slice::from_ref(&layer), &[]);
    let saved = json!([{ "Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l/layer.tar"] }]);
    let docker = [
        ("c.json".to_owned(), config),
        ("l/layer.tar".to_owned(), layer.clone()),
        ("manifest.json".to_owned(), serde_json::to_vec(&saved).unwrap()),
    ];
    let all = [archive(&oci), archive(&docker), layer, compressed(&archive(&docker))];
    for (index, bytes) in all.iter().enumerate() {
        let (_folder, path) = written(bytes);
        let report = &super::super::audit(&path, "x.tar").unwrap()[0];
        let secret = report.findings.iter().find(|finding| finding.about.id == "image.secrets").unwrap();
        assert_eq!(secret.verdict.outcome, Outcome::Fail, "{index}");
        let digests = report.findings.iter().find(|finding| finding.about.id == "image.digests").unwrap();
        let wanted = if index == 2 { Outcome::Unknown } else { Outcome::Pass };
        assert_eq!(digests.verdict.outcome, wanted, "{index}: {:?}", digests.verdict);
    }
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &oci {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(open(folder.path()).unwrap().len(), 1, "a layout in a folder");
}

#[test]
fn a_blob_that_was_changed_is_named() {
    let layer = tar_of(&[Made::file("a", "x")]);
    let mut entries = layout(
        "application/vnd.oci.image.layer.v1.tar",
        std::slice::from_ref(&layer),
        std::slice::from_ref(&layer),
    );
    entries.last_mut().unwrap().1 = tar_of(&[Made::file("a", "evil")]);
    let (_folder, path) = written(&archive(&entries));
    assert_eq!(open(&path).unwrap()[0].mismatches.len(), 2);
}

#[test]
fn what_is_no_image_is_an_error() {
    let missing = archive(&layout("application/vnd.oci.image.layer.v1.tar", &[], &[])[..2]);
    let nothing = json!([{ "Config": "none", "Layers": [] }]);
    let docker = archive(&[("manifest.json".to_owned(), serde_json::to_vec(&nothing).unwrap())]);
    for bytes in [b"hello, this is no tar".to_vec(), missing, docker, compressed(b"x")] {
        let (_folder, path) = written(&bytes);
        assert!(open(&path).is_err());
    }
    let bomb = compressed(&vec![0; 80 << 20]);
    assert!(spool_of(&bomb).plain().is_err(), "it would fill the disk");
}
