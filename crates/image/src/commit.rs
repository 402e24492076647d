//! A new image of layers that are here: its configuration and manifest are written, and it gets its names.

use cofferdam_names::ImageReference;

use crate::{Descriptor, ImageConfigFile, Lease, Manifest, MediaType, StoreError};

impl Lease {
    /// Writes an image's configuration and manifest. `layers` are its blobs, the lowest first, one for each of the
    /// configuration's `diff_ids`. The image is kept under these names, or without one where there is none.
    ///
    /// # Errors
    /// A blob is not here, the numbers of layers differ, or the store cannot be written.
    pub fn commit(
        &self,
        config: &ImageConfigFile,
        layers: Vec<Descriptor>,
        names: &[ImageReference],
    ) -> Result<Descriptor, StoreError> {
        let descriptor = self.put_image(config, layers)?;
        self.keep_as(&descriptor, names)?;
        Ok(descriptor)
    }

    /// Keeps an image under these names, or without one where there is none: what is about another image then stays as long as
    /// that does.
    ///
    /// # Errors
    /// Its blob is not here or cannot be read, or the index cannot be written.
    pub fn keep_as(&self, image: &Descriptor, names: &[ImageReference]) -> Result<(), StoreError> {
        if names.is_empty() {
            return match self.store().document(image)?.subject() {
                Some(subject) => self.put_referrer(&subject.digest, image),
                None => self.put_unnamed(image),
            };
        }
        names.iter().try_for_each(|name| self.put_reference(name, image))
    }

    /// Writes an image's configuration and manifest, and nothing that keeps them once the lease is given up.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn put_image(
        &self,
        config: &ImageConfigFile,
        layers: Vec<Descriptor>,
    ) -> Result<Descriptor, StoreError> {
        if layers.len() != config.diff_ids.len() {
            return Err(StoreError::LayerCount { blobs: layers.len(), diff_ids: config.diff_ids.len() });
        }
        if let Some(missing) = layers.iter().find(|layer| !self.store().contains(&layer.digest)) {
            return Err(StoreError::NoBlob { digest: missing.digest.clone() });
        }
        let written = |error: serde_json::Error| StoreError::io("write", self.store().folder())(error.into());
        let named = |name: &str| -> Result<MediaType, StoreError> {
            name.parse()
                .map_err(|error| StoreError::io("name", self.store().folder())(std::io::Error::other(error)))
        };
        let bytes = config.to_bytes().map_err(written)?;
        let config = self.put_small(named(MediaType::OCI_CONFIG)?, &bytes)?;
        let manifest = Manifest {
            media_type: named(MediaType::OCI_MANIFEST)?,
            config,
            layers,
            subject: None,
            artifact_type: None,
            annotations: std::collections::BTreeMap::new(),
        };
        let bytes = manifest.to_bytes().map_err(written)?;
        self.put_small(manifest.media_type, &bytes)
    }
}
