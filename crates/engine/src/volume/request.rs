//! What a request says of volumes, made complete: names for those that have none, the image's own, and another container's.

use std::collections::BTreeMap;

use cofferdam_names::ContainerPath;
use cofferdam_policy::{ContainerRequest, VolumeKind, VolumeRequest, VolumeSource, Zone};

use super::folder::VolumeFolder;
use super::{checked_name, data_of, fill, tell};
use crate::Engine;
use crate::create::new_id;
use crate::error::{Error, Result};
use crate::image::ReadyImage;

impl Engine {
    /// The request with all of its volumes named.
    pub(crate) fn with_volumes(
        &self,
        request: &ContainerRequest,
        image: &ReadyImage,
    ) -> Result<ContainerRequest> {
        let mut request = request.clone();
        for word in &request.volumes_from.clone() {
            self.add_volumes_of(word, &mut request)?;
        }
        for path in &image.config.volumes {
            let invalid =
                |error| Error::io("use", format!("the image's volume {path}"), std::io::Error::other(error));
            let target: ContainerPath = path.parse().map_err(invalid)?;
            if !is_taken(&request, &target) {
                request.volumes.push(VolumeRequest {
                    target,
                    kind: VolumeKind::volume(None),
                    readonly: Some(false),
                });
            }
        }
        for volume in &mut request.volumes {
            if let VolumeKind::Volume { name, .. } = &mut volume.kind {
                match name {
                    Some(name) => drop(checked_name(name)?),
                    None => *name = Some(new_id()?.to_string()),
                }
            }
        }
        self.name_mounted_images(&mut request)?;
        Ok(request)
    }

    /// `--volumes-from CONTAINER[:ro|rw]`: what that container was given, where this one has nothing of its own.
    fn add_volumes_of(&self, word: &str, request: &mut ContainerRequest) -> Result<()> {
        let (name, mode) = word.split_once(':').unwrap_or((word, ""));
        let readonly = match mode {
            "" => None,
            "ro" => Some(true),
            "rw" => Some(false),
            _ => {
                let why = std::io::Error::other("its form is CONTAINER[:ro|rw]");
                return Err(Error::io("use", format!("--volumes-from {word}"), why));
            }
        };
        let other = self.definition(&self.resolve(name)?)?.request;
        for mut volume in other.volumes {
            if is_taken(request, &volume.target) || matches!(volume.kind, VolumeKind::Tmpfs { .. }) {
                continue;
            }
            if let VolumeKind::Volume { anonymous, .. } = &mut volume.kind {
                // It goes with the container that it was made for.
                *anonymous = false;
            }
            // A volume that is read-only there is so here.
            volume.readonly =
                if volume.readonly == Some(true) { Some(true) } else { readonly.or(volume.readonly) };
            request.volumes.push(volume);
        }
        Ok(())
    }

    /// What each volume is, for the policy: one that does not exist yet will be of this zone.
    pub(crate) fn volume_sources(
        &self,
        request: &ContainerRequest,
        zone: &Zone,
    ) -> Result<BTreeMap<String, VolumeSource>> {
        let volumes = self.paths.volumes();
        // Of a part of a volume no link is followed, not even one that leads to the state folder.
        let volumes = volumes.canonicalize().unwrap_or(volumes);
        let mut sources = BTreeMap::new();
        for name in request.volume_names() {
            let zone = match VolumeFolder::open(&volumes, name)? {
                Some(found) => found.meta.zone,
                None => zone.name.value.clone(),
            };
            sources.insert(name.to_owned(), VolumeSource { folder: data_of(&volumes, name), zone });
        }
        Ok(sources)
    }

    /// Makes the volumes of a container that has been allowed and has its definition, which keeps them from being removed.
    /// `new` gets the names of those that were made here, also of those before one that failed.
    pub(crate) fn make_volumes(
        &self,
        request: &ContainerRequest,
        zone: &Zone,
        image: &ReadyImage,
        new: &mut Vec<String>,
    ) -> Result<()> {
        request.volumes.iter().try_for_each(|volume| self.make_volume(volume, zone, image, new))
    }

    fn make_volume(
        &self,
        volume: &VolumeRequest,
        zone: &Zone,
        image: &ReadyImage,
        new: &mut Vec<String>,
    ) -> Result<()> {
        let VolumeKind::Volume { name: Some(name), no_copy, anonymous, subpath } = &volume.kind else {
            return Ok(());
        };
        let own = &zone.name.value;
        let (folder, is_new) =
            VolumeFolder::make(&self.paths.volumes(), name, own, BTreeMap::new(), *anonymous)?;
        if is_new {
            new.push(name.clone());
            tell(&self.paths, "create", name);
        }
        // Made by another zone's container since the policy was asked.
        if folder.meta.zone != *own && !zone.mounts.volumes_from.value.contains(&folder.meta.zone) {
            return Err(Error::VolumeOfZone { name: name.clone(), zone: folder.meta.zone });
        }
        // What the image has at the target is not the volume's content where only a part of it is mounted there.
        if *no_copy || subpath.is_some() {
            Ok(())
        } else {
            fill::fill(&folder, &image.layers, &volume.target)
        }
    }
}

fn is_taken(request: &ContainerRequest, target: &ContainerPath) -> bool {
    let same = |other: &ContainerPath| {
        other.relative().trim_end_matches('/') == target.relative().trim_end_matches('/')
    };
    request.volumes.iter().any(|volume| same(&volume.target))
        || request.tmpfs.iter().any(|tmpfs| same(&tmpfs.target))
}
