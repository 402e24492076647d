//! One mount inside a container.

use std::path::PathBuf;

use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use crate::IdMapping;

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
