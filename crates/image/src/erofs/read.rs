//! Reads the names and attributes of an image that this program has written: no other shape is understood.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::BLOCK;
use super::format::{INODE, MAGIC, SLOT, whole_name};
use super::write::libc_kind;
use crate::tree::{Attributes, invalid};

/// All of an image but the content of its files.
pub(super) struct Image {
    /// The image from its first inode on.
    meta: Vec<u8>,
    /// Where that is in the image.
    meta_at: u64,
    root: u64,
    /// Bytes of the whole image.
    pub(super) size: u64,
}

/// What an inode says.
pub(super) struct Found {
    pub(super) attributes: Attributes,
    pub(super) kind: FoundKind,
    /// Whether it has more than one name.
    pub(super) shared: bool,
}

pub(super) enum FoundKind {
    Folder {
        opaque: bool,
    },
    /// Its first byte in the image, and how many there are.
    File {
        start: u64,
        size: u64,
    },
    Link(Box<[u8]>),
    Pipe,
    Whiteout,
}

/// An inode as it stands there.
struct Raw {
    xattrs_at: u64,
    content_at: u64,
    inline: bool,
    block: u32,
    mode: u16,
    size: u64,
    uid: u32,
    gid: u32,
    modified: i64,
    links: u32,
}

fn broken() -> io::Error {
    invalid("it is not as it was written")
}

fn number<const N: usize>(bytes: &[u8], at: u64) -> io::Result<[u8; N]> {
    let at = usize::try_from(at).map_err(|_| broken())?;
    let end = at.checked_add(N).ok_or_else(broken)?;
    bytes.get(at..end).and_then(|piece| piece.try_into().ok()).ok_or_else(broken)
}

fn u16_at(bytes: &[u8], at: u64) -> io::Result<u16> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: u64) -> io::Result<u32> {
    number(bytes, at).map(u32::from_le_bytes)
}

impl Image {
    /// Opens an image; none if its names and attributes take more bytes than this.
    pub(super) fn open(path: &Path, most: u64) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut head = [0; 128];
        file.read_exact_at(&mut head, 1024)?;
        if u32_at(&head, 0)? != MAGIC {
            return Err(broken());
        }
        let meta_at = u64::from(u32_at(&head, 40)?) * BLOCK;
        let bytes = size.checked_sub(meta_at).ok_or_else(broken)?;
        if bytes > most {
            return Ok(None);
        }
        let mut meta = vec![0; usize::try_from(bytes).map_err(|_| broken())?];
        file.read_exact_at(&mut meta, meta_at)?;
        Ok(Some(Self { meta, meta_at, root: u64::from(u16_at(&head, 14)?), size }))
    }

    /// Bytes of its names and attributes.
    pub(super) fn meta_bytes(&self) -> u64 {
        self.meta.len() as u64
    }

    /// The root's inode.
    pub(super) fn root(&self) -> u64 {
        self.root
    }

    fn raw(&self, inode: u64) -> io::Result<Raw> {
        let at = inode.checked_mul(SLOT).ok_or_else(broken)?;
        let word = |offset: u64| u32_at(&self.meta, at + offset);
        let count = u64::from(u16_at(&self.meta, at + 2)?);
        let xattr_bytes = if count == 0 { 0 } else { 12 + (count - 1) * 4 };
        Ok(Raw {
            xattrs_at: at + INODE,
            content_at: at + INODE + xattr_bytes,
            inline: u16_at(&self.meta, at)? >> 1 == 2,
            block: word(16)?,
            mode: u16_at(&self.meta, at + 4)?,
            size: number(&self.meta, at + 8).map(u64::from_le_bytes)?,
            uid: word(24)?,
            gid: word(28)?,
            modified: number(&self.meta, at + 32).map(i64::from_le_bytes)?,
            links: word(44)?,
        })
    }

    /// What an inode is.
    pub(super) fn inode(&self, inode: u64) -> io::Result<Found> {
        let raw = self.raw(inode)?;
        let mut xattrs = self.xattrs(&raw)?;
        let before = xattrs.len();
        xattrs.retain(|(name, _)| name.as_c_str() != c"trusted.overlay.opaque");
        let kind = match raw.mode & 0o170_000 {
            libc_kind::FOLDER => FoundKind::Folder { opaque: xattrs.len() != before },
            libc_kind::FILE => FoundKind::File { start: u64::from(raw.block) * BLOCK, size: raw.size },
            libc_kind::LINK => FoundKind::Link(self.content(&raw)?.into()),
            libc_kind::PIPE => FoundKind::Pipe,
            libc_kind::CHARACTER => FoundKind::Whiteout,
            _ => return Err(broken()),
        };
        let attributes = Attributes {
            uid: raw.uid,
            gid: raw.gid,
            mode: u32::from(raw.mode & 0o7777),
            modified: raw.modified,
            xattrs,
        };
        Ok(Found { attributes, kind, shared: raw.links > 1 })
    }

    /// The names in a folder, without itself and its parent, and their inodes.
    pub(super) fn names(&self, folder: u64) -> io::Result<Vec<(&[u8], u64)>> {
        let raw = self.raw(folder)?;
        let block_bytes = usize::try_from(BLOCK).map_err(|_| broken())?;
        let mut names = Vec::new();
        for block in self.content(&raw)?.chunks(block_bytes) {
            let count = u64::from(u16_at(block, 8)?) / 12;
            for index in 0..count {
                let start = usize::from(u16_at(block, index * 12 + 8)?);
                let end = match index + 1 {
                    next if next < count => usize::from(u16_at(block, next * 12 + 8)?),
                    // The last name of a block that is not the last ends with the first zero.
                    _ => {
                        let rest = block.get(start..).ok_or_else(broken)?;
                        start + rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())
                    }
                };
                let name = block.get(start..end).ok_or_else(broken)?;
                if name != b"." && name != b".." {
                    names.push((name, number(block, index * 12).map(u64::from_le_bytes)?));
                }
            }
        }
        Ok(names)
    }

    fn content(&self, raw: &Raw) -> io::Result<&[u8]> {
        let at = if raw.inline {
            raw.content_at
        } else {
            (u64::from(raw.block) * BLOCK).checked_sub(self.meta_at).ok_or_else(broken)?
        };
        let at = usize::try_from(at).map_err(|_| broken())?;
        let end = usize::try_from(raw.size).ok().and_then(|size| at.checked_add(size)).ok_or_else(broken)?;
        self.meta.get(at..end).ok_or_else(broken)
    }

    fn xattrs(&self, raw: &Raw) -> io::Result<Vec<(CString, Vec<u8>)>> {
        let mut all = Vec::new();
        // Behind a header of twelve bytes.
        let mut at = raw.xattrs_at + 12;
        while at < raw.content_at {
            let [length, index] = number(&self.meta, at)?;
            let size = u64::from(u16_at(&self.meta, at + 2)?);
            let name_at = usize::try_from(at + 4).map_err(|_| broken())?;
            let value_at = name_at + usize::from(length);
            let end = value_at + usize::try_from(size).map_err(|_| broken())?;
            let name = self.meta.get(name_at..value_at).ok_or_else(broken)?;
            let value = self.meta.get(value_at..end).ok_or_else(broken)?;
            all.push((whole_name(index, name).ok_or_else(broken)?, value.to_vec()));
            at = (end as u64).next_multiple_of(4);
        }
        Ok(all)
    }
}
