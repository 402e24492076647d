//! What an image is made of: every blob that is reached from it, and every layer.

use std::collections::BTreeSet;

use cofferdam_names::Digest;

use super::{MOST_NESTED, Store, StoreError};
use crate::layer::stack_id;
use crate::{Descriptor, Document, MediaKind};

/// Blobs and layers that something needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// Blobs by their digests, also those that are not here (an index's images for other platforms).
    pub blobs: BTreeSet<Digest>,
    /// Layers by the digests of their uncompressed tars, and stacks of layers by their names.
    pub layers: BTreeSet<Digest>,
}

impl Reached {
    /// Adds what belongs to another.
    pub fn extend(&mut self, other: Self) {
        self.blobs.extend(other.blobs);
        self.layers.extend(other.layers);
    }
}

impl Store {
    /// Everything that is reached from a manifest or an index. What is not here leads no further.
    ///
    /// # Errors
    /// A document that is here cannot be read: what it needs is not known.
    pub fn reached_from(&self, descriptor: &Descriptor) -> Result<Reached, StoreError> {
        let mut reached = Reached::default();
        self.reach(descriptor, &mut reached, MOST_NESTED)?;
        Ok(reached)
    }

    fn reach(&self, descriptor: &Descriptor, reached: &mut Reached, levels: usize) -> Result<(), StoreError> {
        if !reached.blobs.insert(descriptor.digest.clone()) || !self.contains(&descriptor.digest) {
            return Ok(());
        }
        if !matches!(descriptor.media_type.kind(), MediaKind::Manifest | MediaKind::Index) {
            return Ok(());
        }
        let nested = || StoreError::Nested { digest: descriptor.digest.clone() };
        let levels = levels.checked_sub(1).ok_or_else(nested)?;
        match self.document(descriptor)? {
            Document::Index(index) => {
                for inner in &index.manifests {
                    self.reach(inner, reached, levels)?;
                }
            }
            Document::Manifest(manifest) => {
                reached.blobs.insert(manifest.config.digest.clone());
                reached.blobs.extend(manifest.layers.iter().map(|layer| layer.digest.clone()));
                if manifest.is_image() && self.contains(&manifest.config.digest) {
                    let diff_ids = self.config(&manifest)?.diff_ids;
                    reached.layers.insert(stack_id(&diff_ids));
                    reached.layers.extend(diff_ids);
                }
            }
        }
        Ok(())
    }
}
