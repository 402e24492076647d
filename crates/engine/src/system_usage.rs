//! `system df`: what everything takes of the disk.

use std::path::Path;

use cofferdam_image::tree::usage::on_disk;
use serde::Serialize;

use crate::Engine;
use crate::error::Result;
use crate::image::removal::user;
use crate::own_namespace::{as_root, subordinate_maps};

/// What one kind of things takes of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// How many there are.
    pub count: u64,
    /// How many are in use.
    pub active: u64,
    /// Bytes on the disk.
    pub size: u64,
    /// Bytes that a removal of what is not in use would free.
    pub reclaimable: u64,
}

/// What everything takes of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SystemUsage {
    /// Images: their blobs and unpacked layers; in use by a container, running or not.
    pub images: Usage,
    /// Containers: what they wrote, and their logs; in use while they run.
    pub containers: Usage,
    /// Volumes; in use by a container, running or not.
    pub volumes: Usage,
}

impl Engine {
    /// Adds up what everything takes of the disk.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn disk_usage(&self) -> Result<SystemUsage> {
        Ok(SystemUsage {
            images: self.image_usage()?,
            containers: self.container_usage()?,
            volumes: self.volume_usage()?,
        })
    }

    fn image_usage(&self) -> Result<Usage> {
        let store = self.image_store()?;
        let records = self.store.containers()?;
        let (mut usage, mut needed) = (Usage::default(), self.build_cache_reached()?);
        for image in store.images()? {
            usage.count += 1;
            if user(&records, image.descriptor.digest.as_str()).is_some() {
                usage.active += 1;
                needed.extend(store.reached_from(&image.descriptor)?);
            }
        }
        let size = |path: &Path| on_disk(path).unwrap_or(0);
        usage.size = ["blobs", "layers", "ingest"].iter().map(|name| size(&store.folder().join(name))).sum();
        if let Some(owned) = store.owned_layers()
            && let Some(maps) = subordinate_maps()?
        {
            // Of no image in use: a build makes them anew where they are missing.
            usage.size += as_root(&maps, "look at layers", || Ok(size(&owned)))?;
        }
        let blobs = needed.blobs.iter().map(|digest| size(&store.blob_path(digest)));
        let layers =
            needed.layers.iter().map(|diff_id| size(&store.folder().join("layers").join(diff_id.hex())));
        usage.reclaimable = usage.size.saturating_sub(blobs.sum::<u64>() + layers.sum::<u64>());
        Ok(usage)
    }

    fn container_usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for id in self.store.container_ids()? {
            let dir = self.paths.container(&id);
            let size = on_disk(dir.path()).unwrap_or(0);
            usage.count += 1;
            usage.size += size;
            match self.settle(&id) {
                Ok(status) if status.state.has_shim() => usage.active += 1,
                _ => usage.reclaimable += size,
            }
        }
        Ok(usage)
    }

    fn volume_usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for volume in self.volumes()? {
            let size = on_disk(&volume.mountpoint).unwrap_or(0);
            usage.count += 1;
            usage.size += size;
            if volume.in_use {
                usage.active += 1;
            } else {
                usage.reclaimable += size;
            }
        }
        Ok(usage)
    }
}
