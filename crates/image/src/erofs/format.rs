//! The shapes on the disk (fs/erofs/erofs_fs.h). All numbers are little-endian.

use std::ffi::{CStr, CString};
use std::io;

use super::BLOCK;
use crate::tree::invalid;

pub(super) const MAGIC: u32 = 0xE0F5_E1E2;

/// Bit of `feature_compat`: times are those of changes to files.
const COMPAT_MTIME: u32 = 2;

/// Bit of `feature_incompat`: there are more devices than the image itself.
const INCOMPAT_DEVICE_TABLE: u32 = 8;

/// Where the devices are told of: behind the superblock, counted in their size.
const DEVICES_SLOT: u16 = 9;

/// Bytes of what is said of a device.
pub(super) const DEVICE: u64 = 128;

/// Where what is said of the first device stands.
pub(super) const DEVICES_AT: u64 = DEVICES_SLOT as u64 * DEVICE;

/// Another image whose bytes this one shows at addresses of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device {
    /// The first of its blocks, counted from the begin of this image.
    pub(super) first: u32,
    pub(super) blocks: u32,
}

impl Device {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        // Its name: whoever mounts the image says which file it is.
        out.extend([0; 64]);
        out.extend(self.blocks.to_le_bytes());
        out.extend(self.first.to_le_bytes());
        out.extend([0; 56]);
    }
}

/// Bytes of an extended inode.
pub(super) const INODE: u64 = 64;

/// Inodes stand at multiples of this, and are counted in it.
pub(super) const SLOT: u64 = 32;

/// Bytes of a folder's entry without its name.
const ENTRY: usize = 12;

/// Where a file's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks of their own, from this one on.
    Plain(u32),
    /// Behind the inode.
    Inline,
}

/// One inode, without its attributes and content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    pub(super) layout: Layout,
    pub(super) mode: u16,
    pub(super) size: u64,
    pub(super) number: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified: i64,
    pub(super) links: u32,
    /// Bytes of its attributes, `xattr_size`.
    pub(super) xattr_size: usize,
}

impl Inode {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let (layout, block) = match self.layout {
            Layout::Plain(block) => (0u16, block),
            Layout::Inline => (2, 0),
        };
        // Bit 0: an extended inode; the layout from bit 1 on.
        out.extend((1 | (layout << 1)).to_le_bytes());
        out.extend(xattr_count(self.xattr_size)?.to_le_bytes());
        out.extend(self.mode.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.size.to_le_bytes());
        out.extend(block.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend(self.uid.to_le_bytes());
        out.extend(self.gid.to_le_bytes());
        out.extend(self.modified.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.links.to_le_bytes());
        out.extend([0; 16]);
        Ok(())
    }
}

/// The superblock, at byte 1024.
pub(super) fn superblock(root: u16, inodes: u64, meta_block: u32, blocks: u32, devices: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend(MAGIC.to_le_bytes());
    out.extend([0; 4]);
    out.extend(COMPAT_MTIME.to_le_bytes());
    out.push(u8::try_from(BLOCK.trailing_zeros()).unwrap_or(9));
    out.push(0);
    out.extend(root.to_le_bytes());
    out.extend(inodes.to_le_bytes());
    // Time of the image: none, so that the same layer is the same image.
    out.extend([0; 12]);
    out.extend(blocks.to_le_bytes());
    out.extend(meta_block.to_le_bytes());
    if devices > 0 {
        // Behind the attributes' block, the UUID and the name.
        out.resize(80, 0);
        out.extend(INCOMPAT_DEVICE_TABLE.to_le_bytes());
        out.extend([0; 2]);
        out.extend(devices.to_le_bytes());
        out.extend(DEVICES_SLOT.to_le_bytes());
    }
    out.resize(128, 0);
    out
}

/// What attributes' names begin with, and the numbers of that. Two of them are whole names.
const NAMESPACES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];

/// An attribute's namespace as a number, and the rest of its name.
fn split_name(name: &CStr) -> Option<(u8, &[u8])> {
    let split = |(prefix, index): &(&[u8], u8)| Some((*index, name.to_bytes().strip_prefix(*prefix)?));
    NAMESPACES.iter().find_map(split).filter(|(index, rest)| !matches!(index, 2 | 3) || rest.is_empty())
}

