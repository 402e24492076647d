//! Zones on this host: the built-in ones and the files in `<state>/zones`.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cofferdam_names::ZoneName;
use cofferdam_policy::{BUILTIN_ZONES, UnknownBuiltinZone, Zone, ZoneFileError, builtin_zone, parse_zone};
use thiserror::Error;

use crate::Engine;

/// Larger files are no zones.
const MOST_BYTES: u64 = 1 << 20;

/// Why a zone cannot be had, changed or removed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ZoneStoreError {
    #[error("cannot {operation} {}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("there is no zone {name}{}", near_text(near.as_deref()))]
    Unknown { name: ZoneName, near: Option<String> },
    #[error("zone {0} is built in: it can be neither replaced nor removed")]
    Builtin(ZoneName),
    #[error("cannot use zone file {}: {rule}", path.display())]
    Unsafe { path: PathBuf, rule: &'static str },
    #[error("cannot use zone file {}: it holds zone {holds}", path.display())]
    OtherName { path: PathBuf, holds: ZoneName },
    #[error(transparent)]
    File(#[from] ZoneFileError),
    #[error(transparent)]
    BuiltinFile(#[from] UnknownBuiltinZone),
}

fn near_text(near: Option<&str>) -> String {
    near.map_or_else(String::new, |names| format!(" (there are {names})"))
}

/// The zones of one state folder.
#[derive(Debug)]
pub struct ZoneStore {
    folder: PathBuf,
}

impl Engine {
    /// The zones of this host.
    #[must_use]
    pub fn zones(&self) -> ZoneStore {
        ZoneStore::new(self.paths().state())
    }
}

impl ZoneStore {
    /// The zones of a state folder; nothing is read yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("zones") }
    }

    fn path(&self, name: &ZoneName) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }

    /// The names of all zones, the built-in ones first.
    ///
    /// # Errors
    /// The folder cannot be read. A file that is no zone is named when it is loaded.
    pub fn names(&self) -> Result<Vec<ZoneName>, ZoneStoreError> {
        let mut names: Vec<ZoneName> = BUILTIN_ZONES.iter().filter_map(|name| name.parse().ok()).collect();
        let failed = |source| ZoneStoreError::Io { operation: "read", path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(failed(error)),
        };
        let mut own = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            own.extend(file.to_str().and_then(|file| file.strip_suffix(".toml")?.parse::<ZoneName>().ok()));
        }
        own.sort();
        names.extend(own.into_iter().filter(|name| !is_builtin(name)));
        Ok(names)
    }

    /// Reads a zone.
    ///
    /// # Errors
    /// There is none of this name, or its file is not valid or could have been written by others.
    pub fn load(&self, name: &ZoneName) -> Result<Zone, ZoneStoreError> {
        if is_builtin(name) {
            return Ok(builtin_zone(name.as_str())?);
        }
        let path = self.path(name);
        let text = match read_own(&path) {
            Err(ZoneStoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let names: Vec<String> = self.names()?.iter().map(ToString::to_string).collect();
                return Err(ZoneStoreError::Unknown { name: name.clone(), near: Some(names.join(", ")) });
            }
            other => other?,
        };
        let zone = parse_zone(&path.display().to_string(), &text)?;
        if zone.name.value != *name {
            return Err(ZoneStoreError::OtherName { path, holds: zone.name.value });
        }
        Ok(zone)
    }

    /// Checks a zone's text and keeps it under the name that it gives itself. `file` is how messages show where it is from.
    ///
    /// # Errors
    /// It is not valid, has the name of a built-in zone, or cannot be written.
    pub fn apply(&self, file: &str, text: &str) -> Result<Zone, ZoneStoreError> {
        let zone = parse_zone(file, text)?;
        let name = &zone.name.value;
        if is_builtin(name) {
            return Err(ZoneStoreError::Builtin(name.clone()));
        }
        let path = self.path(name);
        let failed = |source| ZoneStoreError::Io { operation: "write", path: path.clone(), source };
        // Private, because the state folder may be made on the way.
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        // Renamed into place: a reader sees the old zone or the new one, never a part.
        let next = self.folder.join(format!(".{name}.{}", std::process::id()));
        let written = fs::write(&next, text)
            .and_then(|()| fs::set_permissions(&next, Permissions::from_mode(0o644)))
            .and_then(|()| fs::rename(&next, &path));
        if let Err(error) = written {
            // The error to tell is the first one; the file is gone, or as unwritable as before.
            let _ = fs::remove_file(&next);
            return Err(failed(error));
        }
        Ok(zone)
    }

    /// Removes a zone's file. Whether containers still live in it is the caller's to check.
    ///
    /// # Errors
    /// It is built in, does not exist, or cannot be removed.
    pub fn remove(&self, name: &ZoneName) -> Result<(), ZoneStoreError> {
        if is_builtin(name) {
            return Err(ZoneStoreError::Builtin(name.clone()));
        }
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ZoneStoreError::Unknown { name: name.clone(), near: None })
            }
            Err(source) => Err(ZoneStoreError::Io { operation: "remove", path, source }),
        }
    }
}

