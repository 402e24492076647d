//! Manifests and indexes.

use std::collections::BTreeMap;

use cofferdam_names::InvalidName;
use cofferdam_wire_oci::{ParseError, image as wire, parse};
use thiserror::Error;

use super::{Descriptor, MediaKind, MediaType, Platform};

/// Why a document is not what it should be.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// It is not the JSON that it should be.
    #[error("cannot read {what}")]
    Parse {
        /// What was expected.
        what: &'static str,
        /// Where and why not.
        #[source]
        source: ParseError,
    },
    /// A digest that is none, or of an algorithm that is not known.
    #[error("cannot use a descriptor")]
    Digest {
        /// Why not.
        #[source]
        source: InvalidName,
    },
    /// A value that cannot be.
    #[error("invalid {what}: {text:?}")]
    Invalid {
        /// What was expected.
        what: &'static str,
        /// What was found, cut to 80 characters.
        text: String,
    },
    /// It says two things at once, or not what its descriptor says (CVE-2021-41190).
    #[error("{0}")]
    Contradiction(&'static str),
    /// It names more than anything honest does.
    #[error("{what} has {count} {of}; at most {most} are read")]
    TooMany {
        /// Which document.
        what: &'static str,
        /// How many.
        count: usize,
        /// Of what.
        of: &'static str,
        /// The limit.
        most: usize,
    },
    /// It was made for another format.
    #[error(
        "this is an image of Docker's schema 1, which is no longer read; push it again with a current client"
    )]
    OldSchema,
}

impl DocumentError {
    pub(crate) fn invalid(what: &'static str, text: &str) -> Self {
        Self::Invalid { what, text: text.chars().take(80).collect() }
    }
}

/// The most layers of an image, and images of an index, that are read. Docker's own limit is 127 layers.
const MOST_LAYERS: usize = 1000;

/// An image manifest: one configuration and its layers. Or an artifact's, whose layers are anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its own type.
    pub media_type: MediaType,
    /// The image's configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (a signature's image).
    pub subject: Option<Descriptor>,
    /// What an artifact is.
    pub artifact_type: Option<String>,
    /// What else is said.
    pub annotations: BTreeMap<String, String>,
}

/// An image index: manifests for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIndex {
    /// Its own type.
    pub media_type: MediaType,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// What else is said.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's names")]
pub enum Document {
    Manifest(Box<Manifest>),
    Index(Box<ImageIndex>),
}

impl Document {
    /// What it is about, if anything.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Manifest(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// Reads the bytes of a blob that was described as of this type.
    ///
    /// # Errors
    /// They are something else, or say two things at once.
    pub fn parse(media_type: &MediaType, bytes: &[u8]) -> Result<Self, DocumentError> {
        let wire: wire::Manifest =
            parse(bytes).map_err(|source| DocumentError::Parse { what: "a manifest", source })?;
        if wire.schema_version == 1 {
            return Err(DocumentError::OldSchema);
        }
        if wire.schema_version != 2 {
            return Err(DocumentError::invalid("schemaVersion", &wire.schema_version.to_string()));
        }
        if wire.media_type.as_ref().is_some_and(|own| own != media_type.as_str()) {
            return Err(DocumentError::Contradiction(
                "the manifest calls itself by another media type than the one it was described with",
            ));
        }
        let media_type = media_type.clone();
        let subject = wire.subject.map(Descriptor::try_from).transpose()?;
        match (media_type.kind(), wire.config, wire.layers, wire.manifests) {
            (MediaKind::Manifest, Some(config), Some(layers), None) => {
                Ok(Self::Manifest(Box::new(Manifest {
                    media_type,
                    config: config.try_into()?,
                    layers: descriptors("a manifest", "layers", layers)?,
                    subject,
                    artifact_type: wire.artifact_type,
                    annotations: wire.annotations,
                })))
            }
            (MediaKind::Index, None, None, Some(manifests)) => Ok(Self::Index(Box::new(ImageIndex {
                media_type,
                manifests: descriptors("an index", "manifests", manifests)?,
                subject,
                annotations: wire.annotations,
            }))),
            (MediaKind::Manifest, ..) => Err(DocumentError::Contradiction(
                "an image manifest has `config` and `layers` and no `manifests`; this document has not",
            )),
            (MediaKind::Index, ..) => Err(DocumentError::Contradiction(
                "an image index has `manifests` and neither `config` nor `layers`; this document has not",
            )),
            _ => Err(DocumentError::invalid("media type of a manifest", media_type.as_str())),
        }
    }
}

fn descriptors(
    what: &'static str,
    of: &'static str,
    wire: Vec<wire::Descriptor>,
) -> Result<Vec<Descriptor>, DocumentError> {
    if wire.len() > MOST_LAYERS {
        return Err(DocumentError::TooMany { what, count: wire.len(), of, most: MOST_LAYERS });
    }
    wire.into_iter().map(Descriptor::try_from).collect()
}

