//! Removes what no image needs.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::reach::Reached;
use super::{Store, StoreError, draft, open_lock};

/// How long what was downloaded of a blob waits for the next try.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs, and unfinished ones.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// Bytes of both on the disk.
    pub bytes: u64,
}

impl Store {
    /// Removes the blobs and layers that are reached neither from an image of the index nor from `keep`. None if somebody adds
    /// blobs right now: then it is for the next time.
    ///
    /// # Errors
    /// An image cannot be read, or something cannot be removed; what is gone by then was needed by nobody.
    pub fn collect(&self, keep: &Reached) -> Result<Option<Collected>, StoreError> {
        let Some(_alone) = self.try_alone()? else { return Ok(None) };
        let mut needed = keep.clone();
        for image in self.images()? {
            needed.extend(self.reached_from(&image.descriptor)?);
        }
        // What is about something stays as long as that does.
        self.forget_referrers(&needed.blobs)?;
        for (_, referrer) in self.all_referrers()? {
            needed.extend(self.reached_from(&referrer)?);
        }
        let mut collected = Collected::default();
        let hex = |digests: &std::collections::BTreeSet<cofferdam_names::Digest>, name: &str| {
            digests.iter().any(|digest| digest.hex() == name)
        };
        // Layers first: their blobs can make them anew.
        for_each(&self.layers(), |name, path| {
            if name.starts_with(".lock-") {
                return remove_file(path);
            }
            if !hex(&needed.layers, name) {
                collected.layers += u64::from(!name.starts_with('.'));
                collected.bytes += crate::tree::usage::on_disk(path).unwrap_or(0);
                // Under another name first: half of a layer must not be taken for one.
                let doomed = self.layers().join(format!(".old-{}", name.trim_start_matches('.')));
                let renamed = if name.starts_with('.') { path.to_owned() } else { doomed.clone() };
                if !name.starts_with('.') {
                    std::fs::rename(path, &doomed).map_err(StoreError::io("remove", path))?;
                }
                return crate::tree::removal::remove(&renamed).map_err(StoreError::io("remove", &renamed));
            }
            Ok(())
        })?;
        for_each(&self.folder.join("blobs/sha256"), |name, path| {
            if !hex(&needed.blobs, name) {
                collected.blobs += 1;
                collected.bytes += crate::tree::usage::on_disk(path).unwrap_or(0);
                return remove_file(path);
            }
            Ok(())
        })?;
        for_each(&self.folder.join("ingest"), |name, path| {
            if name.starts_with(draft::PREFIX) || is_old(path) {
                collected.blobs += 1;
                collected.bytes += crate::tree::usage::on_disk(path).unwrap_or(0);
                return remove_file(path);
            }
            Ok(())
        })?;
        Ok(Some(collected))
    }

    /// Removes what processes that were killed have left, and nothing else. Cheap where there is nothing.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn sweep(&self) -> Result<(), StoreError> {
        let left = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name()).any(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        let ingest = self.folder.join("ingest");
        if !left(&ingest) && !left(&self.layers()) {
            return Ok(());
        }
        let Some(_alone) = self.try_alone()? else { return Ok(()) };
        for folder in [ingest, self.layers()] {
            for_each(&folder, |name, path| match name {
                name if name.starts_with(".new-") || name.starts_with(".old-") => {
                    crate::tree::removal::remove(path).map_err(StoreError::io("remove", path))
                }
                name if name.starts_with('.') => remove_file(path),
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    /// The right to remove: while it is held, nobody adds. None if somebody does.
    fn try_alone(&self) -> Result<Option<std::fs::File>, StoreError> {
        let path = self.folder.join("lease.lock");
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
        }
    }
}

fn for_each(
    folder: &Path,
    mut work: impl FnMut(&str, &Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io("read", folder))?;
        // What has another name than those that are given here is not ours to judge.
        if let Ok(name) = entry.file_name().into_string() {
            work(&name, &entry.path())?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn is_old(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > PATIENCE))
}
