//! Images of bytes that look like something.

use std::io::Write;

use cofferdam_image::registry::{Client, CredentialFiles, RegistrySettings};
use cofferdam_image::{
    Descriptor, Hasher, ImageConfigFile, Lease, Manifest, MediaType, Platform, Store, digest_of,
};
use cofferdam_names::ImageReference;

pub(crate) fn name(text: &str) -> ImageReference {
    text.parse().unwrap()
}

pub(crate) fn kind(text: &str) -> MediaType {
    text.parse().unwrap()
}

pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    (folder, store)
}

/// A client with these settings, and credentials from this file.
pub(crate) fn client(settings: &str, credentials: Option<&std::path::Path>) -> Client {
    let settings = RegistrySettings::parse("registries.toml", settings).unwrap();
    client_of(RegistrySettings { certificate_folders: Vec::new(), ..settings }, credentials)
}

pub(crate) fn client_of(settings: RegistrySettings, credentials: Option<&std::path::Path>) -> Client {
    let files = credentials.map(|path| CredentialFiles::only(path.to_owned()));
    Client::new(settings, files.unwrap_or_default())
}

/// So many bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A tar with one file.
pub(crate) fn tar_of(path: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, path, content).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn put_blob(lease: &Lease, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::new(kind(media_type), digest_of(bytes), bytes.len() as u64);
    if let Some(mut ingest) = lease.ingest(&descriptor).unwrap() {
        ingest.restart().unwrap();
        ingest.write_all(bytes).unwrap();
        ingest.finish().unwrap();
    }
    descriptor
}

/// An image for a platform with one layer for each content; its manifest.
pub(crate) fn put_image(lease: &Lease, platform: &str, contents: &[Vec<u8>]) -> Descriptor {
    let mut config = ImageConfigFile::new("2026-01-01T00:00:00Z".parse().unwrap());
    config.platform = platform.parse::<Platform>().unwrap();
    let mut layers = Vec::new();
    for (at, content) in contents.iter().enumerate() {
        let tar = tar_of(&format!("file-{at}"), content);
        let mut hasher = Hasher::default();
        hasher.update(&tar);
        config.diff_ids.push(hasher.finish());
        layers.push(put_blob(lease, MediaType::OCI_LAYER, &tar));
    }
    let config = put_blob(lease, MediaType::OCI_CONFIG, &config.to_bytes().unwrap());
    let manifest = Manifest {
        media_type: kind(MediaType::OCI_MANIFEST),
        config,
        layers,
        subject: None,
        artifact_type: None,
        annotations: Default::default(),
    };
    lease.put_small(kind(MediaType::OCI_MANIFEST), &manifest.to_bytes().unwrap()).unwrap()
}

/// An index of such images.
pub(crate) fn put_index(lease: &Lease, images: &[(&str, Descriptor)]) -> Descriptor {
    let described = |(platform, manifest): &(&str, Descriptor)| Descriptor {
        platform: Some(platform.parse().unwrap()),
        ..manifest.clone()
    };
    let index = cofferdam_image::ImageIndex {
        media_type: kind(MediaType::OCI_INDEX),
        manifests: images.iter().map(described).collect(),
        subject: None,
        annotations: Default::default(),
    };
    lease.put_small(kind(MediaType::OCI_INDEX), &index.to_bytes().unwrap()).unwrap()
}
