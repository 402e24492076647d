//! Extended attributes: behind an inode's fields, and in a block of their own.

use super::inode::Inode;
use super::{Ext4, Fields};
use crate::tree::Failure;

/// The numbers that stand for the beginnings of names.
pub(super) const SECURITY: u8 = 6;
pub(super) const SYSTEM: u8 = 7;

const MAGIC: u32 = 0xea02_0000;

/// The value of an attribute; `None` where the file has it not.
pub(super) fn value(
    system: &Ext4,
    inode: &Inode,
    index: u8,
    name: &[u8],
) -> Result<Option<Vec<u8>>, Failure> {
    let behind = inode.behind();
    if Fields(behind).u32(0) == Ok(MAGIC) {
        let entries = behind.get(4..).unwrap_or_default();
        if let Some(value) = find(entries, entries, index, name)? {
            return Ok(Some(value));
        }
    }
    if inode.attributes == 0 {
        return Ok(None);
    }
    let block = system.block(inode.attributes)?;
    if Fields(&block).u32(0) != Ok(MAGIC) {
        return Err(Failure::Damaged("the block of its attributes makes no sense".to_owned()));
    }
    find(block.get(32..).unwrap_or_default(), &block, index, name)
}

/// Looks through entries, whose values are in `values`.
fn find(entries: &[u8], values: &[u8], index: u8, name: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    const HEAD: usize = 16;
    let mut rest = entries;
    // Four zeroes end the list.
    while let [length, its_index, ..] = *rest
        && (length, its_index) != (0, 0)
    {
        let fields = Fields(rest);
        let its_name = rest.get(HEAD..HEAD + usize::from(length)).unwrap_or_default();
        if its_index == index && its_name == name {
            // A value in an inode of its own is larger than any that is asked for.
            let (at, size) =
                (usize::from(fields.u16(2)?), usize::try_from(fields.u32(8)?).unwrap_or(usize::MAX));
            let value =
                at.checked_add(size).and_then(|end| values.get(at..end)).filter(|_| fields.u32(4) == Ok(0));
            let damaged = || Failure::Damaged("an attribute lies outside of its block".to_owned());
            return value.map(|value| Some(value.to_vec())).ok_or_else(damaged);
        }
        rest = rest.get((HEAD + usize::from(length)).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}
