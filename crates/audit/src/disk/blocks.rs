//! Bytes of a disk by their place.

use std::fmt::Debug;

use crate::tree::{Failure, Spool};

/// Something that is read like a disk.
pub(super) trait Blocks: Debug + Send + Sync {
    /// How many bytes it has.
    fn len(&self) -> u64;
    /// Fills the buffer from this place on.
    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure>;
}

impl Blocks for Spool {
    fn len(&self) -> u64 {
        Self::len(self)
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        Ok(self.read_exact_at(buffer, at)?)
    }
}

/// A partition of a disk.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The disk.
    pub(super) disk: std::sync::Arc<dyn Blocks>,
    /// Where it begins.
    pub(super) start: u64,
    /// How long it is.
    pub(super) length: u64,
}

impl Blocks for Part {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let end = at.checked_add(buffer.len() as u64);
        let place = self.start.checked_add(at);
        match (end, place) {
            (Some(end), Some(place)) if end <= self.length => self.disk.read(place, buffer),
            _ => Err(Failure::Damaged(format!(
                "it points to byte {at} of a partition of {} bytes",
                self.length
            ))),
        }
    }
}

/// The numbers in a structure of a disk.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Failure> {
        let bytes = self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| Failure::Damaged("a structure ends too early".to_owned()))
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, Failure> {
        Ok(u16::from_le_bytes(self.bytes(at)?))
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, Failure> {
        Ok(u32::from_le_bytes(self.bytes(at)?))
    }

    pub(super) fn u64(&self, at: usize) -> Result<u64, Failure> {
        Ok(u64::from_le_bytes(self.bytes(at)?))
    }

    /// The same in the other order, as qcow2 and ext4's journal have them.
    pub(super) fn big_u32(&self, at: usize) -> Result<u32, Failure> {
        Ok(u32::from_be_bytes(self.bytes(at)?))
    }

    pub(super) fn big_u64(&self, at: usize) -> Result<u64, Failure> {
        Ok(u64::from_be_bytes(self.bytes(at)?))
    }
}
