//! Inodes: what a file is, without its name.

use super::{Ext4, Fields};
use crate::tree::{Failure, FileKind, FileStatus};

/// A file without its name.
#[derive(Debug)]
pub(super) struct Inode {
    bytes: Vec<u8>,
    mode: u32,
    flags: u32,
    uid: u32,
    gid: u32,
    modified: i64,
    /// Bytes.
    pub(super) size: u64,
    /// The block with more attributes; 0 for none.
    pub(super) attributes: u64,
}

const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;
/// Where the map of its blocks, or the bytes themselves, are.
const BLOCK: std::ops::Range<usize> = 40..100;

impl Ext4 {
    /// The inode of a number.
    pub(super) fn inode(&self, number: u32) -> Result<Inode, Failure> {
        let index = number.checked_sub(1).filter(|_| number <= self.inodes);
        let index = index.ok_or_else(|| Failure::Damaged(format!("there is no inode {number}")))?;
        let (group, inside) = (index / self.inodes_per_group, index % self.inodes_per_group);
        let mut descriptor = vec![0; usize::try_from(self.descriptor_size).unwrap_or(0)];
        let table = (self.first_block + 1) * self.block_size;
        self.read(table + u64::from(group) * self.descriptor_size, &mut descriptor)?;
        let fields = Fields(&descriptor);
        let high = if self.wide && self.descriptor_size >= 64 { u64::from(fields.u32(40)?) << 32 } else { 0 };
        let start = (high | u64::from(fields.u32(8)?)).checked_mul(self.block_size);
        let start = start.and_then(|start| start.checked_add(u64::from(inside) * self.inode_size));
        let mut bytes = vec![0; usize::try_from(self.inode_size).unwrap_or(0)];
        self.read(start.unwrap_or(u64::MAX), &mut bytes)?;
        Inode::read(bytes)
    }
}

impl Inode {
    fn read(bytes: Vec<u8>) -> Result<Self, Failure> {
        let fields = Fields(&bytes);
        let joined = |low: usize, high: usize| -> Result<u32, Failure> {
            Ok(u32::from(fields.u16(low)?) | u32::from(fields.u16(high)?) << 16)
        };
        let size = u64::from(fields.u32(4)?) | u64::from(fields.u32(108)?) << 32;
        let attributes = u64::from(fields.u32(104)?) | u64::from(fields.u16(118)?) << 32;
        // Seconds are signed; two more bits of them are beside the nanoseconds, where the inode is long enough.
        let extra = if bytes.len() >= 140 && fields.u16(128)? >= 12 {
            i64::from(fields.u32(136)? & 3) << 32
        } else {
            0
        };
        let modified = i64::from(fields.u32(16)?.cast_signed()) + extra;
        let (mode, flags) = (u32::from(fields.u16(0)?), fields.u32(32)?);
        let (uid, gid) = (joined(2, 120)?, joined(24, 122)?);
        Ok(Self { mode, flags, uid, gid, modified, size, attributes, bytes })
    }

    pub(super) fn kind(&self) -> FileKind {
        FileKind::of_mode(self.mode)
    }

    pub(super) fn status(&self) -> FileStatus {
        let Self { mode, uid, gid, size, modified, .. } = *self;
        FileStatus { kind: self.kind(), mode: mode & 0o7777, uid, gid, size, modified, device: 0 }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    pub(super) fn is_inline(&self) -> bool {
        self.flags & INLINE != 0
    }

    pub(super) fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// The 60 bytes that map its blocks, or are its first bytes.
    pub(super) fn block_bytes(&self) -> &[u8] {
        self.bytes.get(BLOCK).unwrap_or_default()
    }

    /// A link's target, where it is short enough to stand in the inode.
    pub(super) fn short_target(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.size).ok()?;
        let in_place = length < 60 && !self.has_extents() && !self.is_inline();
        self.block_bytes().get(..length).filter(|_| in_place)
    }

    /// The bytes behind the inode's fields, where attributes may be.
    pub(super) fn behind(&self) -> &[u8] {
        let extra = Fields(&self.bytes).u16(128).map_or(0, usize::from);
        self.bytes.get(128 + extra..).filter(|_| self.bytes.len() > 128).unwrap_or_default()
    }
}
