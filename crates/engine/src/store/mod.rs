//! Definitions: which containers there are. Small files that several processes use at once.
//!
//! A container's definition is one file, `definitions/<id>.<range>.<name>`: everything that must be unique is in the file's
//! name, so one listing answers who has a name or a range, one rename renames a container, one unlink removes it, and no
//! index can disagree with what it indexes. Whoever adds or changes holds a lock; whoever reads needs none, because a file
//! appears whole, by rename. Nothing is synced: after a power cut the newest definitions may be missing or empty, and an
//! empty one counts as missing.
//!
//! What a container *does* is not here but in its `status.json`: a state that changes is written by the one process
//! that owns it.

mod claims;
mod containers;
mod range;

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_kernel::file_lock;
use rustix::fs::OFlags;
use thiserror::Error;

pub(crate) use containers::{Found, NewContainer, RangeOf, Record};
pub(crate) use range::Slot;

/// The version that definitions are written with. It grows with each change of their shape.
const VERSION: u32 = 1;

/// Why definitions could not be read or changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was to be done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// It was written by a later version.
    #[error("cannot use {}: its version {found} is newer than this program's {VERSION}", path.display())]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A file holds what this program did not write.
    #[error("cannot understand {}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        source: serde_json::Error,
    },
    /// A definition has a name that this program did not give it.
    #[error("cannot read {what} from the definitions: {text:?} is none")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What was found.
        text: String,
    },
    /// A container's name is in use.
    #[error("the container name {name:?} is in use by container {}", owner.get(..12).unwrap_or(owner))]
    NameInUse {
        /// The name.
        name: String,
        /// The id of the container that has it.
        owner: String,
    },
    /// The container that was to be joined went while this one was made.
    #[error("cannot add a container: the one whose namespaces it joins has just been removed")]
    JoinedGone,
    /// All id ranges are in use.
    #[error("cannot set aside ids for a container: all {0} ranges are in use")]
    NoRange(u32),
}

/// The folder of definitions.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Where ranges of ids are claimed.
    registry: PathBuf,
}

/// The right to change definitions, until it is dropped. A process that is killed gives it back.
#[derive(Debug)]
struct Locked(#[allow(dead_code, reason = "the lock lives as long as its descriptor")] std::fs::File);

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { operation, path, source }
}

impl Store {
    /// The definitions in this folder, which is made when something is first written.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, registry: claims::REGISTRY.into() }
    }

    fn lock(&self) -> Result<Locked, StoreError> {
        let path = self.folder.join(".lock");
        let open = || {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&path)
        };
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
                made.map_err(failed("make", &self.folder))?;
                open()
            }
            other => other,
        };
        let file = file.map_err(failed("open", &path))?;
        loop {
            match file_lock::lock(&file) {
                Ok(()) => return Ok(Locked(file)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("lock", &path)(error)),
            }
        }
    }

    /// Writes a file whole or not at all. The lock makes the one temporary name enough.
    fn write(&self, _locked: &Locked, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let (draft, path) = (self.folder.join(".new"), self.folder.join(name));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&draft)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| std::fs::rename(&draft, &path));
        written.map_err(failed("write", &path))
    }

    /// What a file of the folder holds; nothing where there is no such file, or where a power cut left it empty.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.folder.join(name);
        match std::fs::read(&path) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }
}