impl Manifest {
    /// Whether it is an image that can be run, and not an artifact.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.config.media_type.kind() == MediaKind::Config
            && self.layers.iter().all(|layer| matches!(layer.media_type.kind(), MediaKind::Layer(_)))
    }

    /// Its bytes, for a manifest that is made here. One that came from elsewhere keeps the bytes that it came as.
    ///
    /// # Errors
    /// None that can be thought of: JSON of plain texts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&wire::Manifest {
            schema_version: 2,
            media_type: Some(self.media_type.to_string()),
            artifact_type: self.artifact_type.clone(),
            config: Some(self.config.clone().into()),
            layers: Some(self.layers.iter().cloned().map(wire::Descriptor::from).collect()),
            manifests: None,
            subject: self.subject.clone().map(wire::Descriptor::from),
            annotations: self.annotations.clone(),
        })
    }
}

impl ImageIndex {
    /// The manifest that suits a platform best. An index that names no platforms at all has its first image for all.
    #[must_use]
    pub fn choose(&self, platform: &Platform) -> Option<&Descriptor> {
        let images = || self.manifests.iter().filter(|manifest| !manifest.is_attestation());
        let ranked = images().filter_map(|manifest| {
            let rank = platform.rank(manifest.platform.as_ref()?)?;
            Some((rank, manifest))
        });
        let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, manifest)| manifest);
        best.or_else(|| images().next().filter(|_| images().all(|manifest| manifest.platform.is_none())))
    }

    /// The platforms that it has images for.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.manifests
            .iter()
            .filter(|manifest| !manifest.is_attestation())
            .filter_map(|manifest| manifest.platform.as_ref())
    }

    /// Its bytes, for an index that is made here.
    ///
    /// # Errors
    /// None that can be thought of: JSON of plain texts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&wire::Manifest {
            schema_version: 2,
            media_type: Some(self.media_type.to_string()),
            manifests: Some(self.manifests.iter().cloned().map(wire::Descriptor::from).collect()),
            subject: self.subject.clone().map(wire::Descriptor::from),
            annotations: self.annotations.clone(),
            ..wire::Manifest::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":2}}"#, "0a".repeat(32))
    }

    fn read(media_type: &str, text: &str) -> Result<Document, DocumentError> {
        Document::parse(&media_type.parse().unwrap(), text.as_bytes())
    }

    #[test]
    fn a_manifest_is_read_and_written_again() {
        let config = descriptor(MediaType::OCI_CONFIG);
        let layer = descriptor(MediaType::OCI_LAYER_ZSTD);
        let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}],"more":[1]}}"#);
        let Document::Manifest(manifest) = read(MediaType::OCI_MANIFEST, &text).unwrap() else {
            unreachable!("it is a manifest")
        };
        assert!(manifest.is_image());
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Document::parse(&manifest.media_type, &bytes).unwrap(), Document::Manifest(manifest));
    }

    #[test]
    fn a_document_that_is_two_things_is_neither() {
        let (config, layer) = (descriptor(MediaType::OCI_CONFIG), descriptor(MediaType::OCI_LAYER));
        let both =
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}],"manifests":[{layer}]}}"#);
        assert!(read(MediaType::OCI_MANIFEST, &both).is_err());
        assert!(read(MediaType::OCI_INDEX, &both).is_err());
        let plain = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
        assert!(read(MediaType::OCI_INDEX, &plain).is_err());
        assert!(read("application/json", &plain).is_err());
        let other = plain.replacen('{', &format!(r#"{{"mediaType":"{}","#, MediaType::OCI_INDEX), 1);
        assert!(read(MediaType::OCI_MANIFEST, &other).is_err());
        for (from, to) in
            [("\"size\":2", "\"size\":-2"), ("sha256:0", "sha256:x"), ("Version\":2", "Version\":3")]
        {
            assert!(read(MediaType::OCI_MANIFEST, &plain.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(matches!(
            read(MediaType::DOCKER_MANIFEST, r#"{"schemaVersion":1,"fsLayers":[]}"#),
            Err(DocumentError::OldSchema)
        ));
        let many = vec![layer; MOST_LAYERS + 1].join(",");
        let many = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{many}]}}"#);
        assert!(matches!(read(MediaType::OCI_MANIFEST, &many), Err(DocumentError::TooMany { .. })));
    }

    #[test]
    fn the_best_platform_is_chosen() {
        let entry = |platform: &str, size: u64| Descriptor {
            platform: (!platform.is_empty()).then(|| platform.parse().unwrap()),
            ..Descriptor::new(MediaType::OCI_MANIFEST.parse().unwrap(), crate::digest_of(b""), size)
        };
        let choose = |entries: Vec<Descriptor>, platform: &str| {
            let index = ImageIndex {
                media_type: MediaType::OCI_INDEX.parse().unwrap(),
                manifests: entries,
                subject: None,
                annotations: BTreeMap::new(),
            };
            index.choose(&platform.parse().unwrap()).map(|found| found.size)
        };
        let all = || vec![entry("unknown/unknown", 0), entry("linux/amd64/v2", 1), entry("linux/amd64", 2)];
        assert_eq!(choose(all(), "linux/amd64"), Some(2));
        assert_eq!(choose(all(), "linux/amd64/v3"), Some(1));
        assert_eq!(choose(all(), "linux/arm64"), None);
        assert_eq!(choose(vec![entry("", 7)], "linux/arm64"), Some(7));
        assert_eq!(choose(vec![entry("", 7), entry("linux/amd64", 8)], "linux/arm64"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&MediaType::OCI_MANIFEST.parse().unwrap(), &bytes);
        }
    }
}
