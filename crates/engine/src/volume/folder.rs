//! A volume on the disk: `volumes/<name>/` with `volume.json` and the files in `data/`, whose owners are numbered as
//! containers see them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cofferdam_names::{Timestamp, ZoneName};
use serde::{Deserialize, Serialize};

use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::removal::remove_tree;

pub(super) const DATA: &str = "data";
const META: &str = "volume.json";
/// What the names of folders begin with that are being made or removed. No volume's name does.
const MAKING: &str = ".making-";
const REMOVING: &str = ".removing-";
const VERSION: u32 = 1;

/// How old a half-made folder is at least before it counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(60);

/// What is written of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) zone: ZoneName,
    pub(super) created: Timestamp,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) anonymous: bool,
}

/// A volume's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VolumeFolder {
    path: PathBuf,
    pub(super) meta: Meta,
}

impl VolumeFolder {
    /// The volume of this name, if there is one.
    pub(super) fn open(volumes: &Path, name: &str) -> Result<Option<Self>> {
        let path = volumes.join(name);
        let file = path.join(META);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", file.display(), error)),
        };
        let meta: Meta = serde_json::from_slice(&text)
            .map_err(|error| Error::io("understand", file.display(), error.into()))?;
        Ok(Some(Self { path, meta }))
    }

    /// Makes it, whole or not at all; one that is there already is answered as it is. Whether it is new.
    pub(super) fn make(
        volumes: &Path,
        name: &str,
        zone: &ZoneName,
        labels: BTreeMap<String, String>,
        anonymous: bool,
    ) -> Result<(Self, bool)> {
        if let Some(found) = Self::open(volumes, name)? {
            return Ok((found, false));
        }
        make_private_folder(volumes)?;
        let created = Timestamp::from(SystemTime::now());
        let meta =
            Meta { version: VERSION, name: name.to_owned(), zone: zone.clone(), created, labels, anonymous };
        let draft = volumes.join(format!("{MAKING}{}", crate::create::new_id()?));
        make_private_folder(&draft)?;
        let failed = |source| Error::io("make", format!("volume {name}"), source);
        let write = || -> io::Result<()> {
            std::fs::write(draft.join(META), serde_json::to_vec(&meta)?)?;
            let data = draft.join(DATA);
            std::fs::create_dir(&data)?;
            std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755))
        };
        let path = volumes.join(name);
        match write().and_then(|()| std::fs::rename(&draft, &path)) {
            Ok(()) => Ok((Self { path, meta }, true)),
            Err(error) => {
                remove_tree(&draft)?;
                // Another process was faster.
                match Self::open(volumes, name)? {
                    Some(found) => Ok((found, false)),
                    None => Err(failed(error)),
                }
            }
        }
    }

    /// Where its files are.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// The file that is locked while it is filled.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.path.join(META)
    }
}

/// Takes a volume's name away; where its folder is now, if there was one.
pub(super) fn doom(volumes: &Path, name: &str) -> Result<Option<PathBuf>> {
    let doomed = volumes.join(format!("{REMOVING}{}", crate::create::new_id()?));
    match std::fs::rename(volumes.join(name), &doomed) {
        Ok(()) => Ok(Some(doomed)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("remove", format!("volume {name}"), error)),
    }
}

/// The names of all volumes, sorted.
pub(super) fn names(volumes: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> =
        entries(volumes)?.into_iter().filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

fn entries(volumes: &Path) -> Result<Vec<String>> {
    let failed = |source| Error::io("list", volumes.display(), source);
    match std::fs::read_dir(volumes) {
        Ok(entries) => entries
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect::<io::Result<_>>()
            .map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// Removes what commands that were killed have half made or half removed. What cannot be removed now is left to the next one.
pub(super) fn clean(volumes: &Path) {
    for name in entries(volumes).unwrap_or_default() {
        let path = volumes.join(&name);
        let old = || {
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED))
        };
        if name.starts_with(REMOVING) || (name.starts_with(MAKING) && old()) {
            let _ = remove_tree(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_made_once_and_goes_whole() {
        let home = tempfile::tempdir().unwrap();
        let volumes = home.path().join("volumes");
        let zone: ZoneName = "default".parse().unwrap();
        let make = || VolumeFolder::make(&volumes, "data", &zone, BTreeMap::new(), false).unwrap();
        let (first, new) = make();
        assert!(new && first.data().is_dir());
        assert_eq!(make(), (first, false));
        assert_eq!(names(&volumes).unwrap(), ["data"]);
        let doomed = doom(&volumes, "data").unwrap().unwrap();
        assert!(doomed.join(DATA).is_dir());
        assert_eq!(names(&volumes).unwrap(), [""; 0]);
        assert!(doom(&volumes, "data").unwrap().is_none());
        clean(&volumes);
        assert!(!doomed.exists());
    }
}
