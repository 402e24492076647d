//! Makes an image of the store ready to be a root, and checks on the way that it is what its digest says.

use std::path::PathBuf;

use cofferdam_confinement::StackedLayers;
use cofferdam_image::{Descriptor, Document, ImageConfigFile, Manifest, Platform, Stack, Store, StoreError};

use super::{ReadyImage, config};
use crate::Engine;
use crate::error::{Error, Result};

/// An image whose documents have been read and checked: each has the digest that led to it.
pub(crate) struct Checked {
    pub(crate) manifest: Manifest,
    pub(crate) config: ImageConfigFile,
}

/// Reads what an image is for this machine. The chain is checked from the image's id down: index, manifest, configuration.
pub(crate) fn checked(store: &Store, image: &Descriptor) -> Result<Checked> {
    checked_for(store, image, &Platform::host())
}

/// Reads what an image is for a platform.
pub(crate) fn checked_for(store: &Store, image: &Descriptor, platform: &Platform) -> Result<Checked> {
    let known = read(store, image, platform)?;
    // An index may lie about what it leads to.
    if platform.rank(&known.config.platform).is_none() {
        let message = format!("it is made for {}", known.config.platform);
        return Err(Error::io("use", format!("image {}", image.digest), std::io::Error::other(message)));
    }
    Ok(known)
}

/// The same of an image that is only looked at: one that has nothing for this machine is shown as what it has first.
pub(crate) fn described(store: &Store, image: &Descriptor) -> Result<Checked> {
    let platform = match store.document(image)? {
        Document::Index(index) if index.choose(&Platform::host()).is_none() => {
            index.platforms().next().cloned()
        }
        _ => None,
    };
    read(store, image, &platform.unwrap_or_else(Platform::host))
}

fn read(store: &Store, image: &Descriptor, platform: &Platform) -> Result<Checked> {
    let (_, manifest) = store.manifest(image, platform)?;
    let config = store.config(&manifest)?;
    let (blobs, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if blobs != diff_ids {
        return Err(StoreError::LayerCount { blobs, diff_ids }.into());
    }
    Ok(Checked { manifest, config })
}

impl Engine {
    /// Makes an image ready: what is not unpacked, or was before the machine last started, is unpacked from its blobs.
    pub(crate) fn ready_stored(
        &self,
        store: &Store,
        image: &Descriptor,
        platform: &Platform,
    ) -> Result<ReadyImage> {
        let Checked { manifest, config: file } = checked_for(store, image, platform)?;
        let (layers, stack) = match store.stack(&file.diff_ids)? {
            Some(stack) => as_one(stack),
            None => self.ready_layers(store, &manifest, &file)?,
        };
        Ok(ReadyImage {
            id: image.digest.to_string(),
            layers,
            stack,
            mounts: Vec::new(),
            config: config::of_containers(&file),
        })
    }

    /// Makes each layer ready, and all of them one, where that can be.
    fn ready_layers(
        &self,
        store: &Store,
        manifest: &Manifest,
        file: &ImageConfigFile,
    ) -> Result<(Vec<PathBuf>, Option<StackedLayers>)> {
        let layers = match store.snapshot(&file.diff_ids) {
            Err(StoreError::NotUnpacked { .. }) => {
                self.unpack(store, manifest, file)?;
                store.snapshot(&file.diff_ids)?
            }
            other => other?,
        };
        // A store that cannot be written to, or a full one, costs time and nothing else.
        let stack = store.lease().ok().and_then(|lease| lease.make_stack(&file.diff_ids).ok().flatten());
        // Made anew meanwhile, a layer is another file: the list is the stack's own.
        Ok(stack.map_or((layers, None), as_one))
    }

    /// Unpacks the layers that are not.
    pub(crate) fn unpack(&self, store: &Store, manifest: &Manifest, file: &ImageConfigFile) -> Result<()> {
        Ok(store.lease()?.unpack_all(manifest, file)?)
    }

    /// Makes the image of a container ready again, by its id.
    pub(crate) fn ready_again(&self, id: &str, platform: &Platform) -> Result<ReadyImage> {
        let store = self.image_store()?;
        let images = store.images()?;
        let found = images.into_iter().find(|image| image.descriptor.digest.as_str() == id);
        let image = found.ok_or_else(|| Error::NoImage { name: id.to_owned() })?;
        self.ready_stored(&store, &image.descriptor, platform)
    }
}

/// A stack as a root has it.
fn as_one(stack: Stack) -> (Vec<PathBuf>, Option<StackedLayers>) {
    let Stack { image, layers, devices } = stack;
    (layers, Some(StackedLayers { image, devices }))
}
