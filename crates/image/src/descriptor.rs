//! What points to a blob.

use std::collections::BTreeMap;

use cofferdam_names::Digest;
use cofferdam_wire_oci::image as wire;

use super::{DocumentError, MediaType, Platform};

/// A descriptor (OCI image-spec, descriptor.md): type, digest and size of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: MediaType,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
    /// In an index: what it runs on.
    pub platform: Option<Platform>,
    /// The type of the artifact that the blob is the manifest of.
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Of a blob of which nothing else is said.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), platform: None, artifact_type: None }
    }

    /// Whether it is what BuildKit hangs beside an image: no image for any platform (`unknown/unknown`).
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }
}

impl TryFrom<wire::Descriptor> for Descriptor {
    type Error = DocumentError;

    fn try_from(wire: wire::Descriptor) -> Result<Self, Self::Error> {
        Ok(Self {
            media_type: wire.media_type.parse()?,
            digest: wire.digest.parse().map_err(|source| DocumentError::Digest { source })?,
            size: u64::try_from(wire.size)
                .map_err(|_| DocumentError::invalid("size of a blob", &wire.size.to_string()))?,
            annotations: wire.annotations,
            platform: wire.platform.map(Platform::from),
            artifact_type: wire.artifact_type,
        })
    }
}

impl From<Descriptor> for wire::Descriptor {
    fn from(descriptor: Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.to_string(),
            digest: descriptor.digest.to_string(),
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            urls: Vec::new(),
            annotations: descriptor.annotations,
            platform: descriptor.platform.map(wire::Platform::from),
            artifact_type: descriptor.artifact_type,
        }
    }
}
