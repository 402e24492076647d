//! `image load`: images from an archive or a folder.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use cofferdam_names::{Digest, ImageReference};
use cofferdam_wire_oci::{image as wire, parse};

use super::collector::Collector;
use super::early;
use super::{DOCKER_MANIFEST, DockerImage, INDEX, TransferError, WHOLE_NAME};
use crate::layer::with_threads;
use crate::store::REF_NAME;
use crate::tree::archive::{self, Names};
use crate::tree::walk::Walk;
use crate::tree::{TreeSink, compression};
use crate::{Descriptor, Document, DocumentError, ImageConfigFile, Lease, MAX_DOCUMENT, Manifest, MediaType};

/// One image that was taken in. Nothing keeps it yet ([`Lease::keep_as`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What it is.
    pub image: Descriptor,
    /// The names that it has in its source.
    pub names: Vec<ImageReference>,
}

impl Lease {
    /// Takes the images of an archive in: Docker's or OCI's, compressed or not. Layers may be unpacked meanwhile, where the archive
    /// says early enough what they are; no thread that was started for that is left.
    ///
    /// # Errors
    /// It is no such archive, a blob is not what its digest says, or the store cannot be written. What was taken in by then is
    /// of no image, and goes with the next collection.
    pub fn load(&self, stream: &mut dyn Read) -> Result<Vec<Loaded>, TransferError> {
        self.load_from(|sink| archive::read(&mut compression::open(stream)?, Names::Plain, sink).map(|_| ()))
    }

