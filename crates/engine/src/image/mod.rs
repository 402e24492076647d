//! Images: the host's own programs, and those of the image store.

pub(crate) mod accounts;
pub(crate) mod admission;
pub(crate) mod commit;
pub(crate) mod config;
pub(crate) mod difference;
pub(crate) mod host;
pub(crate) mod host_image;
pub(crate) mod import;
pub(crate) mod listing;
mod mounted;
pub(crate) mod ready;
pub(crate) mod registry;
pub(crate) mod removal;
pub(crate) mod transfer;
pub(crate) mod trust;

use std::path::PathBuf;

use cofferdam_confinement::{Mount, StackedLayers};
use cofferdam_image::{Store, StoredImage};
use cofferdam_names::ImageReference;
use cofferdam_policy::{HOST_IMAGE, ImageConfig};

use crate::Engine;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};

/// An image made ready to be a container's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyImage {
    /// What containers of it are recorded with: the digest of its manifest or index; `host-...` for the host's own programs.
    pub(crate) id: String,
    /// Read-only layers, topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// One image that shows all of them.
    pub(crate) stack: Option<StackedLayers>,
    /// Mounts that belong to it.
    pub(crate) mounts: Vec<Mount>,
    /// What it says of its containers.
    pub(crate) config: ImageConfig,
}

impl Engine {
    /// The store of images, made where it is not there yet.
    ///
    /// # Errors
    /// Its folder cannot be made, or others could write to it.
    pub fn image_store(&self) -> Result<Store> {
        let images = self.paths.images();
        make_private_folder(&images)?;
        Ok(Store::open(&images)?)
    }

    /// The image that a person means: a name, an id, or the beginning of one id only.
    pub(crate) fn find_image(&self, store: &Store, word: &str) -> Result<StoredImage> {
        use cofferdam_image::StoreError;
        store.resolve(word).map_err(|error| match error {
            StoreError::NoImage { word } => Error::NoImage { name: word },
            StoreError::Ambiguous { word } => Error::AmbiguousImage { word },
            other => other.into(),
        })
    }
}

/// A name that an image may get here: any, but the one that means the host's own programs.
pub(crate) fn new_name(text: &str) -> Result<ImageReference> {
    let failed = |source| Error::io("name", format!("image {text}"), source);
    let name: ImageReference = text.parse().map_err(|error| failed(std::io::Error::other(error)))?;
    if name.familiar_repository() == HOST_IMAGE {
        return Err(failed(std::io::Error::other("this name is built in: it means the host's own programs")));
    }
    Ok(name)
}
