//! Pieces of files: what an archive's entries and layers are, without reading them into memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use cofferdam_image::Hasher;
use cofferdam_image::tree::compression;
use cofferdam_names::Digest;
use rustix::fs::{CWD, Mode, OFlags};
use thiserror::Error;

use super::Failure;

/// What is decompressed may be so many times larger than what it was made from; whatever says to be more is a bomb.
const MOST_GROWTH: u64 = 300;
/// Small things may grow to this in any case.
const SMALL: u64 = 64 << 20;

/// An archive, or a layer in one, that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum SpoolError {
    #[error("cannot open {0}")]
    Open(String, #[source] io::Error),
    #[error("it is no regular file")]
    NoFile,
    #[error("cannot make a temporary file for what is decompressed in {0}")]
    Temporary(String, #[source] io::Error),
    #[error("cannot decompress it")]
    Decompress(#[source] io::Error),
    #[error("it grows to more than {MOST_GROWTH} times its size when it is decompressed")]
    Bomb,
}

/// A piece of a file that is read where and when it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    file: Arc<File>,
    start: u64,
    length: u64,
}

impl Spool {
    /// A whole regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, SpoolError> {
        let failed = |error| SpoolError::Open(path.display().to_string(), error);
        // A FIFO would wait for a writer for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Self::of(File::from(file))
    }

    /// A whole regular file that is open.
    pub(crate) fn of(file: File) -> Result<Self, SpoolError> {
        let status = file.metadata().map_err(|error| SpoolError::Open("it".to_owned(), error))?;
        if !status.is_file() {
            return Err(SpoolError::NoFile);
        }
        Ok(Self { length: status.len(), file: Arc::new(file), start: 0 })
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// A piece of this piece; shorter where this one ends earlier.
    pub(crate) fn piece(&self, start: u64, length: u64) -> Self {
        let start = start.min(self.length);
        let length = length.min(self.length - start);
        Self { file: Arc::clone(&self.file), start: self.start.saturating_add(start), length }
    }

    /// Its bytes from the beginning on.
    pub(crate) fn reader(&self) -> impl Read {
        Reader { spool: self.clone(), at: 0 }
    }

    /// All its bytes, if they are at most so many.
    pub(crate) fn bytes(&self, most: usize) -> Result<Vec<u8>, Failure> {
        let length = usize::try_from(self.length).ok().filter(|length| *length <= most);
        let mut bytes = vec![0; length.ok_or(Failure::TooLarge(most))?];
        self.file.read_exact_at(&mut bytes, self.start)?;
        Ok(bytes)
    }

    /// Fills the buffer from a place in it.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.length);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(buffer, self.start + at)
    }

    /// The digest of its bytes.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut hasher = Hasher::default();
        let mut reader = self.reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// The same as it was before it was compressed: itself, or a temporary file without a name.
    pub(crate) fn plain(&self) -> Result<Self, SpoolError> {
        let mut head = [0; 6];
        let known = self.read_exact_at(&mut head, 0).is_ok();
        let mut reader = self.reader();
        if !known || !compression::is_compressed(&head) {
            return Ok(self.clone());
        }
        let folder = std::env::temp_dir();
        let named = |error| SpoolError::Temporary(folder.display().to_string(), error);
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, &folder, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|errno| named(errno.into()))?);
        let most = self.length.saturating_mul(MOST_GROWTH).max(SMALL);
        let mut stream = compression::open(&mut reader).map_err(SpoolError::Decompress)?;
        let mut buffer = vec![0; 1 << 16];
        let mut length = 0;
        loop {
            let count = stream.read(&mut buffer).map_err(SpoolError::Decompress)?;
            length += count as u64;
            if length > most {
                return Err(SpoolError::Bomb);
            }
            if count == 0 {
                return Ok(Self { file: Arc::new(file), start: 0, length });
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(named)?;
        }
    }
}

struct Reader {
    spool: Spool,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.spool.length - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let read = self.spool.file.read_at(buffer, self.spool.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
