//! Results of steps that were done before.
//!
//! `keys/<hex>` holds what came of a step, `blobs/<hex>` is a second name (a hard link) of its layer's blob in the store: the
//! cache keeps what it needs, whatever the store's own collection removes. Whoever uses an entry touches it; those that nobody
//! used for the longest time go first.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cofferdam_image::tree::{removal, usage};
use cofferdam_image::{Lease, Reached, Store, digest_of};
use cofferdam_names::Digest;
use serde::{Deserialize, Serialize};

use super::{BuildError, StageLayer};

/// A folder of results.
#[derive(Debug, Clone)]
pub struct BuildCache {
    folder: PathBuf,
}

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CacheUse {
    /// How many results.
    pub entries: u64,
    /// Bytes of layers.
    pub bytes: u64,
}

/// What came of a step; no layer if no file changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    pub(super) layer: Option<StageLayer>,
}

/// The result of a step by its key, as it goes to other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheEntry {
    /// What it depends on.
    pub key: Digest,
    /// What came of it; absent if no file changed.
    pub layer: Option<StageLayer>,
}

impl BuildCache {
    /// Whether there is a result.
    #[must_use]
    pub fn has(&self, key: &Digest) -> bool {
        self.entry(key).exists()
    }

    /// Takes a result from elsewhere. Its blob is in the store already.
    pub fn take(&self, entry: CacheEntry, store: &Store) {
        self.put(&entry.key, &Outcome { layer: entry.layer }, store);
    }

    /// The cache in this folder, made where it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        for name in ["keys", "blobs"] {
            let path = folder.join(name);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(BuildError::io("make", path))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The name of a result: a digest of everything that it depends on.
    pub(super) fn key(parts: &[&[u8]]) -> Digest {
        let mut bytes = b"cofferdam build 1".to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        digest_of(&bytes)
    }

    fn entry(&self, key: &Digest) -> PathBuf {
        self.folder.join("keys").join(key.hex())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.hex())
    }

    /// Where the folders of `RUN --mount=type=cache` are.
    pub(super) fn mounts(&self) -> Result<PathBuf, BuildError> {
        let path = self.folder.join("mounts");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(BuildError::io("make", path.clone()))?;
        Ok(path)
    }

    /// What came of a step before, its layer's blob in the store again. None for an entry that cannot be used.
    pub(super) fn find(&self, key: &Digest, lease: &Lease) -> Option<Outcome> {
        let path = self.entry(key);
        let outcome: Outcome = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        if let Some(layer) = &outcome.layer
            && !lease.store().contains(&layer.blob)
        {
            link(&self.blob(&layer.blob), &lease.store().blob_path(&layer.blob)).ok()?;
        }
        touch(&path);
        Some(outcome)
    }

    /// Keeps what came of a step. A cache that cannot be written to is no reason to fail.
    pub(super) fn put(&self, key: &Digest, outcome: &Outcome, store: &Store) {
        let keep = || -> io::Result<()> {
            if let Some(layer) = &outcome.layer {
                link(&store.blob_path(&layer.blob), &self.blob(&layer.blob))?;
            }
            let path = self.entry(key);
            let draft = self.folder.join("keys").join(format!(".{}-{}", key.hex(), std::process::id()));
            std::fs::write(&draft, serde_json::to_vec(outcome)?)?;
            std::fs::rename(&draft, &path)
        };
        let _ = keep();
    }

    /// A small text that belongs to layers, by a name of the caller's (`sbom`).
    #[must_use]
    pub fn text(&self, kind: &str, of: &Digest) -> Option<String> {
        std::fs::read_to_string(self.entry(&Self::key(&[kind.as_bytes(), of.as_str().as_bytes()]))).ok()
    }

    /// Keeps a small text.
    pub fn put_text(&self, kind: &str, of: &Digest, text: &str) {
        let path = self.entry(&Self::key(&[kind.as_bytes(), of.as_str().as_bytes()]));
        let draft = path.with_extension(std::process::id().to_string());
        let _ = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &path));
    }

    /// The layers of all results: a store's collection is to leave them ready.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reached(&self) -> Result<Reached, BuildError> {
        let mut reached = Reached::default();
        for (path, _) in self.files("keys")? {
            // One that cannot be read is of no use to a build either.
            let outcome =
                std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Outcome>(&text).ok());
            if let Some(layer) = outcome.and_then(|outcome| outcome.layer) {
                reached.blobs.insert(layer.blob);
                reached.layers.insert(layer.diff_id);
            }
        }
        Ok(reached)
    }

    /// What it holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn usage(&self) -> Result<CacheUse, BuildError> {
        let mut usage = CacheUse::default();
        for (_, file) in self.files("keys")? {
            usage.entries += u64::from(file.len() > 0);
        }
        for (_, file) in self.files("blobs")? {
            usage.bytes += file.len();
        }
        Ok(usage)
    }

    fn files(&self, name: &str) -> Result<Vec<(PathBuf, std::fs::Metadata)>, BuildError> {
        let folder = self.folder.join(name);
        let list = || -> io::Result<Vec<_>> {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                // Gone since the folder was read: another build's.
                if let Ok(metadata) = entry.metadata() {
                    files.push((entry.path(), metadata));
                }
            }
            Ok(files)
        };
        list().map_err(BuildError::io("read", folder.clone()))
    }

    /// Removes results that nobody used for so long, and then the least used ones until layers have at most so many bytes.
    /// What has gone.
    ///
    /// # Errors
    /// It cannot be read, or a file cannot be removed.
    pub fn prune(&self, older: Option<Duration>, most_bytes: u64) -> Result<CacheUse, BuildError> {
        let before = self.usage()?;
        let now = SystemTime::now();
        let mut entries = self.files("keys")?;
        // The most lately used first.
        entries.sort_by_key(|(_, file)| std::cmp::Reverse(file.modified().ok()));
        let (mut kept, mut bytes): (Vec<Digest>, u64) = (Vec::new(), 0);
        for (path, file) in entries {
            let age = file.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            let outcome: Option<Outcome> =
                std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let layer = outcome.and_then(|outcome| outcome.layer);
            let new = layer.as_ref().filter(|layer| !kept.contains(&layer.blob));
            let size = new.map_or(0, |layer| layer.size);
            if older.is_some_and(|older| age >= older) || bytes.saturating_add(size) > most_bytes {
                remove(&path)?;
                continue;
            }
            bytes += size;
            kept.extend(new.map(|layer| layer.blob.clone()));
        }
        for (path, _) in self.files("blobs")? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !kept.iter().any(|digest| digest.hex() == name) {
                remove(&path)?;
            }
        }
        let after = self.usage()?;
        Ok(CacheUse {
            entries: before.entries.saturating_sub(after.entries),
            bytes: before.bytes.saturating_sub(after.bytes),
        })
    }
}

impl BuildCache {
    /// Removes the folders of `RUN --mount=type=cache`, which no build may use meanwhile. How many bytes that were.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn prune_mounts(&self) -> Result<u64, BuildError> {
        let mut bytes = 0;
        for (path, file) in self.files("mounts").unwrap_or_default() {
            if file.is_dir() {
                bytes += usage::on_disk(&path).unwrap_or(0);
                removal::remove(&path).map_err(BuildError::io("remove", path.clone()))?;
            }
        }
        Ok(bytes)
    }
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn touch(path: &Path) {
    let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

fn remove(path: &Path) -> Result<(), BuildError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BuildError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
