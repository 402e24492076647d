//! `image import`: a folder or a tar becomes an image of one layer.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use cofferdam_image::tree::archive;
use cofferdam_image::{HistoryEntry, LayerCompression, LayerOptions, Lease, NewLayer};
use cofferdam_names::Timestamp;
use cofferdam_policy::ImageConfig;

use super::config::new_file;
use crate::Engine;
use crate::error::{Error, Result};

/// Where an image comes from.
pub enum ImportSource<'a> {
    /// A folder that holds a root file system. Other file systems that are mounted in it are left out.
    Folder(&'a Path),
    /// A tar of one, as it is or compressed with gzip, zstd or xz.
    Tar(&'a mut dyn Read),
}

impl std::fmt::Debug for ImportSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
        }
    }
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The image's id.
    pub id: String,
    /// Device nodes, pipes and sockets that were left out: a container gets its devices from its plan.
    pub left_out: u64,
}

impl Engine {
    /// Makes an image of a root file system. A name that another image had moves to the new one.
    ///
    /// # Errors
    /// The name cannot be one of an image, or the source is none, or leads out of itself; then nothing is left.
    pub fn import_image(
        &self,
        source: ImportSource<'_>,
        name: &str,
        config: &ImageConfig,
    ) -> Result<Imported> {
        let name = super::new_name(name)?;
        let store = self.image_store()?;
        store.sweep()?;
        let imported = {
            let lease = store.lease()?;
            layer(&lease, source).and_then(|layer| {
                lease.unpack_blob(&layer.descriptor.digest, &layer.diff_id)?;
                let created = Timestamp::from(SystemTime::now());
                let mut file = new_file(config, created);
                file.diff_ids = vec![layer.diff_id];
                file.history = vec![HistoryEntry {
                    created: Some(created),
                    comment: "Imported".to_owned(),
                    ..HistoryEntry::default()
                }];
                let image = lease.commit(&file, vec![layer.descriptor], std::slice::from_ref(&name))?;
                Ok(Imported { id: image.digest.to_string(), left_out: layer.left_out })
            })
        };
        match imported {
            Ok(imported) => {
                self.tell_of_image("import", &name.familiar());
                Ok(imported)
            }
            Err(error) => {
                // What there is of it belongs to no image.
                self.collect_images(&store)?;
                Err(Error::io("import", format!("image {}", name.familiar()), std::io::Error::other(error)))
            }
        }
    }
}

fn layer(lease: &Lease, source: ImportSource<'_>) -> Result<NewLayer> {
    match source {
        ImportSource::Folder(folder) => {
            let options = LayerOptions { one_file_system: true, plain: true, ..LayerOptions::default() };
            Ok(lease.write_layer(folder, &options)?)
        }
        ImportSource::Tar(stream) => {
            Ok(lease.write_layer_with(LayerCompression::None, |sink| archive::unpack(stream, sink))?)
        }
    }
}
