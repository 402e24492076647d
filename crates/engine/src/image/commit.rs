//! `commit`: a container's changes become a layer of a new image.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use cofferdam_build::plan::change_config;
use cofferdam_confinement::{Plan, RootSource};
use cofferdam_image::{HistoryEntry, LayerCompression, LayerOptions};
use cofferdam_names::{ContainerId, Timestamp};

use super::ready::checked_for;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::{Engine, emulation};

/// What is said of a committed image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitOptions {
    /// Its name; none for an image without.
    pub name: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// What was done.
    pub message: String,
    /// Lines of a Dockerfile that change its configuration.
    pub changes: Vec<String>,
}

/// Where something is mounted in a container, relative to its root.
pub(crate) fn mounted_on(plan: &Plan) -> BTreeSet<PathBuf> {
    plan.mounts.iter().map(|mount| PathBuf::from(mount.target.relative())).collect()
}

impl Engine {
    /// Makes an image of a container: its image with one more layer. A container that runs should be frozen meanwhile.
    ///
    /// # Errors
    /// The container is one of image `host`, which has no layers to build on; or its files cannot be read.
    pub fn commit(&self, id: &ContainerId, options: &CommitOptions) -> Result<String> {
        let failed = |source| Error::io("commit", format!("container {}", id.short()), source);
        let definition = self.definition(id)?;
        if definition.request.is_host_image() {
            let why = "it is one of image `host`, whose files are the host's own and no layers";
            return Err(failed(std::io::Error::other(why)));
        }
        let name = options.name.as_deref().map(super::new_name).transpose()?;
        let plan = read_plan(&self.paths.container(id))?;
        let RootSource::Overlay { upper, .. } = &plan.root.source else {
            return Err(failed(std::io::Error::other("its plan has no layers")));
        };
        let store = self.image_store()?;
        let lease = store.lease()?;
        let base = store.images()?;
        let base =
            base.into_iter().find(|image| image.descriptor.digest.as_str() == definition.record.image_id);
        let base = base.ok_or_else(|| Error::NoImage { name: definition.record.image_id.clone() })?;
        let known = checked_for(&store, &base.descriptor, &emulation::asked(&definition.request)?)?;
        let mut config = change_config(known.config, &options.changes)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let layer = lease.write_layer(
            upper,
            &LayerOptions {
                compression: LayerCompression::None,
                from_host_ids: plan
                    .namespaces
                    .id_maps
                    .as_ref()
                    .filter(|_| rustix::process::geteuid().is_root()),
                without: Some(&mounted_on(&plan)),
                ..LayerOptions::default()
            },
        )?;
        lease.unpack_blob(&layer.descriptor.digest, &layer.diff_id)?;
        let created = Timestamp::from(SystemTime::now());
        config.created = Some(created);
        config.author.clone_from(&options.author);
        config.diff_ids.push(layer.diff_id);
        config.history.push(HistoryEntry {
            created: Some(created),
            created_by: plan.process.args.join(" "),
            author: options.author.clone(),
            comment: options.message.clone(),
            empty_layer: false,
        });
        let mut layers = known.manifest.layers;
        layers.push(layer.descriptor);
        let names: Vec<_> = name.into_iter().collect();
        let image = lease.commit(&config, layers, &names)?;
        definition.tell(&self.paths, "commit", &[("imageID", image.digest.to_string())]);
        Ok(image.digest.to_string())
    }
}
