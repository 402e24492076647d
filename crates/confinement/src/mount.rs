//! One mount inside a container.

use std::path::{Component, Path, PathBuf};

use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use crate::{IdMapping, StackedLayers};

/// How mount events travel (mount_namespaces(7), "Shared subtrees").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum Propagation {
    Private,
    Rprivate,
    Slave,
    Rslave,
    Shared,
    Rshared,
    Unbindable,
    Runbindable,
}

impl Propagation {
    /// Whether it covers the mounts below as well.
    #[must_use]
    pub fn is_recursive(self) -> bool {
        matches!(self, Self::Rprivate | Self::Rslave | Self::Rshared | Self::Runbindable)
    }
}

/// One attribute of a mount: set it, clear it, or leave what the source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "said above")]
pub enum Flag {
    #[default]
    Keep,
    Set,
    Clear,
}

/// How access times are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum AccessTime {
    Relatime,
    Noatime,
    Strictatime,
}

/// The attributes that mount_setattr(2) knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct MountFlags {
    pub readonly: Flag,
    pub nosuid: Flag,
    pub nodev: Flag,
    pub noexec: Flag,
    pub nosymfollow: Flag,
    pub nodiratime: Flag,
    pub access_time: Option<AccessTime>,
}

impl MountFlags {
    /// Nothing to change.
    pub const KEEP: Self = Self {
        readonly: Flag::Keep,
        nosuid: Flag::Keep,
        nodev: Flag::Keep,
        noexec: Flag::Keep,
        nosymfollow: Flag::Keep,
        nodiratime: Flag::Keep,
        access_time: None,
    };

    /// `nosuid,nodev,noexec`: what kernel file systems get.
    #[must_use]
    pub fn inert() -> Self {
        Self { nosuid: Flag::Set, nodev: Flag::Set, noexec: Flag::Set, ..Self::KEEP }
    }

    /// `ro,nosuid,nodev`: what is only looked at, or run from.
    #[must_use]
    pub fn readonly_safe() -> Self {
        Self { readonly: Flag::Set, nosuid: Flag::Set, nodev: Flag::Set, ..Self::KEEP }
    }
}

/// Which ids a bind mount shows (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MountIdMap {
    /// As on the host.
    None,
    /// Host id n appears as container id n: the container's own maps are used for the mount.
    Container {
        /// Also the mounts below.
        recursive: bool,
    },
    /// Maps of its own (OCI `uidMappings` of a mount); host ids as seen from the host.
    Own {
        /// Users.
        uids: Vec<IdMapping>,
        /// Groups.
        gids: Vec<IdMapping>,
        /// Also the mounts below.
        recursive: bool,
    },
}

/// The folder in which the kernel shows itself to a container that a path, taken as text, is in: `/proc`, `/sys` or `/dev`.
/// `/dev/shm` holds files like any other folder, and is none of them.
///
/// A mount whose target is elsewhere in the plan's words may not land there by a link: it would cover what the plan masks and
/// protects (CVE-2019-19921).
#[must_use]
pub fn kernel_folder(path: &Path) -> Option<&'static str> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let first = *parts.first()?;
    if first == "dev" && parts.get(1).is_some_and(|name| *name == "shm") {
        return None;
    }
    ["/proc", "/sys", "/dev"].into_iter().find(|folder| first == folder.trim_start_matches('/'))
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MountKind {
    /// A file or folder of the host.
    Bind {
        /// Its path on the host.
        source: PathBuf,
        /// Whether that path was resolved and judged: it holds no symbolic link, and one that has been put into it since is not
        /// followed. Else links are followed, as of a path that the caller alone answers for.
        resolved: bool,
        /// With the mounts below it (`rbind`).
        recursive: bool,
        /// The ids it shows.
        id_map: MountIdMap,
    },
    /// A new file system.
    Filesystem {
        /// `tmpfs`, `proc`, ...
        fstype: String,
        /// What mountinfo shows as its source.
        source: String,
        /// Its own options, in order: `size=64m`, `newinstance`, ...
        options: Vec<String>,
        /// A tmpfs that starts with what the image has at that path (`tmpcopyup`).
        copy_up: bool,
    },
    /// The files of an image that is not the container's own, to be read only.
    Image {
        /// The image's id.
        id: String,
        /// Its layers, as a root has them ([`crate::RootSource::Overlay`]).
        lower: Vec<PathBuf>,
        /// One image that shows all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack: Option<StackedLayers>,
        /// The file or folder in it that is mounted, relative; links are followed inside the image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<PathBuf>,
        /// Map the layers with the container's id maps.
        id_mapped: bool,
    },
    /// The container's own view of the cgroup tree: the v2 tree, or one mount per v1 controller.
    Cgroup,
    /// Nothing new: the attributes are changed of what is mounted at the target already (OCI `remount`).
    Remount,
}

/// One mount inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where it appears.
    pub target: ContainerPath,
    /// What is mounted.
    pub kind: MountKind,
    /// Attributes of this mount alone.
    pub flags: MountFlags,
    /// Attributes of this mount and all below it (`rro`, `rnosuid`, ...).
    pub recursive_flags: MountFlags,
    /// Propagation, in the order given (`rprivate`, `rshared`, ...).
    pub propagation: Vec<Propagation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_folders_are_found_in_any_spelling() {
        for (path, folder) in [
            ("/proc", Some("/proc")),
            ("//proc/./sys/", Some("/proc")),
            ("/a/../sys/x", Some("/sys")),
            ("/dev/null", Some("/dev")),
            ("/dev/shm/x", None),
            ("/dev/shm/../null", Some("/dev")),
            ("/process", None),
            ("/a/proc", None),
            ("/", None),
        ] {
            assert_eq!(kernel_folder(Path::new(path)), folder, "{path}");
        }
    }
}
