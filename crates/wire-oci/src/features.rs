//! What `features` prints (features.md, features-linux.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::null;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Oldest specification that is understood.
    pub oci_version_min: String,
    /// Newest one.
    pub oci_version_max: String,
    /// Moments at which hooks can run.
    #[serde(default, deserialize_with = "null::as_default")]
    pub hooks: Vec<String>,
    /// Words of mount options.
    #[serde(default, deserialize_with = "null::as_default")]
    pub mount_options: Vec<String>,
    /// The Linux part.
    pub linux: FeaturesLinux,
    /// Free text.
    #[serde(default, deserialize_with = "null::as_default")]
    pub annotations: BTreeMap<String, String>,
    /// Annotations that a caller should not pass on unseen.
    #[serde(default, deserialize_with = "null::as_default", skip_serializing_if = "Vec::is_empty")]
    pub potentially_unsafe_config_annotations: Vec<String>,
}

/// `linux`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesLinux {
    pub namespaces: Vec<String>,
    pub capabilities: Vec<String>,
    pub cgroup: FeaturesCgroup,
    pub seccomp: FeaturesSeccomp,
    pub apparmor: FeaturesApparmor,
    pub selinux: FeaturesSelinux,
    pub intel_rdt: FeaturesIntelRdt,
    pub memory_policy: FeaturesMemoryPolicy,
    pub mount_extensions: FeaturesMountExtensions,
    pub net_devices: FeaturesNetDevices,
}

/// `linux.cgroup`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, clippy::struct_excessive_bools, reason = "the shape is the specification's")]
pub struct FeaturesCgroup {
    pub v1: bool,
    pub v2: bool,
    pub systemd: bool,
    pub systemd_user: bool,
    pub rdma: bool,
}

/// `linux.seccomp`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesSeccomp {
    pub enabled: bool,
    pub actions: Vec<String>,
    pub operators: Vec<String>,
    pub archs: Vec<String>,
    pub known_flags: Vec<String>,
    pub supported_flags: Vec<String>,
}

/// `linux.apparmor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesApparmor {
    pub enabled: bool,
}

/// `linux.selinux`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesSelinux {
    pub enabled: bool,
}

/// `linux.intelRdt`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesIntelRdt {
    pub enabled: bool,
}

/// `linux.memoryPolicy`: what is supported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesMemoryPolicy {
    pub modes: Vec<String>,
    pub flags: Vec<String>,
}

/// `linux.mountExtensions`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesMountExtensions {
    pub idmap: FeaturesIdmap,
}

/// `linux.mountExtensions.idmap`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesIdmap {
    pub enabled: bool,
}

/// `linux.netDevices`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct FeaturesNetDevices {
    pub enabled: bool,
}
