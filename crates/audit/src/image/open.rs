//! Images as they are shipped: Docker's archives, OCI layouts, plain tars of a root file system, and our own store.

use std::path::{Path, PathBuf};

use cofferdam_image::{
    Descriptor, Document, DocumentError, ImageConfigFile, MediaType, Platform, Store, StoreError,
};
use cofferdam_names::Digest;
use serde::Deserialize;
use thiserror::Error;

use crate::tree::{Archive, ArchiveError, Failure, Spool, SpoolError};

/// Manifests, indexes and configurations are at most this long.
const MOST_DOCUMENT: usize = 8 << 20;
/// An index may point to another one so often.
const MOST_INDEXES: usize = 4;
/// More images in one archive are not looked at.
const MOST_IMAGES: usize = 100;

/// An image that cannot be looked at.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It cannot be opened, or not be decompressed.
    #[error("cannot read it")]
    Spool(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is no archive.
    #[error("it is neither an image nor a tar of a root file system")]
    Archive(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it refers to is not in it, or is no such document.
    #[error("cannot read its {what}")]
    Part {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It lacks something.
    #[error("it has no {0}")]
    Lacks(String),
    /// Our store does not give it.
    #[error("cannot read it from the store")]
    Store(#[source] StoreError),
    /// Its document cannot be understood.
    #[error("cannot understand its {0}")]
    Document(&'static str, #[source] DocumentError),
}

impl From<SpoolError> for ImageError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(Box::new(error))
    }
}

impl From<ArchiveError> for ImageError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Box::new(error))
    }
}

/// An image with its layers laid over each other.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the archive calls it.
    pub(super) name: Option<String>,
    /// How it is started; `None` for a plain tar.
    pub(super) config: Option<ImageConfigFile>,
    /// Its files.
    pub(super) files: Archive,
    /// Blobs that are not what they are called by.
    pub(super) mismatches: Vec<String>,
}

/// Opens whatever stands at a path.
pub(super) fn open(path: &Path) -> Result<Vec<Opened>, ImageError> {
    if path.is_dir() {
        return layout(&Blobs::Folder(path.to_owned()));
    }
    let plain = Spool::open(path)?.plain()?;
    // No tar is that short; a report on nothing would pass.
    if plain.len() == 0 {
        return Err(ImageError::Lacks("bytes".to_owned()));
    }
    let mut outer = Archive::empty();
    outer.lay(&plain)?;
    let has = |name: &str| outer.content(name).is_some();
    if has("/oci-layout") && has("/index.json") {
        return layout(&Blobs::Archive(outer));
    }
    if has("/manifest.json") {
        return docker(&outer);
    }
    Ok(vec![Opened { name: None, config: None, files: outer, mismatches: Vec::new() }])
}

/// Where blobs are.
enum Blobs {
    Folder(PathBuf),
    Archive(Archive),
    Store(Box<Store>),
}

impl Blobs {
    fn file(&self, name: &str) -> Result<Spool, ImageError> {
        match self {
            Self::Folder(folder) => Ok(Spool::open(&folder.join(name))?),
            Self::Archive(archive) => {
                archive.content(name).cloned().ok_or_else(|| ImageError::Lacks(name.to_owned()))
            }
            Self::Store(_) => Err(ImageError::Lacks(name.to_owned())),
        }
    }

    fn blob(&self, digest: &Digest) -> Result<Spool, ImageError> {
        match self {
            Self::Store(store) => {
                store.open_blob(digest).map_err(ImageError::Store).and_then(|file| Ok(Spool::of(file)?))
            }
            _ => self.file(&format!("blobs/sha256/{}", digest.hex())),
        }
    }
}

fn document(blob: &Spool, what: &'static str) -> Result<Vec<u8>, ImageError> {
    blob.bytes(MOST_DOCUMENT).map_err(|failure| part(what, failure))
}

fn part(what: impl Into<String>, failure: Failure) -> ImageError {
    ImageError::Part { what: what.into(), source: Box::new(failure) }
}

/// An OCI image layout, in a folder or an archive.
fn layout(blobs: &Blobs) -> Result<Vec<Opened>, ImageError> {
    const NAME: &str = "org.opencontainers.image.ref.name";
    let index: MediaType =
        MediaType::OCI_INDEX.parse().map_err(|error| ImageError::Document("index.json", error))?;
    let bytes = document(&blobs.file("index.json")?, "index.json")?;
    let Document::Index(index) =
        Document::parse(&index, &bytes).map_err(|error| ImageError::Document("index.json", error))?
    else {
        return Err(ImageError::Lacks("index".to_owned()));
    };
    let images = index.manifests.iter().filter(|manifest| !manifest.is_attestation()).take(MOST_IMAGES);
    let opened: Vec<Opened> = images
        .map(|image| {
            let name = ["io.containerd.image.name", NAME].iter().find_map(|key| image.annotations.get(*key));
            described(blobs, image, name.cloned())
        })
        .collect::<Result<_, _>>()?;
    if opened.is_empty() { Err(ImageError::Lacks("image".to_owned())) } else { Ok(opened) }
}

