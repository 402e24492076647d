//! Why the store could not do something.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_names::Digest;
use thiserror::Error;

use crate::{DocumentError, MAX_DOCUMENT, MediaType, Platform};

/// Why blobs or names could not be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The folder is no image layout that this program knows.
    #[error("cannot use {}: it is no OCI image layout of version 1.0.0", path.display())]
    Layout {
        /// Its marker.
        path: PathBuf,
    },
    /// The index does not read.
    #[error("cannot read the index of images {}", path.display())]
    Index {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// A blob is not in the store.
    #[error("blob {digest} is not in the store")]
    NoBlob {
        /// Which.
        digest: Digest,
    },
    /// A document is too large to be read into memory.
    #[error("document {digest} has {size} bytes; at most {MAX_DOCUMENT} are read")]
    TooLarge {
        /// Which.
        digest: Digest,
        /// Its bytes.
        size: u64,
    },
    /// There are more or fewer bytes than the descriptor says.
    #[error("blob {digest} should have {expected} bytes; it has {found}")]
    WrongSize {
        /// Which.
        digest: Digest,
        /// What the descriptor says.
        expected: u64,
        /// What came, or "at least" so many.
        found: u64,
    },
    /// The bytes are others than the descriptor says.
    #[error("blob {expected} is not what it should be: its bytes have the digest {found}")]
    WrongDigest {
        /// What the descriptor says.
        expected: Digest,
        /// What was computed.
        found: Digest,
    },
    /// A manifest, an index or a configuration does not read.
    #[error("cannot read document {digest}")]
    Document {
        /// Which.
        digest: Digest,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// An index has nothing for this platform.
    #[error("image {digest} has nothing for {platform}; it has {}", offered.join(", "))]
    NoPlatform {
        /// Which.
        digest: Digest,
        /// What was asked for.
        platform: Box<Platform>,
        /// What there is.
        offered: Vec<String>,
    },
    /// Indexes in indexes in indexes.
    #[error("image {digest} is an index of indexes, nested too deeply")]
    Nested {
        /// Which.
        digest: Digest,
    },
    /// It is not an image.
    #[error("this is not an image of a root file system: its configuration has the type {media_type}")]
    Artifact {
        /// The type of its configuration.
        media_type: MediaType,
    },
    /// A layer is not ready to be mounted.
    #[error("layer {diff_id} is not unpacked")]
    NotUnpacked {
        /// Which.
        diff_id: Digest,
    },
    /// A layer's files are not what its blob holds.
    #[error("the files of layer {diff_id} are not what its blob holds: somebody has changed them")]
    Changed {
        /// Which.
        diff_id: Digest,
    },
    /// An image's manifest and configuration disagree.
    #[error("the image's manifest has {blobs} layers, its configuration {diff_ids}")]
    LayerCount {
        /// In the manifest.
        blobs: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A word means no image.
    #[error("no such image: {word}")]
    NoImage {
        /// What was typed.
        word: String,
    },
    /// Several ids begin with this.
    #[error("several images have an id that begins with {word:?}; give more of it")]
    Ambiguous {
        /// What was typed.
        word: String,
    },
}

impl StoreError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }
}
