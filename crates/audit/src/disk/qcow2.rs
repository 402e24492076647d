//! QEMU's disk images, version 2 and 3 (QEMU's docs/interop/qcow2.rst), read only.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use flate2::read::DeflateDecoder;

use super::DiskError;
use super::blocks::{Blocks, Fields};
use crate::tree::{Failure, Spool};

const MAGIC: &[u8] = b"QFI\xfb";
/// Tables and clusters that are kept in memory.
const MOST_KEPT: usize = 64;
/// The table of tables of the largest disks (64 TiB in clusters of 64 KiB) is this long.
const MOST_L1: u32 = 32 << 20;

/// Whether a file begins like one.
pub(super) fn is_one(file: &Spool) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == MAGIC
}

/// A disk image.
#[derive(Debug)]
pub(super) struct Qcow2 {
    file: Spool,
    size: u64,
    cluster_bits: u32,
    l1_at: u64,
    l1_size: u32,
    kept: Mutex<BTreeMap<Key, Vec<u8>>>,
}

/// A table, or a cluster that was decompressed, by its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Table(u64),
    Cluster(u64),
}

impl Qcow2 {
    pub(super) fn open(file: Spool) -> Result<Self, DiskError> {
        let mut header = [0; 112];
        file.read_exact_at(&mut header, 0).map_err(Failure::from)?;
        let fields = Fields(&header);
        let word = |at| fields.big_u32(at).map_err(DiskError::from);
        let long = |at| fields.big_u64(at).map_err(DiskError::from);
        let version = word(4)?;
        let refused = |what: &str| Err(DiskError::Refused(format!("a qcow2 image {what}")));
        if !(2..=3).contains(&version) {
            return refused(&format!("of version {version}"));
        }
        if long(8)? != 0 {
            // Its name comes from the image: following it would read any file of this host for a stranger.
            return refused("with a backing file; make it whole first (`qemu-img convert`)");
        }
        if word(32)? != 0 {
            return refused("that is encrypted");
        }
        let incompatible = if version == 3 { long(72)? } else { 0 };
        // Bit 0, dirty, speaks of reference counts alone, which are not read here.
        match incompatible & !1 {
            0 => {}
            bits if bits & 2 != 0 => return refused("that is marked as corrupt"),
            bits if bits & 4 != 0 => return refused("whose data is in another file"),
            bits => return refused(&format!("with features that are not known here ({bits:#x})")),
        }
        let cluster_bits = word(20)?;
        let l1_size = word(36)?;
        if !(9..=21).contains(&cluster_bits) || l1_size.saturating_mul(8) > MOST_L1 {
            return refused("with tables of a size that makes no sense");
        }
        let (size, l1_at) = (long(24)?, long(40)?);
        Ok(Self { file, size, cluster_bits, l1_at, l1_size, kept: Mutex::default() })
    }

    fn kept(
        &self,
        key: Key,
        read: impl FnOnce() -> Result<Vec<u8>, Failure>,
        use_it: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains_key(&key) {
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(key, read()?);
        }
        if let Some(bytes) = kept.get(&key) {
            use_it(bytes);
        }
        Ok(())
    }

    /// Entry of a table of 8-byte numbers.
    fn entry(&self, table: u64, length: usize, index: u64) -> Result<u64, Failure> {
        let mut value = Err(Failure::Damaged("a table of the image ends too early".to_owned()));
        let read = || {
            let mut bytes = vec![0; length];
            self.file.read_exact_at(&mut bytes, table)?;
            Ok(bytes)
        };
        let at = usize::try_from(index * 8).unwrap_or(usize::MAX - 8);
        self.kept(Key::Table(table), read, &mut |bytes| value = Fields(bytes).big_u64(at))?;
        value
    }

    /// Fills the buffer from one cluster.
    fn read_in_cluster(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        const PLACE: u64 = 0x00ff_ffff_ffff_fe00;
        let cluster = 1u64 << self.cluster_bits;
        let l2_bits = self.cluster_bits - 3;
        let (number, inside) = (at >> self.cluster_bits, at & (cluster - 1));
        let l1_index = number >> l2_bits;
        if l1_index >= u64::from(self.l1_size) {
            return Err(Failure::Damaged("a place outside of the image".to_owned()));
        }
        let l1_length = usize::try_from(self.l1_size).unwrap_or(0) * 8;
        let l2 = self.entry(self.l1_at, l1_length, l1_index)? & PLACE;
        let length = usize::try_from(cluster).unwrap_or(0);
        let entry = if l2 == 0 { 0 } else { self.entry(l2, length, number & ((1 << l2_bits) - 1))? };
        if entry & (1 << 62) != 0 {
            let inside = usize::try_from(inside).unwrap_or(0);
            let wanted = buffer.len();
            return self.kept(Key::Cluster(entry), || self.decompressed(entry), &mut |bytes| {
                buffer.copy_from_slice(bytes.get(inside..inside + wanted).unwrap_or(&vec![0; wanted]));
            });
        }
        match entry & PLACE {
            // Bit 0: all zeroes, whatever lies there.
            place if place == 0 || entry & 1 != 0 => buffer.fill(0),
            place => self.file.read_exact_at(buffer, place + inside)?,
        }
        Ok(())
    }

    fn decompressed(&self, entry: u64) -> Result<Vec<u8>, Failure> {
        let bits = 62 - (self.cluster_bits - 8);
        let place = entry & ((1 << bits) - 1);
        let sectors = ((entry & ((1 << 62) - 1)) >> bits) + 1;
        let length = sectors * 512 - (place & 511);
        let mut bytes = vec![0; 1 << self.cluster_bits];
        let compressed = self.file.piece(place, length);
        DeflateDecoder::new(compressed.reader())
            .read_exact(&mut bytes)
            .map_err(|error| Failure::Damaged(format!("a compressed cluster does not read: {error}")))?;
        Ok(bytes)
    }
}

impl Blocks for Qcow2 {
    fn len(&self) -> u64 {
        self.size
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let cluster = 1u64 << self.cluster_bits;
        let mut at = at;
        let mut rest = buffer;
        while !rest.is_empty() {
            let here = usize::try_from(cluster - at % cluster).unwrap_or(usize::MAX).min(rest.len());
            let (piece, more) = rest.split_at_mut(here);
            self.read_in_cluster(at, piece)?;
            at += here as u64;
            rest = more;
        }
        Ok(())
    }
}
