//! Layers that are unpacked while the rest of their archive is still being read.
//!
//! For that an archive has to say early what its layers are: `manifest.json` and a configuration before the layers, as in the archives
//! that are written here. From others nothing is ordered before their end, and the layers are unpacked then.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use cofferdam_names::Digest;
use cofferdam_wire_oci::parse;

use super::DockerImage;
use crate::{Descriptor, ImageConfigFile, Lease, MAX_DOCUMENT, MediaType, Platform};

/// A layer's blob, and the digest of what it expands to.
pub(super) type Order = (Digest, Digest);

/// What is known of an archive's layers so far.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Images whose configuration has not come.
    images: Vec<DockerImage>,
    /// Layers that have not come: their names, and the digests of what they expand to.
    layers: Vec<(String, Digest)>,
    orders: Option<Sender<Order>>,
}

impl Early {
    pub(super) fn new(orders: Sender<Order>) -> Self {
        Self { orders: Some(orders), ..Self::default() }
    }

    /// Takes Docker's list in. What is wrong with it is told at the archive's end.
    pub(super) fn list(&mut self, bytes: &[u8]) {
        self.images = parse(bytes).unwrap_or_default();
    }

    /// Orders what has come.
    pub(super) fn order(&mut self, lease: &Lease, find: impl Fn(&str) -> Option<(Digest, u64)>) {
        for image in std::mem::take(&mut self.images) {
            match find(&image.config) {
                Some((digest, size)) => {
                    let diff_ids = diff_ids(lease, digest, size);
                    // Images share layers.
                    let layers = image.layers.into_iter().zip(diff_ids);
                    self.layers.extend(layers);
                }
                None => self.images.push(image),
            }
        }
        self.layers.retain(|(name, diff_id)| match (find(name), &self.orders) {
            // Nobody takes orders any more when all has failed.
            (Some((blob, _)), Some(orders)) => orders.send((blob, diff_id.clone())).is_err(),
            _ => true,
        });
    }
}

/// What the layers of an image for this machine expand to; nothing of one for another.
fn diff_ids(lease: &Lease, digest: Digest, size: u64) -> Vec<Digest> {
    let Ok(media_type) = MediaType::OCI_CONFIG.parse() else { return Vec::new() };
    if size > MAX_DOCUMENT {
        return Vec::new();
    }
    let bytes = lease.store().read_small(&Descriptor::new(media_type, digest, size));
    let config = bytes.ok().and_then(|bytes| ImageConfigFile::parse(&bytes).ok());
    let config = config.filter(|config| Platform::host().rank(&config.platform).is_some());
    config.map_or_else(Vec::new, |config| config.diff_ids)
}

/// Unpacks what is ordered until nobody orders any more. Whoever needs a layer that cannot be unpacked is told why then.
pub(super) fn unpack(lease: &Lease, orders: &Mutex<Receiver<Order>>) {
    loop {
        let next = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((blob, diff_id)) = next else { return };
        let _ = lease.unpack_blob(&blob, &diff_id);
    }
}
