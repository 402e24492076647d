//! Which images there are, and what is known of one.

use std::path::PathBuf;

use cofferdam_image::{Descriptor, HistoryEntry, ImageConfigFile, Store, StoreError, StoredImage};
use cofferdam_names::{ImageReference, Timestamp};
use serde::Serialize;

use super::ready::{checked, described};
use crate::Engine;
use crate::error::{Error, Result};

/// One image under one of its names, or without any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageSummary {
    /// Its name; none for one that has lost all of them.
    pub name: Option<ImageReference>,
    /// Its id: the digest of its manifest or index.
    pub id: String,
    /// When it was made; none if it does not say, or is not for this machine.
    pub created: Option<Timestamp>,
    /// Bytes of its files where they are unpacked, of its blobs otherwise.
    pub size: u64,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
}

/// What `image inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDetails {
    /// Its id: the digest of its manifest or index.
    pub id: String,
    /// All of its names.
    pub names: Vec<ImageReference>,
    /// Bytes of its files where they are unpacked, of its blobs otherwise.
    pub size: u64,
    /// Its configuration.
    pub config: ImageConfigFile,
    /// Its unpacked layers, topmost first, where all are.
    pub layers: Vec<PathBuf>,
    /// Its own descriptor.
    pub descriptor: Descriptor,
}

/// One step of how an image came to be, as `image history` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// The step.
    pub entry: HistoryEntry,
    /// The bytes that it added.
    pub size: u64,
}

impl Engine {
    /// All images, by name; one with several names several times.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let store = self.image_store()?;
        store.sweep()?;
        let mut all = Vec::new();
        for StoredImage { descriptor, names } in store.images()? {
            let known = checked(&store, &descriptor).ok();
            let summary = ImageSummary {
                name: None,
                id: descriptor.digest.to_string(),
                created: known.as_ref().and_then(|known| known.config.created),
                size: size(&store, &descriptor)?,
                labels: known.map(|known| known.config.labels).unwrap_or_default(),
            };
            if names.is_empty() {
                all.push(summary.clone());
            }
            all.extend(names.into_iter().map(|name| ImageSummary { name: Some(name), ..summary.clone() }));
        }
        Ok(all)
    }

    /// One image, by a name, or its id or the beginning of it.
    ///
    /// # Errors
    /// There is none, several ids begin so, or it cannot be read.
    pub fn image(&self, word: &str) -> Result<ImageDetails> {
        let store = self.image_store()?;
        let StoredImage { descriptor, names } = self.find_image(&store, word)?;
        let config = described(&store, &descriptor)?.config;
        Ok(ImageDetails {
            id: descriptor.digest.to_string(),
            names,
            size: size(&store, &descriptor)?,
            layers: store.snapshot(&config.diff_ids).unwrap_or_default(),
            config,
            descriptor,
        })
    }

    /// How an image came to be, the last step first.
    ///
    /// # Errors
    /// There is none, several ids begin so, or it cannot be read.
    pub fn image_history(&self, word: &str) -> Result<Vec<HistoryLine>> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let known = described(&store, &image.descriptor)?;
        let mut layers = known.manifest.layers.iter().zip(&known.config.diff_ids);
        let mut lines = Vec::new();
        for entry in &known.config.history {
            let size = match entry.empty_layer {
                true => 0,
                false => match layers.next() {
                    Some((blob, diff_id)) => {
                        store.layer(diff_id)?.map_or(blob.size, |layer| layer.record.bytes)
                    }
                    None => 0,
                },
            };
            lines.push(HistoryLine { entry: entry.clone(), size });
        }
        lines.reverse();
        Ok(lines)
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// There is no such image, or the name cannot be one of an image.
    pub fn tag_image(&self, word: &str, name: &str) -> Result<()> {
        let name = super::new_name(name)?;
        if name.digest().is_some() {
            let why = std::io::Error::other("a name that is given has no digest");
            return Err(Error::io("name", format!("image {name}"), why));
        }
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let lease = store.lease()?;
        lease.put_reference(&name, &image.descriptor)?;
        self.tell_of_image("tag", &name.familiar());
        Ok(())
    }
}

/// Bytes of an image for this machine: of its files where they are unpacked, of its blobs otherwise; of the blobs that are here
/// where it is not for this machine.
fn size(store: &Store, image: &Descriptor) -> Result<u64> {
    let known = match checked(store, image) {
        Ok(known) => known,
        Err(Error::ImageStore(StoreError::NoPlatform { .. } | StoreError::Artifact { .. })) => {
            return Ok(image.size);
        }
        Err(_) => return Ok(0),
    };
    let mut sum = 0u64;
    for (blob, diff_id) in known.manifest.layers.iter().zip(&known.config.diff_ids) {
        let layer = store.layer(diff_id)?;
        sum = sum.saturating_add(layer.map_or(blob.size, |layer| layer.record.bytes));
    }
    Ok(sum)
}
