//! Images in archives and folders: what `docker save`, `podman save` and `skopeo` write is read, and what is written loads
//! there. An archive that is written is both at once, an OCI image layout and Docker's (`manifest.json`), over the same blobs.

mod collector;
mod early;
mod load;
mod save;

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{DocumentError, StoreError};

pub use load::Loaded;

/// Docker's list of images in an archive.
const DOCKER_MANIFEST: &str = "manifest.json";

/// OCI's.
const INDEX: &str = "index.json";

/// The file that says that it is an OCI image layout.
const LAYOUT: &str = "oci-layout";

/// Where its blobs are.
const BLOBS: &str = "blobs/sha256";

/// The annotation with a whole name, as containerd and Docker write it.
const WHOLE_NAME: &str = "io.containerd.image.name";

/// One image in Docker's `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// Why images could not be loaded or saved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive or folder could not be read.
    #[error("cannot read the images")]
    Read(#[source] io::Error),
    /// The archive or folder could not be written.
    #[error("cannot write the images")]
    Write(#[source] io::Error),
    /// A document in it is not what it should be.
    #[error("cannot read {name} of the images")]
    Document {
        /// Its name.
        name: &'static str,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// It holds no list of images.
    #[error("it holds no images: there is neither an index.json nor a manifest.json in it")]
    NoImages,
    /// The list names what is not there.
    #[error("the images lack {name:?}")]
    Missing {
        /// Which file or blob.
        name: String,
    },
}