    /// Takes the images of a folder in: an OCI image layout, or an unpacked archive of Docker's.
    ///
    /// # Errors
    /// As [`Lease::load`].
    pub fn load_folder(&self, folder: &Path) -> Result<Vec<Loaded>, TransferError> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let open = rustix::fs::open(folder, flags, rustix::fs::Mode::empty());
        let open = open.map_err(|error| TransferError::Read(error.into()))?;
        self.load_from(|sink| Walk::default().folder(&open, Path::new(""), sink).map(|_| ()))
    }

    fn load_from(
        &self,
        pass: impl FnOnce(&mut dyn TreeSink) -> io::Result<()>,
    ) -> Result<Vec<Loaded>, TransferError> {
        let (orders, queue) = channel();
        let queue = Mutex::new(queue);
        let collector = with_threads(|scope, threads| {
            let mut collector = Collector::new(self, orders);
            for _ in 0..threads {
                scope.spawn(|| early::unpack(self, &queue));
            }
            let passed = pass(&mut collector);
            // What the threads wait for.
            collector.order_no_more();
            passed.map(|()| collector)
        });
        let collector = collector.map_err(TransferError::Read)?;
        let docker = match collector.lists.get(DOCKER_MANIFEST) {
            Some(bytes) => document(DOCKER_MANIFEST, bytes)?,
            None => Vec::new(),
        };
        let loaded = match collector.lists.get(INDEX) {
            Some(bytes) => self.images_of_index(bytes, &docker, &collector)?,
            None => self.images_of_docker(&docker, &collector)?,
        };
        if loaded.is_empty() {
            return Err(TransferError::NoImages);
        }
        Ok(loaded)
    }

    fn images_of_index(
        &self,
        bytes: &[u8],
        docker: &[DockerImage],
        collector: &Collector<'_>,
    ) -> Result<Vec<Loaded>, TransferError> {
        let index: wire::Manifest = document(INDEX, bytes)?;
        // Docker's list has whole names where an index of the same archive may have tags only.
        let mut by_config: BTreeMap<Digest, Vec<ImageReference>> = BTreeMap::new();
        for image in docker {
            if let Some((config, _)) = collector.find(&image.config) {
                by_config.entry(config).or_default().extend(names(image));
            }
        }
        let mut loaded: Vec<Loaded> = Vec::new();
        for wire in index.manifests.unwrap_or_default() {
            let mut image = Descriptor::try_from(wire).map_err(in_index)?;
            if !self.store().contains(&image.digest) {
                return Err(TransferError::Missing { name: image.digest.to_string() });
            }
            let mut names: Vec<ImageReference> = [WHOLE_NAME, REF_NAME]
                .iter()
                .filter_map(|key| image.annotations.remove(*key))
                // A tag alone is no name.
                .filter(|name| name.contains(['/', ':']))
                .filter_map(|name| name.parse().ok())
                .collect();
            if let Document::Manifest(manifest) = self.store().document(&image)? {
                self.check_blobs(&manifest)?;
                names.extend(by_config.get(&manifest.config.digest).into_iter().flatten().cloned());
            }
            names.sort();
            names.dedup();
            match loaded.iter_mut().find(|other| other.image.digest == image.digest) {
                Some(other) => other.names.extend(names),
                None => loaded.push(Loaded { image, names }),
            }
        }
        Ok(loaded)
    }

    /// A manifest of which a blob is missing is no image that could be run or pushed.
    fn check_blobs(&self, manifest: &Manifest) -> Result<(), TransferError> {
        let all = std::iter::once(&manifest.config).chain(&manifest.layers);
        match all.map(|blob| &blob.digest).find(|digest| !self.store().contains(digest)) {
            Some(missing) => Err(TransferError::Missing { name: missing.to_string() }),
            None => Ok(()),
        }
    }

    fn images_of_docker(
        &self,
        images: &[DockerImage],
        collector: &Collector<'_>,
    ) -> Result<Vec<Loaded>, TransferError> {
        images.iter().map(|image| self.image_of_docker(image, collector)).collect()
    }

    /// Docker's archives have no manifests: one is made, over the same configuration.
    fn image_of_docker(
        &self,
        image: &DockerImage,
        collector: &Collector<'_>,
    ) -> Result<Loaded, TransferError> {
        let find =
            |name: &String| collector.find(name).ok_or_else(|| TransferError::Missing { name: name.clone() });
        let media_type = |name: &str| name.parse::<MediaType>().map_err(in_index);
        let (digest, size) = find(&image.config)?;
        if size > MAX_DOCUMENT {
            return Err(crate::StoreError::TooLarge { digest, size }.into());
        }
        let config = Descriptor::new(media_type(MediaType::OCI_CONFIG)?, digest, size);
        let file = ImageConfigFile::parse(&self.store().read_small(&config)?)
            .map_err(|source| TransferError::Document { name: "the configuration", source })?;
        let mut layers = Vec::new();
        for name in &image.layers {
            let (digest, size) = find(name)?;
            let kind = self.layer_type(&digest)?;
            layers.push(Descriptor::new(media_type(kind)?, digest, size));
        }
        if layers.len() != file.diff_ids.len() {
            let (blobs, diff_ids) = (layers.len(), file.diff_ids.len());
            return Err(crate::StoreError::LayerCount { blobs, diff_ids }.into());
        }
        let manifest = Manifest {
            media_type: media_type(MediaType::OCI_MANIFEST)?,
            config,
            layers,
            subject: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        };
        let bytes = manifest.to_bytes().map_err(|error| TransferError::Read(error.into()))?;
        Ok(Loaded { image: self.put_small(manifest.media_type, &bytes)?, names: names(image) })
    }

    /// How a layer is compressed, by its first bytes.
    fn layer_type(&self, digest: &Digest) -> Result<&'static str, TransferError> {
        let mut head = Vec::new();
        self.store().open_blob(digest)?.take(4).read_to_end(&mut head).map_err(TransferError::Read)?;
        Ok(match head.as_slice() {
            [0x1f, 0x8b, ..] => MediaType::OCI_LAYER_GZIP,
            [0x28, 0xb5, 0x2f, 0xfd] => MediaType::OCI_LAYER_ZSTD,
            _ => MediaType::OCI_LAYER,
        })
    }
}

fn document<T: serde::de::DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, TransferError> {
    parse(bytes).map_err(|source| TransferError::Document {
        name,
        source: DocumentError::Parse { what: "a list of images", source },
    })
}

fn in_index(source: DocumentError) -> TransferError {
    TransferError::Document { name: INDEX, source }
}

fn names(image: &DockerImage) -> Vec<ImageReference> {
    image.repo_tags.iter().flatten().filter_map(|name| name.parse().ok()).collect()
}
