//! Layers that are unpacked while the rest of their archive is still being read.
//!
//! For that an archive has to say early what its layers are: `manifest.json` and a configuration before the layers, as in the archives
//! that are written here. From others nothing is ordered before their end, and the layers are unpacked then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use cofferdam_names::Digest;
use cofferdam_wire_oci::parse;

use super::DockerImage;
use crate::tree::writer::inner_path;
use crate::{Descriptor, ImageConfigFile, Lease, MAX_DOCUMENT, MediaType, Platform};

/// A layer's blob, and the digest of what it expands to.
pub(super) type Order = (Digest, Digest);

/// A file of the archive: its digest and size.
type Came = (Digest, u64);

/// What is known of an archive's layers so far. Archives are hostile: whatever they say, each configuration is read once, and each
/// blob ordered once. Links between files are for the end.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// By the configurations that have not come: the layers of images.
    images: BTreeMap<PathBuf, Vec<Vec<String>>>,
    /// Layers that have not come, and what they expand to.
    layers: BTreeMap<PathBuf, Digest>,
    ordered: BTreeSet<Digest>,
    orders: Option<Sender<Order>>,
}

impl Early {
    pub(super) fn new(orders: Sender<Order>) -> Self {
        Self { orders: Some(orders), ..Self::default() }
    }

    /// Takes Docker's list in, in place of any that came before it, as at the archive's end. What is wrong with it is told there.
    pub(super) fn list(&mut self, lease: &Lease, bytes: &[u8], files: &BTreeMap<PathBuf, Came>) {
        self.images.clear();
        self.layers.clear();
        for image in parse::<Vec<DockerImage>>(bytes).unwrap_or_default() {
            if let Ok(config) = inner_path(Path::new(&image.config)) {
                self.images.entry(config).or_default().push(image.layers);
            }
        }
        let there: Vec<PathBuf> =
            self.images.keys().filter(|config| files.contains_key(*config)).cloned().collect();
        there.iter().for_each(|config| self.came(lease, config, files));
    }

    /// A file has come.
    pub(super) fn came(&mut self, lease: &Lease, path: &Path, files: &BTreeMap<PathBuf, Came>) {
        let Some((digest, size)) = files.get(path) else { return };
        if let Some(diff_id) = self.layers.remove(path) {
            self.order(digest, diff_id);
        }
        let Some(images) = self.images.remove(path) else { return };
        let diff_ids = diff_ids(lease, digest.clone(), *size);
        for (layer, diff_id) in images.iter().flat_map(|layers| layers.iter().zip(&diff_ids)) {
            let Ok(layer) = inner_path(Path::new(layer)) else { continue };
            match files.get(&layer) {
                Some((blob, _)) => self.order(blob, diff_id.clone()),
                None => {
                    self.layers.entry(layer).or_insert_with(|| diff_id.clone());
                }
            }
        }
    }

    fn order(&mut self, blob: &Digest, diff_id: Digest) {
        if let Some(orders) = self.orders.as_ref().filter(|_| self.ordered.insert(blob.clone())) {
            // Nobody takes orders any more when all has failed.
            let _ = orders.send((blob.clone(), diff_id));
        }
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
