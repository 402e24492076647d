//! A blob whose digest is known only when it has been written.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cofferdam_names::Digest;

use super::{Lease, Store, StoreError};
use crate::Hasher;

/// What the name of an unfinished blob of unknown digest begins with.
pub(super) const PREFIX: &str = ".draft-";

/// How many zeroes at least are left out of the file.
const HOLE: usize = 1 << 16;

/// A blob that is made here. One that is dropped before [`Draft::finish`] is removed.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: Option<PathBuf>,
    store: Store,
    hasher: Hasher,
    written: u64,
}

impl Lease {
    /// Begins a blob whose digest is not known yet.
    ///
    /// # Errors
    /// Its file cannot be made.
    pub fn draft(&self) -> Result<Draft, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", std::process::id());
            let path = self.store.folder.join("ingest").join(name);
            let mut options = std::fs::OpenOptions::new();
            match options.read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let (store, hasher) = (self.store.clone(), Hasher::default());
                    return Ok(Draft { file, path: Some(path), store, hasher, written: 0 });
                }
                // What an earlier process of this number has left.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("make", &path)(error)),
            }
        }
    }
}

impl Draft {
    /// Gives the blob its place; answers its digest and size.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn finish(mut self) -> Result<(Digest, u64), StoreError> {
        let digest = std::mem::take(&mut self.hasher).finish();
        let target = self.store.blob_path(&digest);
        self.file.set_len(self.written).map_err(StoreError::io("write", &target))?;
        if let Some(path) = &self.path {
            std::fs::rename(path, &target).map_err(StoreError::io("write", &target))?;
        }
        self.path = None;
        Ok((digest, self.written))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Zeroes become a hole: a sparse file's layer takes no more room than the file.
        let count = if bytes.len() >= HOLE && bytes.iter().all(|byte| *byte == 0) {
            self.file.seek(SeekFrom::Current(i64::try_from(bytes.len()).map_err(io::Error::other)?))?;
            bytes.len()
        } else {
            self.file.write(bytes)?
        };
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}
