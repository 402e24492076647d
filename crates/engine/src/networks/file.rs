//! A network on the disk: `networks/<name>.json`.

use std::io;
use std::path::{Path, PathBuf};

use super::NetworkSummary;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

pub(super) fn read(folder: &Path, name: &str) -> Result<Option<NetworkSummary>> {
    let path = path(folder, name);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::io("understand", path.display(), error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path.display(), error)),
    }
}

/// Renamed into place: a reader sees all of it or none.
pub(super) fn write(folder: &Path, network: &NetworkSummary) -> Result<()> {
    make_private_folder(folder)?;
    let path = path(folder, &network.name);
    let next = folder.join(format!(".{}.next", network.name));
    let written = serde_json::to_vec(network)
        .map_err(io::Error::from)
        .and_then(|text| std::fs::write(&next, text))
        .and_then(|()| std::fs::rename(&next, &path));
    written.map_err(|error| Error::io("write", path.display(), error))
}

pub(super) fn remove(folder: &Path, name: &str) -> Result<()> {
    let path = path(folder, name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoNetwork { name: name.to_owned() })
        }
        other => other.map_err(|error| Error::io("remove", path.display(), error)),
    }
}

pub(super) fn all(folder: &Path) -> Result<Vec<NetworkSummary>> {
    let failed = |error| Error::io("read", folder.display(), error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(failed)?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
        let Some(name) = name.filter(|name| !name.starts_with('.')) else { continue };
        // One that goes meanwhile is none.
        found.extend(read(folder, name)?);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}
