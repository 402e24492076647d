//! `image save`: images into an archive or a folder.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use cofferdam_names::{Digest, ImageReference};
use cofferdam_wire_oci::image as wire;

use super::{BLOBS, DOCKER_MANIFEST, DockerImage, INDEX, LAYOUT, TransferError, WHOLE_NAME};
use crate::store::REF_NAME;
use crate::tree::{Attributes, TreeSink};
use crate::{Descriptor, Hasher, MediaType, Platform, Store, StoredImage};

impl Store {
    /// Writes images with their names, and each blob once. An index goes along as such if all of its images are here;
    /// otherwise only its image for this machine does. Each blob is checked as it is read.
    ///
    /// # Errors
    /// A blob is not here or is not what it should be, or the sink refuses.
    pub fn save(&self, images: &[StoredImage], sink: &mut dyn TreeSink) -> Result<(), TransferError> {
        let (mut manifests, mut docker, mut blobs) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut configs = BTreeSet::new();
        for image in images {
            let saved = self.whole_or_own(&image.descriptor)?;
            let reached = self.reached_from(&saved)?;
            blobs.extend(reached.blobs);
            manifests.extend(entries(&saved, &image.names));
            if let Ok((_, manifest)) = self.manifest(&saved, &Platform::host()) {
                configs.insert(manifest.config.digest.clone());
                let path = |blob: &Descriptor| format!("{BLOBS}/{}", blob.digest.hex());
                docker.push(DockerImage {
                    config: path(&manifest.config),
                    repo_tags: Some(
                        image
                            .names
                            .iter()
                            .filter(|name| name.tag().is_some())
                            .map(ImageReference::familiar)
                            .collect(),
                    ),
                    layers: manifest.layers.iter().map(path).collect(),
                });
            }
        }
        let index = wire::Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX.to_owned()),
            manifests: Some(manifests),
            ..wire::Manifest::default()
        };
        let failed = |error: serde_json::Error| TransferError::Write(error.into());
        let lists = [
            (LAYOUT, br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            (INDEX, serde_json::to_vec(&index).map_err(failed)?),
            (DOCKER_MANIFEST, serde_json::to_vec(&docker).map_err(failed)?),
        ];
        for (name, bytes) in lists {
            let written =
                sink.file(Path::new(name), &plain(0o644), bytes.len() as u64, &mut bytes.as_slice());
            written.map_err(TransferError::Write)?;
        }
        for folder in ["blobs", BLOBS] {
            sink.folder(Path::new(folder), &plain(0o755)).map_err(TransferError::Write)?;
        }
        let size = |digest| self.blob_path(digest).metadata().map_or(0, |found| found.len());
        let mut blobs: Vec<&Digest> = blobs.iter().collect();
        // Whoever reads a configuration first can unpack layers as they come, and had better begin with the largest.
        blobs.sort_by_cached_key(|digest| (!configs.contains(*digest), Reverse(size(digest))));
        blobs.into_iter().try_for_each(|digest| self.save_blob(digest, sink))
    }

    fn save_blob(&self, digest: &Digest, sink: &mut dyn TreeSink) -> Result<(), TransferError> {
        let file = self.open_blob(digest)?;
        let size = file.metadata().map_err(TransferError::Read)?.len();
        let path = format!("{BLOBS}/{}", digest.hex());
        let mut checked = Checked { file, hasher: Hasher::default() };
        sink.file(Path::new(&path), &plain(0o644), size, &mut checked).map_err(TransferError::Write)?;
        let found = checked.hasher.finish();
        if found == *digest {
            Ok(())
        } else {
            Err(crate::StoreError::WrongDigest { expected: digest.clone(), found }.into())
        }
    }

    /// The image itself if all that belongs to it is here, its manifest for this machine otherwise.
    fn whole_or_own(&self, image: &Descriptor) -> Result<Descriptor, TransferError> {
        let reached = self.reached_from(image)?;
        if reached.blobs.iter().all(|digest| self.contains(digest)) {
            return Ok(image.clone());
        }
        Ok(self.manifest(image, &Platform::host())?.0)
    }
}

/// The entries of an index for an image: one for each name.
fn entries(image: &Descriptor, names: &[ImageReference]) -> Vec<wire::Descriptor> {
    let entry = |name: Option<&ImageReference>| {
        let mut annotations = BTreeMap::new();
        if let Some(name) = name {
            annotations.insert(WHOLE_NAME.to_owned(), name.to_string());
            annotations.insert(REF_NAME.to_owned(), name.to_string());
        }
        wire::Descriptor::from(Descriptor { annotations, ..image.clone() })
    };
    match names {
        [] => vec![entry(None)],
        names => names.iter().map(|name| entry(Some(name))).collect(),
    }
}

/// Nobody's, and of no time: the same images give the same archive.
fn plain(mode: u32) -> Attributes {
    Attributes { mode, ..Attributes::default() }
}

struct Checked {
    file: std::fs::File,
    hasher: Hasher,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