/// An image of our store, by a name or digest.
pub(super) fn of_store(store: Store, word: &str) -> Result<Opened, ImageError> {
    let image = store.resolve(word).map_err(ImageError::Store)?;
    described(&Blobs::Store(Box::new(store)), &image.descriptor, Some(word.to_owned()))
}

/// The image that a descriptor leads to: of an index the one for this machine, or the first.
fn described(blobs: &Blobs, image: &Descriptor, name: Option<String>) -> Result<Opened, ImageError> {
    let mut mismatches = Vec::new();
    let mut image = image.clone();
    for _ in 0..MOST_INDEXES {
        let blob = checked(blobs, &image, "manifest", &mut mismatches)?;
        let bytes = document(&blob, "manifest")?;
        match Document::parse(&image.media_type, &bytes)
            .map_err(|error| ImageError::Document("manifest", error))?
        {
            Document::Manifest(manifest) => {
                let config = checked(blobs, &manifest.config, "configuration", &mut mismatches)?;
                let config = ImageConfigFile::parse(&document(&config, "configuration")?)
                    .map_err(|error| ImageError::Document("configuration", error))?;
                let mut layers = Vec::new();
                for layer in &manifest.layers {
                    layers.push(checked(blobs, layer, "layer", &mut mismatches)?);
                }
                return laid(name, config, &layers, mismatches);
            }
            Document::Index(index) => {
                let first = || index.manifests.iter().find(|manifest| !manifest.is_attestation());
                let chosen = index.choose(&Platform::host()).or_else(first);
                image = chosen.cloned().ok_or_else(|| ImageError::Lacks("image in its index".to_owned()))?;
            }
        }
    }
    Err(ImageError::Lacks("manifest: its indexes lead to each other".to_owned()))
}

fn checked(
    blobs: &Blobs,
    wanted: &Descriptor,
    what: &str,
    mismatches: &mut Vec<String>,
) -> Result<Spool, ImageError> {
    let blob = blobs.blob(&wanted.digest)?;
    let digest = blob.digest().map_err(|error| part(what, error.into()))?;
    if digest != wanted.digest {
        mismatches.push(format!("the {what} {} is {digest}", wanted.digest));
    }
    Ok(blob)
}

/// Lays the layers over each other; each is compared with what the configuration calls it by.
fn laid(
    name: Option<String>,
    config: ImageConfigFile,
    layers: &[Spool],
    mut mismatches: Vec<String>,
) -> Result<Opened, ImageError> {
    if layers.len() != config.diff_ids.len() {
        let (has, names) = (layers.len(), config.diff_ids.len());
        mismatches.push(format!("it has {has} layers, and its configuration names {names}"));
    }
    let mut files = Archive::empty();
    for (index, layer) in layers.iter().enumerate() {
        let plain = layer.plain()?;
        let digest = plain.digest().map_err(|error| part("layer", error.into()))?;
        if config.diff_ids.get(index).is_some_and(|wanted| *wanted != digest) {
            mismatches.push(format!("layer {} is {digest}, not what the configuration names", index + 1));
        }
        files.lay(&plain)?;
    }
    Ok(Opened { name, config: Some(config), files, mismatches })
}

/// An image of `docker save`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn docker(outer: &Archive) -> Result<Vec<Opened>, ImageError> {
    let file = |name: &str| outer.content(name).ok_or_else(|| ImageError::Lacks(name.to_owned()));
    let bytes = document(file("manifest.json")?, "manifest.json")?;
    let saved: Vec<Saved> = serde_json::from_slice(&bytes)
        .map_err(|source| ImageError::Part { what: "manifest.json".to_owned(), source: Box::new(source) })?;
    let one = |saved: &Saved| {
        let config = document(file(&saved.config)?, "configuration")?;
        let config =
            ImageConfigFile::parse(&config).map_err(|error| ImageError::Document("configuration", error))?;
        let layers: Vec<Spool> =
            saved.layers.iter().map(|layer| file(layer).cloned()).collect::<Result<_, _>>()?;
        let name = saved.repo_tags.as_ref().and_then(|tags| tags.first().cloned());
        laid(name, config, &layers, Vec::new())
    };
    let opened: Vec<Opened> = saved.iter().take(MOST_IMAGES).map(one).collect::<Result<_, _>>()?;
    if opened.is_empty() { Err(ImageError::Lacks("image".to_owned())) } else { Ok(opened) }
}
