//! The images that a build begins with.

use std::collections::BTreeMap;

use cofferdam_build::execute::{SourceImage, StageLayer};
use cofferdam_image::{Platform, Store};
use cofferdam_policy::HOST_IMAGE;

use crate::Engine;
use crate::error::{Error, Result};

/// By their names in the Dockerfile.
pub(super) type Images = BTreeMap<String, SourceImage>;

impl Engine {
    /// Finds images in the store.
    pub(super) fn build_sources(&self, needed: &[(usize, String, bool)], file: &str) -> Result<Images> {
        let mut images = Images::new();
        if needed.is_empty() {
            return Ok(images);
        }
        let store = self.image_store()?;
        for (line, name, _) in needed {
            let failed = |error: Error| {
                let subject = format!("image {name} of {file}:{line}");
                Error::io("begin with", subject, std::io::Error::other(error))
            };
            if name == HOST_IMAGE {
                let why = "the host's own programs are no layers, and stay on the host";
                return Err(failed(Error::io("build on", "image host", std::io::Error::other(why))));
            }
            images.insert(name.clone(), source(&store, name).map_err(failed)?);
        }
        Ok(images)
    }
}

fn source(store: &Store, name: &str) -> Result<SourceImage> {
    let image = store.resolve(name)?;
    let (descriptor, manifest) = store.manifest(&image.descriptor, &Platform::host())?;
    let config = store.config(&manifest)?;
    let (blobs, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if blobs != diff_ids {
        return Err(cofferdam_image::StoreError::LayerCount { blobs, diff_ids }.into());
    }
    let layers = manifest.layers.iter().zip(&config.diff_ids).map(|(blob, diff_id)| StageLayer {
        diff_id: diff_id.clone(),
        blob: blob.digest.clone(),
        size: blob.size,
        media_type: blob.media_type.to_string(),
    });
    Ok(SourceImage { digest: descriptor.digest, layers: layers.collect(), config })
}
