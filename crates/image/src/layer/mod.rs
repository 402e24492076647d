//! Layers as they are mounted: one place for each, found by the digest of its uncompressed tar, and shared by all images that
//! have it.
//!
//! `layers/<hex>/` below the store holds `record.json` and the layer's files with deletions as an overlay reads them: `layer.erofs`,
//! an image that the kernel mounts from its file (Linux 6.12; root alone), or the folder `fs`.
//! Owners are the numbers in the tar: a container's id map is applied when it is mounted. A layer is filled under another name
//! and gets its place by rename, when its digest has been found right. Nothing is synced: a layer that was filled before the
//! machine last started is not trusted, but filled anew from its blob (see [`Record::boot`]).

mod all;
mod error;
mod hashed;
mod image;
mod record;
mod stack;
mod unpack;
mod verify;
mod write;

use std::path::{Path, PathBuf};

use cofferdam_names::Digest;

use crate::{Store, StoreError};

pub(crate) use all::with_threads;
pub use error::LayerError;
pub use image::open_layer;
pub use record::Record;
pub use stack::Stack;
pub(crate) use stack::stack_id;
pub use unpack::Unpacked;
pub use write::{LayerCompression, LayerOptions, NewLayer};

/// The name of a layer's files in its folder, where they are a folder.
const FILES: &str = "fs";

/// The name where they are an image.
const IMAGE: &str = "layer.erofs";

/// Where the layers are that keep their owners for an ordinary user.
const OWNED: &str = "layers-owned";

/// As what a layer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayerForm {
    /// As an EROFS image where this process and the kernel can mount one from a file, as a folder otherwise.
    #[default]
    Best,
    /// As a folder.
    Folder,
    /// As a folder of an ordinary user's whose files have the owners of the tar: subordinate ids of that user, who is root of a
    /// namespace that has them. Apart from the others, whose files are all that user's own.
    Owned,
}

/// The name of its record.
const RECORD: &str = "record.json";

/// A layer that is ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// Its files: a lower layer of an overlay.
    pub files: PathBuf,
    /// What is known of it.
    pub record: Record,
}

impl Store {
    /// Where layers are that only root of a namespace with their owners' ids can read and remove ([`LayerForm::Owned`]), if there
    /// are some.
    #[must_use]
    pub fn owned_layers(&self) -> Option<PathBuf> {
        Some(self.folder().join(OWNED)).filter(|folder| folder.exists())
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.folder().join(if self.form() == LayerForm::Owned { OWNED } else { "layers" })
    }

    fn layer_folder(&self, diff_id: &Digest) -> PathBuf {
        self.layers().join(diff_id.hex())
    }

    /// A layer that is ready to be mounted; none if it is not here, or was filled before the machine last started.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<Layer>, StoreError> {
        let folder = self.layer_folder(diff_id);
        let Some(record) = Record::read(&folder.join(RECORD))? else { return Ok(None) };
        let files = folder.join(if record.tar.is_some() { IMAGE } else { FILES });
        let usable = record.diff_id == *diff_id && record.is_of_this_boot() && record.describes(&files);
        Ok(usable.then(|| Layer { diff_id: diff_id.clone(), files, record }))
    }

    /// The layers of an image, topmost first, ready to be the lower layers of an overlay.
    ///
    /// # Errors
    /// One is not ready.
    pub fn snapshot(&self, diff_ids: &[Digest]) -> Result<Vec<PathBuf>, StoreError> {
        let mut lower = Vec::new();
        for diff_id in diff_ids.iter().rev() {
            let layer =
                self.layer(diff_id)?.ok_or_else(|| StoreError::NotUnpacked { diff_id: diff_id.clone() })?;
            // The same layer twice is nothing more than once, and an overlay refuses it.
            if !lower.contains(&layer.files) {
                lower.push(layer.files);
            }
            if layer.record.hides_all {
                break;
            }
        }
        Ok(lower)
    }
}

/// Removes a layer's folder, or what there is of one.
fn remove(folder: &Path) -> Result<(), StoreError> {
    crate::tree::removal::remove(folder).map_err(StoreError::io("remove", folder))
}
