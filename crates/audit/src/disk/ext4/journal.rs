//! The journal: what a system that was not shut down had finished writing, and not yet put in its place (jbd2).
//!
//! A disk that is looked at while its machine runs, or after it fell, is only whole with these blocks.

use std::collections::BTreeMap;

use super::mapping;
use super::{Blocks, Ext4, Fields, Part};
use crate::tree::Failure;

const MAGIC: u32 = 0xc03b_3998;
/// More blocks than any journal has.
const MOST_BLOCKS: u64 = 1 << 22;

/// Where a block that is newer than the file system's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newer {
    physical: u64,
    /// Its first four bytes looked like the journal's own mark, and were written as zeroes.
    escaped: bool,
}

impl Newer {
    /// Fills the buffer from a place inside the block.
    pub(super) fn read(
        self,
        part: &Part,
        block_size: u64,
        inside: u64,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        part.read(self.physical.saturating_mul(block_size).saturating_add(inside), buffer)?;
        if self.escaped {
            for (at, byte) in (inside..4).zip(buffer) {
                *byte = MAGIC.to_be_bytes()[usize::try_from(at).unwrap_or(0)];
            }
        }
        Ok(())
    }
}

mod feature {
    pub(super) const WIDE: u32 = 0x2;
    pub(super) const CHECKSUM_2: u32 = 0x8;
    pub(super) const CHECKSUM_3: u32 = 0x10;
}

/// The blocks of the finished transactions in the journal.
pub(super) fn newer(system: &Ext4, inode: u32) -> Result<BTreeMap<u64, Newer>, Failure> {
    let inode = system.inode(inode)?;
    let mut places = Vec::new();
    for run in mapping::runs(system, &inode, inode.size)? {
        if (places.len() as u64).saturating_add(run.count) > MOST_BLOCKS {
            return Err(Failure::Damaged("its journal has no end".to_owned()));
        }
        places.extend(run.physical..run.physical.saturating_add(run.count));
    }
    let journal = Journal { system, places };
    journal.replayed()
}

struct Journal<'a> {
    system: &'a Ext4,
    places: Vec<u64>,
}

/// What one transaction wrote and took back.
#[derive(Debug, Default)]
struct Transaction {
    blocks: Vec<(u64, Newer)>,
    revoked: Vec<u64>,
}

impl Journal<'_> {
    fn place(&self, index: u64) -> Result<u64, Failure> {
        let place = usize::try_from(index).ok().and_then(|index| self.places.get(index));
        place.copied().ok_or_else(|| Failure::Damaged("its journal ends too early".to_owned()))
    }

    fn replayed(&self) -> Result<BTreeMap<u64, Newer>, Failure> {
        let head = self.system.block(self.place(0)?)?;
        let fields = Fields(&head);
        if fields.big_u32(0)? != MAGIC {
            return Err(Failure::Damaged("its journal has no head".to_owned()));
        }
        let (first, last) = (u64::from(fields.big_u32(20)?), u64::from(fields.big_u32(16)?));
        let (mut sequence, mut at) = (fields.big_u32(24)?, u64::from(fields.big_u32(28)?));
        let features = if fields.big_u32(4)? == 4 { fields.big_u32(40)? } else { 0 };
        // Where the log begins is 0 when nothing is left to do.
        let mut finished: Vec<Transaction> = Vec::new();
        let mut now = Transaction::default();
        let mut left = last.min(self.places.len() as u64);
        while at != 0 && left > 0 {
            let block = self.system.block(self.place(at)?)?;
            let fields = Fields(&block);
            if fields.big_u32(0)? != MAGIC || fields.big_u32(8)? != sequence {
                break;
            }
            let mut step = || {
                left = left.saturating_sub(1);
                at = if at + 1 >= last { first } else { at + 1 };
                at
            };
            match fields.big_u32(4)? {
                1 => {
                    for (number, escaped) in tags(&block, features)? {
                        let physical = self.place(step())?;
                        now.blocks.push((number, Newer { physical, escaped }));
                    }
                    step();
                }
                2 => {
                    finished.push(std::mem::take(&mut now));
                    sequence = sequence.wrapping_add(1);
                    step();
                }
                5 => {
                    now.revoked.extend(revoked(&block, features)?);
                    step();
                }
                _ => break,
            }
        }
        Ok(put_together(&finished))
    }
}

/// Later transactions win; what was taken back later than it was written is not newer.
fn put_together(finished: &[Transaction]) -> BTreeMap<u64, Newer> {
    let mut last_revoked: BTreeMap<u64, usize> = BTreeMap::new();
    for (index, transaction) in finished.iter().enumerate() {
        last_revoked.extend(transaction.revoked.iter().map(|block| (*block, index)));
    }
    let mut newer = BTreeMap::new();
    for (index, transaction) in finished.iter().enumerate() {
        let stands = |block: &u64| last_revoked.get(block).is_none_or(|revoked| *revoked < index);
        newer.extend(transaction.blocks.iter().filter(|(block, _)| stands(block)).copied());
    }
    newer
}

/// The blocks that a descriptor block speaks of, in order, and whether each is escaped.
fn tags(block: &[u8], features: u32) -> Result<Vec<(u64, bool)>, Failure> {
    const ESCAPED: u32 = 1;
    const SAME_UUID: u32 = 2;
    const LAST: u32 = 8;
    let fields = Fields(block);
    let (wide, third) = (features & feature::WIDE != 0, features & feature::CHECKSUM_3 != 0);
    let second = features & feature::CHECKSUM_2 != 0;
    let size = match (third, wide) {
        (true, _) => 16,
        (false, true) => 12 + if second { 2 } else { 0 },
        (false, false) => 8 + if second { 2 } else { 0 },
    };
    let mut found = Vec::new();
    let mut at = 12;
    while at + size <= block.len() {
        let (flags, high) = if third {
            (fields.big_u32(at + 4)?, fields.big_u32(at + 8)?)
        } else {
            (fields.big_u32(at + 4)? & 0xffff, if wide { fields.big_u32(at + 8)? } else { 0 })
        };
        let high = if wide { u64::from(high) << 32 } else { 0 };
        found.push((high | u64::from(fields.big_u32(at)?), flags & ESCAPED != 0));
        if flags & LAST != 0 {
            break;
        }
        at += size + if flags & SAME_UUID != 0 { 0 } else { 16 };
    }
    Ok(found)
}

fn revoked(block: &[u8], features: u32) -> Result<Vec<u64>, Failure> {
    let fields = Fields(block);
    let end = usize::try_from(fields.big_u32(12)?).unwrap_or(0).min(block.len());
    let size = if features & feature::WIDE != 0 { 8 } else { 4 };
    let one = |at| if size == 8 { fields.big_u64(at) } else { fields.big_u32(at).map(u64::from) };
    (16..end.saturating_sub(size - 1)).step_by(size).map(one).collect()
}
