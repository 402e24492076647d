//! The root file system of a container.

use std::path::{Path, PathBuf};

use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use crate::Propagation;

/// What the root is made of. Host paths: the engine made or checked them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RootSource {
    /// A folder as it is (an OCI bundle's rootfs).
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// Read-only layers under a writable one.
    Overlay {
        /// Topmost first: folders, and files whose names end with `.erofs`, which are images to be mounted.
        lower: Vec<PathBuf>,
        /// What is mounted in their place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack: Option<StackedLayers>,
        /// The container's own writes.
        upper: PathBuf,
        /// Overlay's work folder, beside `upper`.
        work: PathBuf,
        /// An empty folder of the engine's, for a mount of the root outside of a running container (`cp`, `diff`).
        mountpoint: PathBuf,
        /// Map the lower layers with the container's id maps (each is mounted id-mapped below the overlay). What the
        /// container writes has its host ids on disk.
        id_mapped: bool,
        /// No syncing: for a container whose writes are thrown away.
        volatile: bool,
        /// `user.overlay.` attributes: for an overlay mounted inside a user namespace.
        userxattr: bool,
    },
}

/// Layers as one image, which shows all of them as one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StackedLayers {
    /// The image.
    pub image: PathBuf,
    /// Its devices, in this order: those layers whose files' content it does not hold itself.
    pub devices: Vec<PathBuf>,
}

/// How the container is locked into its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PivotMethod {
    /// pivot_root(2), and the old root is unmounted.
    PivotRoot,
    /// MS_MOVE and chroot: weaker; only where the caller asks for it because `/` is a ramdisk (`--no-pivot`).
    MoveMount,
    /// chroot alone: a container without a mount namespace of its own.
    Chroot,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// What it is made of.
    pub source: RootSource,
    /// Whether the container may not write to it.
    pub readonly: bool,
    /// Propagation of the host's mounts while the root is built (`linux.rootfsPropagation`), then of the root itself.
    pub propagation: Propagation,
    /// How the container is locked in.
    pub pivot: PivotMethod,
}

impl Root {
    /// Where a path of the host stands in the container's root, if it does: a bind of it shows what the plan has mounted there
    /// before it.
    #[must_use]
    pub fn inside(&self, source: &Path) -> Option<ContainerPath> {
        match &self.source {
            RootSource::Directory { path } if path != Path::new("/") => {
                let inside = source.strip_prefix(path).ok()?.to_str()?;
                format!("/{inside}").parse().ok()
            }
            _ => None,
        }
    }
}
