//! The files of ext2, ext3 and ext4 (the kernel's Documentation/filesystems/ext4), read only and without the kernel.
//!
//! Nothing on the disk is trusted: every number is checked against the disk's length, every chain has an end.

mod attributes;
mod directory;
mod inode;
mod journal;
mod mapping;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::{Blocks, Fields, Part};
use crate::tree::{Failure, FileKind, FileStatus, MOST_ENTRIES};
use inode::Inode;

/// A folder's own bytes are at most this long.
const MOST_FOLDER: u64 = 64 << 20;
/// Folders that are kept in memory.
const MOST_KEPT: usize = 256;
/// The number of the root's inode.
pub(super) const ROOT: u32 = 2;

type Entries = Arc<BTreeMap<Vec<u8>, u32>>;

/// A file system.
#[derive(Debug)]
pub(super) struct Ext4 {
    part: Part,
    block_size: u64,
    first_block: u64,
    inodes: u32,
    inodes_per_group: u32,
    inode_size: u64,
    descriptor_size: u64,
    wide: bool,
    uuid: [u8; 16],
    label: String,
    /// Blocks that the journal has newer: by number, where they are.
    newer: BTreeMap<u64, journal::Newer>,
    kept: Mutex<BTreeMap<u32, Entries>>,
}

mod incompatible {
    pub(super) const RECOVER: u32 = 0x4;
    pub(super) const WIDE: u32 = 0x80;
    /// What can be read: file types, recovery, extents, wide, multiple mount protection, flexible groups, attributes in
    /// inodes, checksum seeds, large folders, inline data, encrypted and case-folding folders.
    pub(super) const KNOWN: u32 =
        0x2 | RECOVER | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
}

