//! What is known of a layer that has been unpacked.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cofferdam_names::Digest;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The version that records are written with. One of another version counts as missing: the layer is unpacked anew.
const VERSION: u32 = 2;

/// What was found when a layer was unpacked, and what tells whether it is still that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// The machine's boot in which it was unpacked: what was written then and not synced may be lost after another.
    pub boot: String,
    /// Inode, size and change time of its image, or of its folder's root: another one in its place is not it, and nor is an
    /// image that was written to.
    identity: Identity,
    /// Bytes of its files.
    pub bytes: u64,
    /// Files, folders, links and deletions.
    pub entries: u64,
    /// Device nodes and sockets that were left out: a container gets its devices from its plan.
    pub left_out: u64,
    /// Whether it hides all layers below.
    pub hides_all: bool,
    /// Bytes of the tar in its image; none for a folder.
    pub tar: Option<u64>,
}

/// What tells a file from any other, and from what it was before it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

impl Identity {
    pub(super) fn of(files: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(files)?;
        Ok(Self { inode: found.ino(), changed: (found.ctime(), found.ctime_nsec()), size: found.size() })
    }
}

/// What was counted while a layer was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counted {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) left_out: u64,
    pub(super) hides_all: bool,
    pub(super) tar: Option<u64>,
}

impl Record {
    pub(super) fn new(diff_id: &Digest, files: &Path, counted: Counted) -> io::Result<Self> {
        let Counted { bytes, entries, left_out, hides_all, tar } = counted;
        Ok(Self {
            version: VERSION,
            diff_id: diff_id.clone(),
            boot: this_boot()?,
            identity: Identity::of(files)?,
            bytes,
            entries,
            left_out,
            hides_all,
            tar,
        })
    }

    /// Reads a record. None where there is none, or one that this program cannot use.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::read(path) {
            Ok(text) => {
                let record: Option<Self> = serde_json::from_slice(&text).ok();
                Ok(record.filter(|record| record.version == VERSION))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", path)(error)),
        }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    /// Whether the layer was unpacked since the machine started.
    #[must_use]
    pub fn is_of_this_boot(&self) -> bool {
        this_boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Whether it was made of these files.
    #[must_use]
    pub(super) fn describes(&self, files: &Path) -> bool {
        Identity::of(files).is_ok_and(|found| found == self.identity)
    }
}

/// The kernel's name of this boot (random(4)), read once.
pub(super) fn this_boot() -> io::Result<String> {
    static BOOT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(boot.clone());
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    Ok(BOOT.get_or_init(|| boot).clone())
}
