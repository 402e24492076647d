//! Images: the host's own programs, and imported root file systems.

mod claim;
mod cleanup;
pub(crate) mod host;
pub(crate) mod import;
pub(crate) mod listing;

use std::path::PathBuf;

use cofferdam_confinement::Mount;
use cofferdam_policy::ImageConfig;

/// An image made ready to be a container's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyImage {
    /// What containers of it are recorded with.
    pub(crate) id: String,
    /// Read-only layers, topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// Mounts that belong to it.
    pub(crate) mounts: Vec<Mount>,
    /// What it says of its containers.
    pub(crate) config: ImageConfig,
}
