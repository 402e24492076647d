//! Media types, and what they stand for.

use std::fmt;
use std::str::FromStr;

use super::manifest::DocumentError;

/// A media type (RFC 6838): `application/vnd.oci.image.manifest.v1+json`. Any, not only those that are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(String);

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's names")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// An image manifest.
    Manifest,
    /// An image index (Docker's manifest list).
    Index,
    /// An image configuration.
    Config,
    /// A layer of files.
    Layer(Compression),
    /// Something else: an artifact's content.
    Other,
}

impl MediaType {
    /// OCI's image manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI's image index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI's image configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// OCI's layer, as it is.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// OCI's layer in gzip.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI's layer in zstd.
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// OCI's "nothing": the configuration of an artifact that has none.
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// Docker's image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's manifest list.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's image configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's layer in gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a blob of this type is.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        match self.0.as_str() {
            Self::OCI_MANIFEST | Self::DOCKER_MANIFEST => MediaKind::Manifest,
            Self::OCI_INDEX | Self::DOCKER_INDEX => MediaKind::Index,
            Self::OCI_CONFIG | Self::DOCKER_CONFIG => MediaKind::Config,
            Self::OCI_LAYER
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => MediaKind::Layer(Compression::None),
            Self::OCI_LAYER_GZIP
            | Self::DOCKER_LAYER_GZIP
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => {
                MediaKind::Layer(Compression::Gzip)
            }
            Self::OCI_LAYER_ZSTD
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => MediaKind::Layer(Compression::Zstd),
            _ => MediaKind::Other,
        }
    }
}

impl FromStr for MediaType {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = |part: &str| {
            (1..=127).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        match text.split_once('/') {
            Some((kind, subtype)) if name(kind) && name(subtype) => Ok(Self(text.to_owned())),
            _ => Err(DocumentError::invalid("media type", text)),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_and_what_is_no_type_is_refused() {
        let kind = |text: &str| text.parse::<MediaType>().unwrap().kind();
        assert_eq!(kind(MediaType::DOCKER_INDEX), MediaKind::Index);
        assert_eq!(kind(MediaType::DOCKER_LAYER_GZIP), MediaKind::Layer(Compression::Gzip));
        assert_eq!(kind("application/spdx+json"), MediaKind::Other);
        for bad in ["", "a", "a/", "/a", "a/b c", "a/b\n", "a/b/c", &format!("a/{}", "b".repeat(200))] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad:?}");
        }
    }
}
