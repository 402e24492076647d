//! The image `host` as `image ls` and `inspect` show it.

use std::path::{Path, PathBuf};

use cofferdam_policy::ImageConfig;

use super::{ReadyImage, host};
use crate::Engine;
use crate::engine::make_private_folder;
use crate::error::Result;

/// The host's own programs as an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostImage {
    /// Its id: another one when the host's own files have changed.
    pub id: String,
    /// What it has beside the host's own folders.
    pub layers: Vec<PathBuf>,
    /// The host's folders that it shows, by their places in it.
    pub shows: Vec<String>,
    /// What it says of its containers.
    pub config: ImageConfig,
}

impl Engine {
    /// Makes the image `host` ready.
    ///
    /// # Errors
    /// The host keeps its programs elsewhere, or a file could not be read or made.
    pub fn host_image(&self) -> Result<HostImage> {
        let images = self.paths.images();
        make_private_folder(&images)?;
        let ReadyImage { id, layers, mounts, config, .. } = host::ready(&images, Path::new("/"))?;
        let shows = mounts.iter().map(|mount| mount.target.to_string()).collect();
        Ok(HostImage { id, layers, shows, config })
    }
}