impl Ext4 {
    pub(super) fn open(part: Part) -> Result<Self, Failure> {
        let mut bytes = [0; 1024];
        part.read(1024, &mut bytes)?;
        let fields = Fields(&bytes);
        let damaged = |what: &str| Failure::Damaged(format!("its ext4 {what}"));
        let features = fields.u32(96)?;
        if features & !incompatible::KNOWN != 0 {
            return Err(damaged(&format!(
                "has features that are not known here ({:#x})",
                features & !incompatible::KNOWN
            )));
        }
        let shift = fields.u32(24)?;
        if shift > 6 {
            return Err(damaged("has blocks of a size that makes no sense"));
        }
        let old = fields.u32(76)? == 0;
        let inode_size = if old { 128 } else { u64::from(fields.u16(88)?) };
        let wide = features & incompatible::WIDE != 0;
        let descriptor_size = if wide { u64::from(fields.u16(254)?) } else { 32 };
        let block_size = 1024u64 << shift;
        if !(128..=block_size).contains(&inode_size) || !(32..=block_size).contains(&descriptor_size) {
            return Err(damaged("has structures of a size that makes no sense"));
        }
        let inodes_per_group = fields.u32(40)?;
        if inodes_per_group == 0 {
            return Err(damaged("has groups without inodes"));
        }
        let label = bytes[120..136].split(|byte| *byte == 0).next().unwrap_or_default();
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[104..120]);
        let mut system = Self {
            block_size,
            first_block: u64::from(fields.u32(20)?),
            inodes: fields.u32(0)?,
            inodes_per_group,
            inode_size,
            descriptor_size,
            wide,
            uuid,
            label: String::from_utf8_lossy(label).into_owned(),
            newer: BTreeMap::new(),
            kept: Mutex::default(),
            part,
        };
        if features & incompatible::RECOVER != 0 {
            system.newer = journal::newer(&system, fields.u32(224)?)?;
        }
        Ok(system)
    }

    /// Whether `UUID=` or `LABEL=` of fstab(5) mean it.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let hex: String = self.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        match name.split_once('=') {
            Some(("UUID", uuid)) => uuid.trim_matches('"').replace('-', "").eq_ignore_ascii_case(&hex),
            Some(("LABEL", label)) => !self.label.is_empty() && label.trim_matches('"') == self.label,
            _ => false,
        }
    }

    /// Fills the buffer from a place in the file system, with what the journal has newer.
    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        if self.newer.is_empty() {
            return self.part.read(at, buffer);
        }
        let (mut at, mut rest) = (at, buffer);
        while !rest.is_empty() {
            let inside = at % self.block_size;
            let here = usize::try_from(self.block_size - inside).unwrap_or(usize::MAX).min(rest.len());
            let (piece, more) = rest.split_at_mut(here);
            match self.newer.get(&(at / self.block_size)) {
                Some(newer) => newer.read(&self.part, self.block_size, inside, piece)?,
                None => self.part.read(at, piece)?,
            }
            at += here as u64;
            rest = more;
        }
        Ok(())
    }

    fn block(&self, number: u64) -> Result<Vec<u8>, Failure> {
        let at = number.checked_mul(self.block_size);
        let at = at.ok_or_else(|| Failure::Damaged(format!("there is no block {number}")))?;
        let mut bytes = vec![0; usize::try_from(self.block_size).unwrap_or(0)];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of a file, of which at most so many are wanted.
    fn content(&self, inode: &Inode, most: u64) -> Result<Vec<u8>, Failure> {
        let length = usize::try_from(inode.size.min(most)).map_err(|_| Failure::TooLarge(usize::MAX))?;
        if inode.is_encrypted() {
            return Err(Failure::Damaged("it is encrypted".to_owned()));
        }
        if inode.is_inline() {
            let mut bytes = inode.block_bytes().to_vec();
            bytes.extend(attributes::value(self, inode, attributes::SYSTEM, b"data")?.unwrap_or_default());
            bytes.resize(length, 0);
            return Ok(bytes);
        }
        let mut bytes = vec![0; length];
        for run in mapping::runs(self, inode, length as u64)? {
            let (start, end) = (run.logical * self.block_size, (run.logical + run.count) * self.block_size);
            let (Ok(start), end) =
                (usize::try_from(start), usize::try_from(end).unwrap_or(usize::MAX).min(length))
            else {
                continue;
            };
            if let Some(piece) = bytes.get_mut(start..end) {
                self.read(run.physical.saturating_mul(self.block_size), piece)?;
            }
        }
        Ok(bytes)
    }

    fn entries(&self, folder: u32) -> Result<Entries, Failure> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = kept().get(&folder) {
            return Ok(Arc::clone(entries));
        }
        let inode = self.inode(folder)?;
        if inode.kind() != FileKind::Folder {
            return Err(Failure::Absent);
        }
        if inode.size > MOST_FOLDER {
            return Err(Failure::TooLarge(usize::try_from(MOST_FOLDER).unwrap_or(0)));
        }
        let bytes = self.content(&inode, MOST_FOLDER)?;
        let entries = if inode.is_inline() {
            directory::inline(&bytes)
        } else {
            directory::entries(&bytes, usize::try_from(self.block_size).unwrap_or(0))
        };
        let entries = Arc::new(entries?);
        let mut kept = kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(folder, Arc::clone(&entries));
        Ok(entries)
    }

    pub(super) fn status(&self, number: u32) -> Result<FileStatus, Failure> {
        Ok(self.inode(number)?.status())
    }

    pub(super) fn child(&self, folder: u32, name: &[u8]) -> Result<Option<u32>, Failure> {
        Ok(self.entries(folder)?.get(name).copied())
    }

    pub(super) fn children(&self, folder: u32) -> Result<Vec<(OsString, u32)>, Failure> {
        let entries = self.entries(folder)?;
        let entry = |(name, number): (&Vec<u8>, &u32)| (OsString::from_vec(name.clone()), *number);
        Ok(entries.iter().take(MOST_ENTRIES).map(entry).collect())
    }

    pub(super) fn target(&self, link: u32) -> Result<Vec<u8>, Failure> {
        const MOST: u64 = 4096;
        let inode = self.inode(link)?;
        if inode.kind() != FileKind::Link || inode.size > MOST {
            return Err(Failure::Damaged("a link that is none".to_owned()));
        }
        match inode.short_target() {
            Some(target) => Ok(target.to_vec()),
            None => self.content(&inode, MOST),
        }
    }

    pub(super) fn bytes(&self, file: u32, most: usize) -> Result<Vec<u8>, Failure> {
        let inode = self.inode(file)?;
        if inode.size > most as u64 {
            return Err(Failure::TooLarge(most));
        }
        self.content(&inode, most as u64)
    }

    pub(super) fn capabilities(&self, file: u32) -> Result<Option<Vec<u8>>, Failure> {
        attributes::value(self, &self.inode(file)?, attributes::SECURITY, b"capability")
    }
}