/// Whether the zone comes with the program.
fn is_builtin(name: &ZoneName) -> bool {
    BUILTIN_ZONES.contains(&name.as_str())
}

/// The text of a file that only its owner, who is this user or root, may write: a zone is a wall, and whoever can write its file
/// can take it down.
fn read_own(path: &Path) -> Result<String, ZoneStoreError> {
    use std::io::Read;
    let failed = |source| ZoneStoreError::Io { operation: "read", path: path.to_owned(), source };
    let refuse = |rule| Err(ZoneStoreError::Unsafe { path: path.to_owned(), rule });
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let me = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return refuse("it is no regular file");
    }
    if metadata.uid() != me && metadata.uid() != 0 {
        return refuse("its owner is neither you nor root");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse("its group or everyone may write to it");
    }
    if metadata.len() > MOST_BYTES {
        return refuse("it is larger than a mebibyte");
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "zone = \"web\"\nabout = \"test\"\nbase = \"strict\"\n";

    fn name(text: &str) -> ZoneName {
        text.parse().unwrap()
    }

    #[test]
    fn a_zone_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = ZoneStore::new(folder.path());
        assert!(matches!(store.load(&name("web")), Err(ZoneStoreError::Unknown { .. })));
        assert_eq!(store.apply("x", TEXT).unwrap().name.value, name("web"));
        assert!(store.names().unwrap().contains(&name("web")));
        assert_eq!(store.load(&name("web")).unwrap().about.value, "test");
        let mode = fs::metadata(folder.path().join("zones")).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        store.remove(&name("web")).unwrap();
        assert!(matches!(store.remove(&name("web")), Err(ZoneStoreError::Unknown { .. })));
        assert_eq!(store.names().unwrap().len(), BUILTIN_ZONES.len());
        assert_eq!(fs::read_dir(folder.path().join("zones")).unwrap().count(), 0);
    }

    #[test]
    fn what_others_may_write_is_no_wall() {
        let folder = tempfile::tempdir().unwrap();
        let store = ZoneStore::new(folder.path());
        store.apply("x", TEXT).unwrap();
        let path = folder.path().join("zones/web.toml");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(store.load(&name("web")), Err(ZoneStoreError::Unsafe { .. })));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::rename(&path, folder.path().join("zones/other.toml")).unwrap();
        assert!(matches!(store.load(&name("other")), Err(ZoneStoreError::OtherName { .. })));
    }

    #[test]
    fn built_in_zones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = ZoneStore::new(folder.path());
        assert!(store.load(&name("strict")).is_ok());
        assert!(matches!(store.remove(&name("strict")), Err(ZoneStoreError::Builtin(_))));
        let taken = TEXT.replace("\"web\"", "\"strict\"");
        assert!(matches!(store.apply("x", &taken), Err(ZoneStoreError::Builtin(_))));
        assert!(matches!(store.apply("x", "zone = 5"), Err(ZoneStoreError::File(_))));
    }
}
