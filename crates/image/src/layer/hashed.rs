//! Streams that are hashed as they pass.

use std::io::{self, Read, Write};

use cofferdam_names::Digest;

use crate::Hasher;
use crate::tree::invalid;

/// A stream that is read, with its digest and a limit.
pub(super) struct HashedReader<R> {
    stream: R,
    hasher: Hasher,
    left: u64,
}

impl<R: Read> HashedReader<R> {
    pub(super) fn new(stream: R, most: u64) -> Self {
        Self { stream, hasher: Hasher::default(), left: most }
    }

    /// Reads what is left; the digest of all.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finish())
    }
}

impl<R: Read> Read for HashedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| invalid("it expands to more bytes than a layer may have"))?;
        Ok(count)
    }
}

/// A stream that is written, with its digest.
pub(super) struct HashedWriter<W> {
    pub(super) stream: W,
    pub(super) hasher: Hasher,
}

impl<W: Write> Write for HashedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
