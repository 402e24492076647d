//! The store: an OCI image layout (image-spec, image-layout.md) that several processes use at once.
//!
//! `oci-layout`, `index.json` (names and unnamed images), `blobs/sha256/<hex>` (written once, whole, checked), `ingest/<hex>`
//! (blobs that are not whole yet), `layers/<hex>` (see [`crate::Layer`]) and lock files. A blob and the index appear by rename, so that a reader needs no lock and
//! a kill leaves either the old or the new. Nothing is synced: after a power cut a blob may be short, which its size or digest
//! tells when it is used.
//!
//! Who adds blobs holds a [`Lease`] until a name leads to them; blobs are only removed while there is none.

mod collect;
mod draft;
mod error;
mod images;
mod index;
mod ingest;
mod reach;
mod referrers;
mod verify;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_names::{Digest, ImageReference};

use crate::{
    Descriptor, Document, ImageConfigFile, LayerForm, Manifest, MediaKind, MediaType, Platform, digest_of,
};

pub use collect::Collected;
pub use draft::Draft;
pub use error::StoreError;
pub use images::StoredImage;
pub(crate) use index::REF_NAME;
pub use ingest::Ingest;
pub(crate) use ingest::is_still_at;
pub use reach::Reached;
pub use verify::Verified;

/// The most bytes of a manifest, an index or a configuration that are read into memory (as in containerd and the registries).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// How deep indexes may lie in indexes.
const MOST_NESTED: usize = 4;

/// A folder of images.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    form: LayerForm,
}

/// The right to add blobs: while it lives, none is removed.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    _shared: File,
}

impl Store {
    /// Opens the store in this folder, and makes it where it is not there yet.
    ///
    /// # Errors
    /// It cannot be made, or is of another layout's version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self { folder: folder.to_owned(), form: LayerForm::default() };
        let marker = store.folder.join("oci-layout");
        match std::fs::read(&marker) {
            Ok(text) => check_layout(&text).map_err(|()| StoreError::Layout { path: marker })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => store.make()?,
            Err(error) => return Err(StoreError::io("read", &marker)(error)),
        }
        Ok(store)
    }

    fn make(&self) -> Result<(), StoreError> {
        for folder in ["blobs/sha256", "ingest"].map(|name| self.folder.join(name)) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(StoreError::io("make", &folder))?;
        }
        let _locked = self.lock_index()?;
        self.replace("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// The same store, which keeps new layers in this form.
    #[must_use]
    pub fn with_form(self, form: LayerForm) -> Self {
        Self { form, ..self }
    }

    /// In which form new layers are kept.
    pub(crate) fn form(&self) -> LayerForm {
        self.form
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// Whether a blob is here. It was whole and right when it came.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Opens a blob for reading. Its bytes are not checked again here.
    ///
    /// # Errors
    /// It is not here, or cannot be opened.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NoBlob { digest: digest.clone() },
            _ => StoreError::io("open", &path)(error),
        })
    }

    /// The bytes of a manifest, an index or a configuration, checked against size and digest.
    ///
    /// # Errors
    /// It is not here, is larger than [`MAX_DOCUMENT`], or is not what it should be.
    pub fn read_small(&self, descriptor: &Descriptor) -> Result<Vec<u8>, StoreError> {
        let Descriptor { digest, size, .. } = descriptor;
        check_document_size(digest, *size)?;
        let mut bytes = Vec::with_capacity(usize::try_from(*size).unwrap_or(0));
        let read = self.open_blob(digest)?.take(size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(StoreError::io("read", &self.blob_path(digest)))?;
        check_bytes(digest, *size, &bytes)?;
        Ok(bytes)
    }

    /// Reads a manifest or an index.
    ///
    /// # Errors
    /// It is not here, or not what it should be.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Document, StoreError> {
        let bytes = self.read_small(descriptor)?;
        Document::parse(&descriptor.media_type, &bytes)
            .map_err(|source| StoreError::Document { digest: descriptor.digest.clone(), source })
    }

    /// The manifest for a platform: the one described, or the best of the index that is described.
    ///
    /// # Errors
    /// It is not here, not what it should be, or there is none for this platform.
    pub fn manifest(
        &self,
        descriptor: &Descriptor,
        platform: &Platform,
    ) -> Result<(Descriptor, Manifest), StoreError> {
        let mut current = descriptor.clone();
        for _ in 0..MOST_NESTED {
            let index = match self.document(&current)? {
                Document::Manifest(manifest) => return Ok((current, *manifest)),
                Document::Index(index) => index,
            };
            current = index.choose(platform).cloned().ok_or_else(|| StoreError::NoPlatform {
                digest: descriptor.digest.clone(),
                platform: Box::new(platform.clone()),
                offered: index.platforms().map(ToString::to_string).collect(),
            })?;
        }
        Err(StoreError::Nested { digest: descriptor.digest.clone() })
    }

    /// The configuration of an image.
    ///
    /// # Errors
    /// It is not here, or not what it should be; or the manifest is an artifact's.
    pub fn config(&self, manifest: &Manifest) -> Result<ImageConfigFile, StoreError> {
        let digest = &manifest.config.digest;
        if manifest.config.media_type.kind() != MediaKind::Config {
            return Err(StoreError::Artifact { media_type: manifest.config.media_type.clone() });
        }
        let bytes = self.read_small(&manifest.config)?;
        ImageConfigFile::parse(&bytes)
            .map_err(|source| StoreError::Document { digest: digest.clone(), source })
    }

    /// Takes part in the store: until the lease is dropped, no blob is removed. Waits for a removal that is under way.
    ///
    /// # Errors
    /// The lock cannot be taken.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        let path = self.folder.join("lease.lock");
        let file = open_lock(&path)?;
        file.lock_shared().map_err(StoreError::io("lock", &path))?;
        Ok(Lease { store: self.clone(), _shared: file })
    }

    fn lock_index(&self) -> Result<File, StoreError> {
        let path = self.folder.join("index.lock");
        let file = open_lock(&path)?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        Ok(file)
    }

    /// Writes a file of the folder whole or not at all. The caller holds the index's lock, which makes one name enough.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (draft, path) = (self.folder.join(".new"), self.folder.join(name));
        let mut options = std::fs::OpenOptions::new();
        let written = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| std::fs::rename(&draft, &path));
        written.map_err(StoreError::io("write", &path))
    }
}

