//! Volumes: folders of the engine's that outlive containers, each of one zone.
//!
//! A volume is used by the containers whose definitions name it. Whoever removes one holds the lock of the definitions, so that
//! no container is made meanwhile that counts on it.

mod fill;
mod folder;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cofferdam_names::{Timestamp, ZoneName};
use cofferdam_policy::is_volume_name;
use cofferdam_shim::Event;
use serde::Serialize;

use crate::definition::understood;
use crate::error::{Error, Result};
use crate::removal::remove_tree;
use crate::store::{Record, Store};
use crate::{Engine, Paths, Selection};
use cofferdam_image::tree::usage::bytes_below;
use folder::VolumeFolder;

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeSummary {
    /// Its name.
    pub name: String,
    /// The zone that it belongs to.
    pub zone: ZoneName,
    /// When it was made.
    pub created: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Nobody named it.
    pub anonymous: bool,
    /// Where its files are on the host.
    pub mountpoint: PathBuf,
    /// Whether a container uses it, running or not.
    pub in_use: bool,
}

/// Which volumes [`Engine::prune_volumes`] removes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumePruneOptions {
    /// Also those that somebody named.
    pub all: bool,
    /// Which of them.
    pub which: Selection,
}

impl Engine {
    /// Makes a volume; a name that exists already in the same zone is fine.
    ///
    /// # Errors
    /// The name is none, or another zone's volume has it.
    pub fn create_volume(
        &self,
        name: Option<&str>,
        zone: &ZoneName,
        labels: BTreeMap<String, String>,
    ) -> Result<String> {
        // Such a zone must exist: a volume of one that does not would be nobody's.
        self.zones().load(zone)?;
        let anonymous = name.is_none();
        let name = match name {
            Some(name) => checked_name(name)?.to_owned(),
            None => crate::create::new_id()?.to_string(),
        };
        let (made, new) = VolumeFolder::make(&self.paths.volumes(), &name, zone, labels, anonymous)?;
        if made.meta.zone != *zone {
            return Err(Error::VolumeOfZone { name, zone: made.meta.zone });
        }
        if new {
            tell(&self.paths, "create", &name);
        }
        Ok(name)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeSummary>> {
        folder::clean(&self.paths.volumes());
        let used = used_by(&self.store.containers()?)?;
        let mut volumes = Vec::new();
        for name in folder::names(&self.paths.volumes())? {
            // One that goes meanwhile is none.
            if let Some(volume) = VolumeFolder::open(&self.paths.volumes(), &name)? {
                volumes.push(summary(volume, &used));
            }
        }
        Ok(volumes)
    }

    /// One volume.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn volume(&self, name: &str) -> Result<VolumeSummary> {
        let found = VolumeFolder::open(&self.paths.volumes(), checked_name(name)?)?;
        let volume = found.ok_or_else(|| Error::NoVolume { name: name.to_owned() })?;
        let used = used_by(&self.store.containers()?)?;
        Ok(summary(volume, &used))
    }

    /// Removes a volume with all that is in it.
    ///
    /// # Errors
    /// There is none, or a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        match take_away(&self.paths, checked_name(name)?)? {
            Taken::Gone => Ok(()),
            Taken::Missing => Err(Error::NoVolume { name: name.to_owned() }),
            Taken::Used(user) => Err(Error::VolumeInUse { name: name.to_owned(), user }),
        }
    }

    /// Removes the volumes that no container uses; those that somebody named only on demand. Answers their names and the
    /// bytes that were freed.
    ///
    /// # Errors
    /// They cannot be read, or one cannot be removed.
    pub fn prune_volumes(&self, options: &VolumePruneOptions) -> Result<(Vec<String>, u64)> {
        let (mut removed, mut freed) = (Vec::new(), 0);
        for volume in self.volumes()? {
            let wanted = options.which.has(volume.created, &volume.labels);
            if volume.in_use || !wanted || !(options.all || volume.anonymous) {
                continue;
            }
            let bytes = bytes_below(&volume.mountpoint).unwrap_or(0);
            if matches!(take_away(&self.paths, &volume.name)?, Taken::Gone) {
                freed += bytes;
                removed.push(volume.name);
            }
        }
        Ok((removed, freed))
    }
}

/// Removes the anonymous volumes of a container that is gone, as far as no other container uses them.
pub(crate) fn remove_unused<'n>(paths: &Paths, names: impl Iterator<Item = &'n str>) -> Result<()> {
    for name in names {
        take_away(paths, checked_name(name)?)?;
    }
    Ok(())
}

/// What became of a volume that was to be removed.
enum Taken {
    Gone,
    Missing,
    Used(String),
}

fn take_away(paths: &Paths, name: &str) -> Result<Taken> {
    let doomed =
        Store::new(paths.definitions()).locked(|records| -> Result<std::result::Result<PathBuf, Taken>> {
            if let Some(user) = user_of(records, name)? {
                return Ok(Err(Taken::Used(user)));
            }
            Ok(folder::doom(&paths.volumes(), name)?.ok_or(Taken::Missing))
        })?;
    match doomed {
        Ok(doomed) => {
            remove_tree(&doomed)?;
            tell(paths, "destroy", name);
            Ok(Taken::Gone)
        }
        Err(taken) => Ok(taken),
    }
}

/// The container that uses a volume. One whose request cannot be understood may be it: that is an error.
fn user_of(records: &[Record], name: &str) -> Result<Option<String>> {
    for record in records {
        if understood(record)?.volume_names().any(|used| used == name) {
            return Ok(Some(record.id.short().to_owned()));
        }
    }
    Ok(None)
}

fn used_by(records: &[Record]) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for record in records {
        used.extend(understood(record)?.volume_names().map(str::to_owned));
    }
    Ok(used)
}

fn summary(volume: VolumeFolder, used: &BTreeSet<String>) -> VolumeSummary {
    let mountpoint = volume.data();
    let folder::Meta { name, zone, created, labels, anonymous, .. } = volume.meta;
    let in_use = used.contains(&name);
    VolumeSummary { name, zone, created, labels, anonymous, mountpoint, in_use }
}

/// A name that can be a folder's.
fn checked_name(name: &str) -> Result<&str> {
    if is_volume_name(name) && name.len() <= 255 {
        return Ok(name);
    }
    let rule = "a volume's name has 2 to 255 letters, digits and _.- and begins with a letter or a digit";
    let why = std::io::Error::new(std::io::ErrorKind::InvalidInput, rule);
    Err(Error::io("use", format!("volume name {name:?}"), why))
}

fn tell(paths: &Paths, action: &str, name: &str) {
    let attributes = BTreeMap::from([("driver".to_owned(), "local".to_owned())]);
    // What happened has happened: a full disk does not undo it.
    let _ = Event::now("volume", action, name, attributes).append(&paths.events());
}

/// The folder of files of a volume that may not exist yet.
fn data_of(volumes: &Path, name: &str) -> PathBuf {
    volumes.join(name).join(folder::DATA)
}
