//! Which images there are, and which one a person means.

use cofferdam_names::{Digest, ImageReference};

use super::{Lease, Store, StoreError};
use crate::Descriptor;

/// An image: a manifest or an index that is kept, and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// What it is. Its digest is the image's id.
    pub descriptor: Descriptor,
    /// All of its names, in order; none for one that lost them.
    pub names: Vec<ImageReference>,
}

/// The annotation of an entry of the index: the name that it was pulled by. It stays with the image when it gets other names.
const PULLED: &str = "io.cofferdam.pulled";

impl Lease {
    /// As [`Lease::put_reference`], for an image that was pulled by this name.
    pub(crate) fn put_pulled(
        &self,
        name: &ImageReference,
        descriptor: &Descriptor,
    ) -> Result<(), StoreError> {
        let mut descriptor = descriptor.clone();
        descriptor.annotations.insert(PULLED.to_owned(), name.to_string());
        self.put_reference(name, &descriptor)
    }
}

impl Store {
    /// All images, in the order of their first names, those without last.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn images(&self) -> Result<Vec<StoredImage>, StoreError> {
        let mut images: Vec<StoredImage> = Vec::new();
        for entry in self.index()?.entries.into_iter().filter(|entry| entry.subject.is_none()) {
            let same = images.iter_mut().find(|image| image.descriptor.digest == entry.descriptor.digest);
            match same {
                Some(image) => image.names.extend(entry.name),
                None => images.push(StoredImage {
                    descriptor: entry.descriptor,
                    names: entry.name.into_iter().collect(),
                }),
            }
        }
        for image in &mut images {
            image.names.sort();
        }
        images.sort_by(|a, b| {
            (a.names.is_empty(), &a.names, &a.descriptor.digest).cmp(&(
                b.names.is_empty(),
                &b.names,
                &b.descriptor.digest,
            ))
        });
        Ok(images)
    }

    /// All names and what they lead to.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn references(&self) -> Result<Vec<(ImageReference, Descriptor)>, StoreError> {
        let named = self.index()?.entries.into_iter();
        Ok(named.filter_map(|entry| Some((entry.name?, entry.descriptor))).collect())
    }

    /// What a name leads to. With a digest in it, only what has this digest.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn reference(&self, name: &ImageReference) -> Result<Option<Descriptor>, StoreError> {
        let fits = |other: &ImageReference, descriptor: &Descriptor| match name.digest() {
            None => other == name,
            Some(digest) => {
                descriptor.digest == *digest
                    && other.registry() == name.registry()
                    && other.repository() == name.repository()
            }
        };
        Ok(self.references()?.into_iter().find(|(other, found)| fits(other, found)).map(|(_, found)| found))
    }

    /// The image that a person means by a word: a name, a whole id, or the beginning of one id only.
    ///
    /// # Errors
    /// There is none, or there are several; the index cannot be read.
    pub fn resolve(&self, word: &str) -> Result<StoredImage, StoreError> {
        let images = self.images()?;
        if let Ok(name) = word.parse::<ImageReference>()
            && let Some(descriptor) = self.reference(&name)?
            && let Some(image) = images.iter().find(|image| image.descriptor.digest == descriptor.digest)
        {
            return Ok(image.clone());
        }
        let hex = word.strip_prefix("sha256:").unwrap_or(word);
        let mut begins = images
            .into_iter()
            .filter(|image| !hex.is_empty() && image.descriptor.digest.hex().starts_with(hex));
        match (begins.next(), begins.next()) {
            (Some(image), None) => Ok(image),
            (None, _) => Err(StoreError::NoImage { word: word.to_owned() }),
            (Some(_), Some(_)) => Err(StoreError::Ambiguous { word: word.to_owned() }),
        }
    }

    /// The names that an image was pulled by, whatever names it has now; none for one that was made here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn pulled_as(&self, digest: &Digest) -> Result<Vec<ImageReference>, StoreError> {
        let same = self.index()?.entries.into_iter().filter(|entry| entry.descriptor.digest == *digest);
        let named = same.filter_map(|entry| entry.descriptor.annotations.get(PULLED)?.parse().ok());
        let mut names: Vec<ImageReference> = named.collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Takes a name away. With its last name an image goes, unless it is to be kept without. Whether there was such a name.
    /// Blobs stay until they are collected.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn remove_reference(&self, name: &ImageReference, keep: bool) -> Result<bool, StoreError> {
        let mut found = false;
        self.change_index(|index| {
            let gone = index.remove_name(name);
            found = gone.is_some();
            if let Some(descriptor) = gone.filter(|_| keep) {
                index.keep(descriptor);
            }
            found
        })?;
        Ok(found)
    }

    /// Takes an image away with all its names, which are answered. Blobs stay until they are collected.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn remove_image(&self, digest: &Digest) -> Result<Vec<ImageReference>, StoreError> {
        let mut names = Vec::new();
        self.change_index(|index| {
            let before = index.entries.len();
            names = index.remove_image(digest);
            index.entries.len() != before
        })?;
        Ok(names)
    }
}
