//! `index.json`: which names lead to which images, and which images have no name.

use cofferdam_names::{Digest, ImageReference};
use cofferdam_wire_oci::{image as wire, parse};

use super::referrers::SUBJECT;
use super::{Store, StoreError};
use crate::{Descriptor, DocumentError, MediaType};

/// The annotation that holds a name, in its whole form (image-spec, annotations.md).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// One entry: a manifest or an index that is kept, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Option<ImageReference>,
    /// What it is about, if it is no image but a signature of one or the like.
    pub(crate) subject: Option<Digest>,
    pub(crate) descriptor: Descriptor,
}

/// The index in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) entries: Vec<Entry>,
}

impl Index {
    fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let wire: wire::Manifest =
            parse(bytes).map_err(|source| DocumentError::Parse { what: "an image index", source })?;
        let mut entries = Vec::new();
        for descriptor in wire.manifests.unwrap_or_default() {
            let mut descriptor = Descriptor::try_from(descriptor)?;
            let name = match descriptor.annotations.remove(REF_NAME) {
                Some(name) => {
                    Some(name.parse().map_err(|_| DocumentError::invalid("image reference", &name))?)
                }
                None => None,
            };
            let subject = match descriptor.annotations.remove(SUBJECT) {
                Some(digest) => Some(digest.parse().map_err(|source| DocumentError::Digest { source })?),
                None => None,
            };
            entries.push(Entry { name, subject, descriptor });
        }
        Ok(Self { entries })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let manifests = self.entries.iter().map(|entry| {
            let mut descriptor = entry.descriptor.clone();
            if let Some(name) = &entry.name {
                descriptor.annotations.insert(REF_NAME.to_owned(), name.to_string());
            }
            if let Some(subject) = &entry.subject {
                descriptor.annotations.insert(SUBJECT.to_owned(), subject.to_string());
            }
            wire::Descriptor::from(descriptor)
        });
        serde_json::to_vec(&wire::Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX.to_owned()),
            manifests: Some(manifests.collect()),
            ..wire::Manifest::default()
        })
    }

    fn has(&self, digest: &Digest) -> bool {
        self.entries.iter().any(|entry| entry.subject.is_none() && entry.descriptor.digest == *digest)
    }

    /// Gives a name to an image. Whoever had it keeps its place without.
    pub(crate) fn set_name(&mut self, name: &ImageReference, descriptor: Descriptor) {
        // A name is all that it needs: the entry without one is for images that have none.
        let nameless = |entry: &Entry| entry.name.is_none() && entry.subject.is_none();
        self.entries.retain(|entry| !nameless(entry) || entry.descriptor.digest != descriptor.digest);
        let old = self.remove_name(name);
        self.entries.push(Entry { name: Some(name.clone()), subject: None, descriptor });
        if let Some(old) = old {
            self.keep(old);
        }
    }

    /// Keeps an image that may have no name. Whether it had no place before.
    pub(crate) fn keep(&mut self, descriptor: Descriptor) -> bool {
        let new = !self.has(&descriptor.digest);
        if new {
            self.entries.push(Entry { name: None, subject: None, descriptor });
        }
        new
    }

    /// Takes a name away; the image that had it may lose its place.
    pub(crate) fn remove_name(&mut self, name: &ImageReference) -> Option<Descriptor> {
        let at = self.entries.iter().position(|entry| entry.name.as_ref() == Some(name))?;
        Some(self.entries.remove(at).descriptor)
    }

    /// Takes an image away with all its names, which are answered.
    pub(crate) fn remove_image(&mut self, digest: &Digest) -> Vec<ImageReference> {
        let (gone, kept) = std::mem::take(&mut self.entries).into_iter().partition::<Vec<_>, _>(|entry| {
            entry.descriptor.digest == *digest || entry.subject.as_ref() == Some(digest)
        });
        self.entries = kept;
        gone.into_iter().filter_map(|entry| entry.name).collect()
    }
}

impl Store {
    pub(crate) fn index(&self) -> Result<Index, StoreError> {
        let path = self.folder.join("index.json");
        match std::fs::read(&path) {
            // Empty: a power cut after the rename.
            Ok(bytes) if bytes.is_empty() => Ok(Index::default()),
            Ok(bytes) => Index::parse(&bytes).map_err(|source| StoreError::Index { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Index::default()),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Changes the index under its lock; it is written if the work says that it changed something.
    pub(crate) fn change_index(&self, work: impl FnOnce(&mut Index) -> bool) -> Result<(), StoreError> {
        let _locked = self.lock_index()?;
        let mut index = self.index()?;
        if !work(&mut index) {
            return Ok(());
        }
        index.entries.sort_by(|a, b| a.name.cmp(&b.name).then(a.descriptor.digest.cmp(&b.descriptor.digest)));
        let path = self.folder.join("index.json");
        let bytes = index.to_bytes().map_err(|error| StoreError::io("write", &path)(error.into()))?;
        self.replace("index.json", &bytes)
    }
}
