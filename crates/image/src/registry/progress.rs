//! What a face may show while blobs are on their way.

use cofferdam_names::Digest;

/// Told of each blob, from several threads at once.
pub trait Progress: Sync {
    /// A blob of so many bytes is in this state now.
    fn blob(&self, digest: &Digest, size: u64, state: BlobState);
}

/// Where a blob is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// It waits for its turn.
    Waiting,
    /// So many bytes are there.
    Moving(u64),
    /// The connection broke; it is tried again after a pause.
    Again,
    /// It is there and checked; its files are still being unpacked.
    Unpacking,
    /// It is where it should be.
    Done,
    /// It was there before.
    Present,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn blob(&self, _: &Digest, _: u64, _: BlobState) {}
}
