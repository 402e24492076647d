//! Reads everything again, and tells what is not as it should be.

use std::io::Read;

use cofferdam_names::Digest;

use super::{Store, StoreError};
use crate::{Descriptor, Hasher};

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Blobs whose bytes were read.
    pub blobs: u64,
    /// Layers whose files were compared with their blobs.
    pub layers: u64,
    /// One sentence for each thing that is wrong.
    pub problems: Vec<String>,
}

impl Verified {
    fn note(&mut self, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.problems.push(text);
    }
}

impl Store {
    /// Whether the bytes of a blob have its digest.
    ///
    /// # Errors
    /// They have not, or cannot be read.
    pub fn verify_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        let mut file = self.open_blob(digest)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer).map_err(StoreError::io("read", &self.blob_path(digest)))? {
                0 => break,
                count => hasher.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        let found = hasher.finish();
        if found == *digest {
            Ok(())
        } else {
            Err(StoreError::WrongDigest { expected: digest.clone(), found })
        }
    }

    /// Reads an image whole: each blob, each document, and each unpacked layer against its blob.
    pub fn verify_image(&self, image: &Descriptor, verified: &mut Verified) {
        let reached = match self.reached_from(image) {
            Ok(reached) => reached,
            Err(error) => return verified.note(&error),
        };
        if !self.contains(&image.digest) {
            return verified.note(&StoreError::NoBlob { digest: image.digest.clone() });
        }
        // Images of an index for other platforms may be elsewhere.
        for digest in reached.blobs.iter().filter(|digest| self.contains(digest)) {
            verified.blobs += 1;
            if let Err(error) = self.verify_blob(digest) {
                verified.note(&error);
            }
        }
        let own = match self.manifest(image, &crate::Platform::host()) {
            Ok((_, manifest)) => manifest,
            // An artifact's, or another machine's.
            Err(StoreError::NoPlatform { .. }) => return,
            Err(error) => return verified.note(&error),
        };
        for blob in std::iter::once(&own.config).chain(&own.layers) {
            if !self.contains(&blob.digest) {
                verified.note(&StoreError::NoBlob { digest: blob.digest.clone() });
            }
        }
        if own.is_image() {
            self.verify_layers_of(&own, verified);
        }
    }

    /// Compares each unpacked layer of an image with its blob, as far as they are in this store's form.
    pub fn verify_layers(&self, image: &Descriptor, verified: &mut Verified) {
        if let Ok((_, own)) = self.manifest(image, &crate::Platform::host())
            && own.is_image()
        {
            self.verify_layers_of(&own, verified);
        }
    }

    fn verify_layers_of(&self, own: &crate::Manifest, verified: &mut Verified) {
        let config = match self.config(own) {
            Ok(config) => config,
            Err(error) => return verified.note(&error),
        };
        if own.layers.len() != config.diff_ids.len() {
            let (blobs, diff_ids) = (own.layers.len(), config.diff_ids.len());
            return verified.note(&StoreError::LayerCount { blobs, diff_ids });
        }
        for (blob, diff_id) in own.layers.iter().zip(&config.diff_ids) {
            match self.verify_layer(&blob.digest, diff_id) {
                Ok(there) => verified.layers += u64::from(there),
                Err(error) => verified.note(&error),
            }
        }
        if let Err(error) = self.verify_stack(&config.diff_ids) {
            verified.note(&error);
        }
    }

    /// Reads all images, and all blobs, also those of no image.
    ///
    /// # Errors
    /// The index or the folder of blobs cannot be read.
    pub fn verify_all(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let mut seen = std::collections::BTreeSet::new();
        for image in self.images()? {
            self.verify_image(&image.descriptor, &mut verified);
            if let Ok(reached) = self.reached_from(&image.descriptor) {
                seen.extend(reached.blobs);
            }
        }
        let folder = self.folder.join("blobs/sha256");
        for entry in std::fs::read_dir(&folder).map_err(StoreError::io("read", &folder))? {
            let entry = entry.map_err(StoreError::io("read", &folder))?;
            let name = entry.file_name();
            let digest: Option<Digest> = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
            match digest {
                Some(digest) if seen.contains(&digest) => {}
                Some(digest) => {
                    verified.blobs += 1;
                    if let Err(error) = self.verify_blob(&digest) {
                        verified.note(&error);
                    }
                }
                None => verified.problems.push(format!("{} is no blob", entry.path().display())),
            }
        }
        Ok(verified)
    }
}