/// The name of an attribute that was split.
pub(super) fn whole_name(index: u8, rest: &[u8]) -> Option<CString> {
    let (prefix, _) = NAMESPACES.iter().find(|(_, other)| *other == index)?;
    CString::new([prefix, rest].concat()).ok()
}

/// The bytes of a file's attributes: a header, and each of them. Nothing where there is none.
pub(super) fn xattrs<'x>(all: impl IntoIterator<Item = (&'x CStr, &'x [u8])>) -> io::Result<Vec<u8>> {
    let mut out = vec![0; 12];
    for (name, value) in all {
        let (index, rest) =
            split_name(name).ok_or_else(|| invalid(format!("attribute {name:?} cannot be kept")))?;
        let (length, size) = (u8::try_from(rest.len()), u16::try_from(value.len()));
        let (Ok(length), Ok(size)) = (length, size) else {
            return Err(invalid(format!("attribute {name:?} is too large")));
        };
        out.extend([length, index]);
        out.extend(size.to_le_bytes());
        out.extend(rest);
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    if out.len() == 12 {
        out.clear();
    }
    xattr_count(out.len())?;
    Ok(out)
}

/// Their size as the inode has it.
fn xattr_count(bytes: usize) -> io::Result<u16> {
    let count = if bytes == 0 { 0 } else { (bytes - 12) / 4 + 1 };
    u16::try_from(count).map_err(|_| invalid("its attributes are too large"))
}

/// An entry of a folder: a name, the place of its inode, and its kind.
pub(super) type Entry<'n> = (&'n [u8], u64, u8);

/// How many entries, the first of these, fit into one block.
fn fitting(names: &[Entry<'_>]) -> usize {
    let mut used = 0;
    let block = usize::try_from(BLOCK).unwrap_or(512);
    let fits = |entry: &&Entry<'_>| {
        used += ENTRY + entry.0.len();
        used <= block
    };
    names.iter().take_while(fits).count().max(1)
}

/// The bytes of a folder, whose entries are in the order of their names. Each block has its own entries first, then their
/// names.
pub(super) fn folder(mut entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    while !entries.is_empty() {
        let (now, later) = entries.split_at(fitting(entries));
        let start = out.len();
        let mut name_at = now.len() * ENTRY;
        for (name, place, kind) in now {
            out.extend(place.to_le_bytes());
            out.extend(u16::try_from(name_at).unwrap_or(u16::MAX).to_le_bytes());
            out.extend([*kind, 0]);
            name_at += name.len();
        }
        for (name, ..) in now {
            out.extend(*name);
        }
        if !later.is_empty() {
            out.resize(start + usize::try_from(BLOCK).unwrap_or(512), 0);
        }
        entries = later;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_cut_into_blocks() {
        let names: Vec<String> = (0..100).map(|number| format!("name-{number:03}")).collect();
        let entries: Vec<Entry<'_>> = names.iter().map(|name| (name.as_bytes(), 7, 1)).collect();
        let bytes = folder(&entries);
        // 20 bytes each: 25 fill 500 of 512.
        assert_eq!(bytes.len(), 3 * 512 + 500);
        assert_eq!(folder(&entries[..1]).len(), 20);
        let long = "n".repeat(255);
        assert_eq!(folder(&[(long.as_bytes(), 1, 1); 2]).len(), 512 + 267);
    }

    #[test]
    fn attributes_have_a_header_and_a_known_namespace() {
        assert!(xattrs([]).unwrap().is_empty());
        let one = xattrs([(c"user.a", &b"xyz"[..])]).unwrap();
        assert_eq!(one.get(12..), Some(&b"\x01\x01\x03\0axyz"[..]));
        assert_eq!(xattr_count(one.len()).unwrap(), 3);
        assert!(xattrs([(c"other.a", &b""[..])]).is_err());
        assert!(xattrs([(c"user.a", vec![0; 70_000].as_slice())]).is_err());
        assert_eq!(superblock(1, 2, 3, 4, 5).len(), 128);
    }
}
