//! The entries of folders.

use std::collections::BTreeMap;

use super::Fields;
use crate::tree::Failure;

/// The entries of a folder's blocks, without `.` and `..`. Folders with an index are lists as well: the blocks of the index
/// look like entries that are free.
pub(super) fn entries(bytes: &[u8], block_size: usize) -> Result<BTreeMap<Vec<u8>, u32>, Failure> {
    let mut found = BTreeMap::new();
    for block in bytes.chunks(block_size.max(1)) {
        read(block, &mut found)?;
    }
    Ok(found)
}

/// The entries of a folder whose bytes are in its inode: they come after the number of the folder above.
pub(super) fn inline(bytes: &[u8]) -> Result<BTreeMap<Vec<u8>, u32>, Failure> {
    const IN_INODE: usize = 60;
    let mut found = BTreeMap::new();
    let (first, rest) = bytes.split_at(bytes.len().min(IN_INODE));
    read(first.get(4..).unwrap_or_default(), &mut found)?;
    read(rest, &mut found)?;
    Ok(found)
}

fn read(block: &[u8], found: &mut BTreeMap<Vec<u8>, u32>) -> Result<(), Failure> {
    const HEAD: usize = 8;
    let mut at = 0;
    while block.len().saturating_sub(at) >= HEAD {
        let fields = Fields(block.get(at..).unwrap_or_default());
        let (inode, length) = (fields.u32(0)?, usize::from(fields.u16(4)?));
        // 64 KiB do not fit the field; such blocks say so in their own way.
        let length = if matches!(length, 0 | 0xffff) && block.len() == 1 << 16 { 1 << 16 } else { length };
        if length < HEAD {
            return Err(Failure::Damaged("an entry of a folder has no length".to_owned()));
        }
        let name_length = usize::from(fields.0.get(6).copied().unwrap_or(0));
        let name = fields.0.get(HEAD..HEAD + name_length).unwrap_or_default();
        if inode != 0 && !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') {
            found.insert(name.to_vec(), inode);
        }
        at += length;
    }
    Ok(())
}
