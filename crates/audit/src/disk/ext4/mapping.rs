//! Where the bytes of a file are: extents (ext4), or lists of blocks (ext2, ext3).

use super::inode::Inode;
use super::{Ext4, Fields};
use crate::tree::Failure;

/// A file of more pieces is not read.
const MOST_RUNS: usize = 1 << 20;
/// The tree of extents has at most so many levels (the kernel's own limit), and is read to at most so many blocks.
const MOST_DEPTH: u16 = 5;
const MOST_BLOCKS: usize = 1 << 14;

/// Blocks that follow each other. What no run covers is zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first block in the file.
    pub(super) logical: u64,
    /// How many.
    pub(super) count: u64,
    /// The first block on the disk.
    pub(super) physical: u64,
}

/// The runs of the first so many bytes of a file.
pub(super) fn runs(system: &Ext4, inode: &Inode, length: u64) -> Result<Vec<Run>, Failure> {
    let mut map = Map { system, runs: Vec::new(), read: 0, wanted: length.div_ceil(system.block_size) };
    if inode.has_extents() {
        map.extents(inode.block_bytes(), MOST_DEPTH)?;
    } else {
        map.lists(inode.block_bytes())?;
    }
    Ok(map.runs)
}

struct Map<'a> {
    system: &'a Ext4,
    runs: Vec<Run>,
    read: usize,
    wanted: u64,
}

impl Map<'_> {
    fn block(&mut self, number: u64) -> Result<Vec<u8>, Failure> {
        self.read += 1;
        if self.read > MOST_BLOCKS {
            return Err(Failure::Damaged("the map of its blocks has no end".to_owned()));
        }
        self.system.block(number)
    }

    fn add(&mut self, run: Run) -> Result<(), Failure> {
        if run.logical >= self.wanted {
            return Ok(());
        }
        if self.runs.len() >= MOST_RUNS {
            return Err(Failure::Damaged("it has too many pieces".to_owned()));
        }
        self.runs.push(run);
        Ok(())
    }

    fn extents(&mut self, node: &[u8], most_depth: u16) -> Result<(), Failure> {
        const MAGIC: u16 = 0xf30a;
        const UNWRITTEN: u16 = 0x8000;
        let fields = Fields(node);
        let (count, depth) = (fields.u16(2)?, fields.u16(6)?);
        if fields.u16(0)? != MAGIC || depth > most_depth {
            return Err(Failure::Damaged("the map of its blocks makes no sense".to_owned()));
        }
        for at in (0..usize::from(count)).map(|index| 12 + index * 12) {
            let logical = u64::from(fields.u32(at)?);
            if depth > 0 {
                if logical >= self.wanted {
                    continue;
                }
                let below = u64::from(fields.u32(at + 4)?) | u64::from(fields.u16(at + 8)?) << 32;
                let below = self.block(below)?;
                // Each level is lower than the one above it, so that no circle is followed for ever.
                self.extents(&below, depth - 1)?;
                continue;
            }
            let length = fields.u16(at + 4)?;
            // Longer ones are set aside and not written: they read as zeroes.
            if length > UNWRITTEN {
                continue;
            }
            let physical = u64::from(fields.u32(at + 8)?) | u64::from(fields.u16(at + 6)?) << 32;
            self.add(Run { logical, count: u64::from(length), physical })?;
        }
        Ok(())
    }

    /// Twelve blocks, then a list of blocks, a list of lists, and a list of those.
    fn lists(&mut self, map: &[u8]) -> Result<(), Failure> {
        let per_block = self.system.block_size / 4;
        for index in 0..12u64 {
            self.one(index, u64::from(Fields(map).u32(usize::try_from(index * 4).unwrap_or(0))?))?;
        }
        let mut first = 12;
        for (level, at) in [(1u32, 48), (2, 52), (3, 56)] {
            if first >= self.wanted {
                break;
            }
            self.list(u64::from(Fields(map).u32(at)?), level, first)?;
            first += per_block.pow(level);
        }
        Ok(())
    }

    fn one(&mut self, logical: u64, physical: u64) -> Result<(), Failure> {
        if physical == 0 { Ok(()) } else { self.add(Run { logical, count: 1, physical }) }
    }

    fn list(&mut self, block: u64, level: u32, first: u64) -> Result<(), Failure> {
        if block == 0 || first >= self.wanted {
            return Ok(());
        }
        let bytes = self.block(block)?;
        let per_block = self.system.block_size / 4;
        let span = per_block.pow(level - 1);
        for index in 0..per_block {
            let logical = first + index * span;
            if logical >= self.wanted {
                break;
            }
            let entry = u64::from(Fields(&bytes).u32(usize::try_from(index * 4).unwrap_or(0))?);
            if level == 1 { self.one(logical, entry)? } else { self.list(entry, level - 1, logical)? }
        }
        Ok(())
    }
}