impl Lease {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Begins, or carries on, to write a blob; none if it is here already. Waits for another process that writes the same one.
    /// One thread must not begin the same blob twice: it would wait for itself.
    ///
    /// # Errors
    /// The file cannot be made or read.
    pub fn ingest(&self, descriptor: &Descriptor) -> Result<Option<Ingest>, StoreError> {
        Ingest::begin(&self.store, &descriptor.digest, descriptor.size)
    }

    /// Writes a manifest, an index or a configuration of these exact bytes.
    ///
    /// # Errors
    /// They are too many, or cannot be written.
    pub fn put_small(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::new(media_type, digest_of(bytes), bytes.len() as u64);
        check_document_size(&descriptor.digest, descriptor.size)?;
        if let Some(mut ingest) = self.ingest(&descriptor)? {
            ingest.restart()?;
            let path = self.store.blob_path(&descriptor.digest);
            ingest.write_all(bytes).map_err(StoreError::io("write", &path))?;
            ingest.finish()?;
        }
        Ok(descriptor)
    }

    /// Makes a name lead to a manifest or an index that is here. The image that had it stays, without a name if this was its
    /// last.
    ///
    /// # Errors
    /// The blob is not here, or the index cannot be written.
    pub fn put_reference(&self, name: &ImageReference, descriptor: &Descriptor) -> Result<(), StoreError> {
        if !self.store.contains(&descriptor.digest) {
            return Err(StoreError::NoBlob { digest: descriptor.digest.clone() });
        }
        self.store.change_index(|index| {
            index.set_name(name, descriptor.clone());
            true
        })
    }

    /// Keeps an image that has no name.
    ///
    /// # Errors
    /// The blob is not here, or the index cannot be written.
    pub fn put_unnamed(&self, descriptor: &Descriptor) -> Result<(), StoreError> {
        if !self.store.contains(&descriptor.digest) {
            return Err(StoreError::NoBlob { digest: descriptor.digest.clone() });
        }
        self.store.change_index(|index| index.keep(descriptor.clone()))
    }
}

pub(crate) fn open_lock(path: &Path) -> Result<File, StoreError> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(StoreError::io("open", path))
}

fn check_layout(text: &[u8]) -> Result<(), ()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    match serde_json::from_slice::<Marker>(text) {
        Ok(marker) if marker.image_layout_version == "1.0.0" => Ok(()),
        _ => Err(()),
    }
}

fn check_document_size(digest: &Digest, size: u64) -> Result<(), StoreError> {
    if size > MAX_DOCUMENT { Err(StoreError::TooLarge { digest: digest.clone(), size }) } else { Ok(()) }
}

/// Whether bytes are those that a digest and a size stand for.
fn check_bytes(digest: &Digest, size: u64, bytes: &[u8]) -> Result<(), StoreError> {
    let found = bytes.len() as u64;
    if found != size {
        return Err(StoreError::WrongSize { digest: digest.clone(), expected: size, found });
    }
    let computed = digest_of(bytes);
    if computed == *digest {
        Ok(())
    } else {
        Err(StoreError::WrongDigest { expected: digest.clone(), found: computed })
    }
}
