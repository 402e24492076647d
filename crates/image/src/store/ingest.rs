//! A blob on its way into the store.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_names::Digest;

use super::{Store, StoreError};
use crate::Hasher;

/// A blob that is being written. It gets its place by [`Ingest::finish`]; if it is dropped before, what there is of it stays for the
/// next try. Nobody else writes it meanwhile.
#[derive(Debug)]
pub struct Ingest {
    /// Locked (flock(2)): the lock ends with the process.
    file: File,
    path: PathBuf,
    target: PathBuf,
    digest: Digest,
    size: u64,
    written: u64,
    hasher: Hasher,
}

impl Ingest {
    pub(super) fn begin(store: &Store, digest: &Digest, size: u64) -> Result<Option<Self>, StoreError> {
        let (path, target) = (store.folder.join("ingest").join(digest.hex()), store.blob_path(digest));
        loop {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).map_err(StoreError::io("open", &path))?;
            file.lock().map_err(StoreError::io("lock", &path))?;
            if target.exists() {
                let _ = std::fs::remove_file(&path);
                return Ok(None);
            }
            if !is_still_at(&file, &path).map_err(StoreError::io("look at", &path))? {
                // Whoever had the lock has finished or removed the file.
                continue;
            }
            let (digest, hasher) = (digest.clone(), Hasher::default());
            let mut ingest = Self { file, path, target, digest, size, written: 0, hasher };
            ingest.take_in_what_is_there()?;
            return Ok(Some(ingest));
        }
    }

    /// Computes the digest of what an earlier try has left.
    fn take_in_what_is_there(&mut self) -> Result<(), StoreError> {
        let failed = |path: &Path| StoreError::io("read", path);
        let there = self.file.metadata().map_err(failed(&self.path))?.len();
        if there > self.size {
            return self.restart();
        }
        if there == 0 {
            return Ok(());
        }
        let mut buffer = vec![0u8; 1 << 18];
        loop {
            match self.file.read(&mut buffer).map_err(failed(&self.path))? {
                0 => return Ok(()),
                read => {
                    self.hasher.update(buffer.get(..read).unwrap_or_default());
                    self.written += read as u64;
                }
            }
        }
    }

    /// How many bytes are there: where a download carries on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.written
    }

    /// How many bytes there will be.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens what there is of it, for a reader that follows the writer.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_partial(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(StoreError::io("open", &self.path))
    }

    /// Forgets what is there: a server that cannot carry on begins anew.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        let cut = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.map_err(StoreError::io("cut", &self.path))?;
        self.written = 0;
        self.hasher = Hasher::default();
        Ok(())
    }

    /// Checks size and digest, and gives the blob its place. One that is short stays for the next try; one that is wrong is
    /// removed.
    ///
    /// # Errors
    /// It is short or wrong, or cannot be renamed.
    pub fn finish(self) -> Result<(), StoreError> {
        let Self { file, path, target, digest, size, written, hasher } = self;
        if written != size {
            return Err(StoreError::WrongSize { digest, expected: size, found: written });
        }
        let found = hasher.finish();
        if found != digest {
            std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            return Err(StoreError::WrongDigest { expected: digest, found });
        }
        std::fs::rename(&path, &target).map_err(StoreError::io("write", &target))?;
        // Held until the blob has its place.
        drop(file);
        Ok(())
    }
}

impl Write for Ingest {
    /// Refuses more bytes than the blob has.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.written).unwrap_or(usize::MAX);
        if bytes.len() > left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("blob {} has more bytes than the {} that it should have", self.digest, self.size),
            ));
        }
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a path still leads to an open file.
pub(crate) fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
