//! Writes what stands behind the tar: inodes, names, attributes; and the superblock before it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use super::format::{self, Device, Entry, INODE, Inode, Layout, SLOT};
use super::tree::{Id, Kind, Node, ROOT, Tree};
use super::{BLOCK, TAR_AT};
use crate::tree::invalid;

/// Where the first inode stands, from the begin of all: a place of 0 is none.
const FIRST: u64 = SLOT;

/// Where things of a node stand.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Its inode, from the begin of all inodes; 0 for a node that has no name any more.
    inode: u64,
    /// Its content's first block, behind all inodes; for folders and long links that are not kept beside their inode.
    block: Option<u64>,
    parent: Id,
}

/// The end of what is said of so many devices.
pub(super) fn devices_end(count: usize) -> u64 {
    format::DEVICES_AT + format::DEVICE * count as u64
}

/// Writes the image of a tree into a file behind what it holds, which ends at this byte.
pub(super) fn write(tree: &Tree<'_>, file: &File, tar_end: u64, devices: &[Device]) -> io::Result<()> {
    let start = tar_end.max(tree.sparse_end.unwrap_or(0)).next_multiple_of(TAR_AT);
    let plan = Plan::new(tree)?;
    let blocks_at = (start + plan.inodes_end).next_multiple_of(BLOCK);
    let mut out = BufWriter::with_capacity(1 << 18, file);
    out.seek(SeekFrom::Start(start))?;
    let mut written = 0u64;
    for (number, id) in plan.order.iter().enumerate() {
        let place = plan.place(*id)?;
        pad(&mut out, &mut written, place.inode)?;
        let bytes = plan.inode(tree, *id, number, blocks_at)?;
        out.write_all(&bytes)?;
        written += bytes.len() as u64;
    }
    pad(&mut out, &mut written, blocks_at - start)?;
    for id in &plan.order {
        if plan.place(*id)?.block.is_some() {
            let bytes = plan.content(tree, *id)?;
            out.write_all(&bytes)?;
            written += bytes.len() as u64;
            let end = written.next_multiple_of(BLOCK);
            pad(&mut out, &mut written, end)?;
        }
    }
    // Whole pages: the kernel reads the last one as such.
    let end = (start + written).next_multiple_of(TAR_AT) - start;
    pad(&mut out, &mut written, end)?;
    out.flush()?;
    let block = |at: u64| u32::try_from(at / BLOCK).map_err(|_| invalid("it is too large for an image"));
    let root = u16::try_from(FIRST / SLOT).map_err(io::Error::other)?;
    let count = u16::try_from(devices.len()).map_err(io::Error::other)?;
    let mut head =
        format::superblock(root, plan.order.len() as u64, block(start)?, block(start + written)?, count);
    devices.iter().for_each(|device| device.encode(&mut head));
    file.write_all_at(&head, 1024)
}

fn pad(out: &mut impl Write, written: &mut u64, until: u64) -> io::Result<()> {
    let missing = until.checked_sub(*written).ok_or_else(|| invalid("inodes out of order"))?;
    io::copy(&mut io::Read::take(io::repeat(0), missing), out)?;
    *written = until;
    Ok(())
}

/// Where everything will stand.
struct Plan {
    /// All nodes that have a name, in the order of their inodes.
    order: Vec<Id>,
    places: Vec<Place>,
    inodes_end: u64,
}

impl Plan {
    fn new(tree: &Tree<'_>) -> io::Result<Self> {
        let mut plan =
            Self { order: Vec::new(), places: vec![Place::default(); tree.nodes.len()], inodes_end: FIRST };
        let mut blocks = 0;
        // Level by level, so that a folder's inodes stand together.
        let mut queue = VecDeque::from([(ROOT, ROOT)]);
        while let Some((id, parent)) = queue.pop_front() {
            if plan.place(id)?.inode != 0 {
                // Another name of a file.
                continue;
            }
            let node = tree.node(id)?;
            let content = content_size(tree, id)?;
            let head = INODE + plan.xattrs(node)?.len() as u64;
            let mut place = Place { inode: plan.inodes_end, block: None, parent };
            match content {
                Some(size) if head + size <= BLOCK => {
                    // What stands beside its inode must not reach into another block.
                    let crosses = |at: u64| (at + head) / BLOCK != (at + head + size - 1) / BLOCK;
                    while size > 0 && crosses(place.inode) {
                        place.inode += SLOT;
                    }
                }
                Some(size) => {
                    place.block = Some(blocks);
                    blocks += size.div_ceil(BLOCK);
                }
                None => {}
            }
            let inline = content.filter(|_| place.block.is_none()).unwrap_or(0);
            plan.inodes_end = (place.inode + head + inline).next_multiple_of(SLOT);
            *plan.places.get_mut(id as usize).ok_or_else(|| invalid("a node that is not there"))? = place;
            plan.order.push(id);
            if let Kind::Folder { children, .. } = &node.kind {
                queue.extend(children.values().map(|child| (*child, id)));
            }
        }
        Ok(plan)
    }

    fn place(&self, id: Id) -> io::Result<Place> {
        self.places.get(id as usize).copied().ok_or_else(|| invalid("a node that is not there"))
    }

    fn xattrs(&self, node: &Node) -> io::Result<Vec<u8>> {
        let opaque = matches!(node.kind, Kind::Folder { opaque: true, .. });
        let mark = opaque.then_some((c"trusted.overlay.opaque", &b"y"[..]));
        let own = node.xattrs.iter().map(|(name, value)| (name.as_c_str(), value.as_slice()));
        format::xattrs(own.chain(mark))
    }

    /// The bytes of a node's inode, attributes and what stands beside it.
    fn inode(&self, tree: &Tree<'_>, id: Id, number: usize, blocks_at: u64) -> io::Result<Vec<u8>> {
        let (node, place) = (tree.node(id)?, self.place(id)?);
        let xattrs = self.xattrs(node)?;
        let block = |at: u64| u32::try_from(at / BLOCK).map_err(|_| invalid("it is too large for an image"));
        let (layout, size) = match (&node.kind, content_size(tree, id)?, place.block) {
            (Kind::File { start, size }, ..) => (Layout::Plain(block(*start)?), *size),
            (_, Some(size), Some(first)) => (Layout::Plain(block(blocks_at)? + block(first * BLOCK)?), size),
            (_, Some(size), None) => (Layout::Inline, size),
            // The number of a device: 0, that of a deletion.
            (_, None, _) => (Layout::Plain(0), 0),
        };
        let (kind, links) = match &node.kind {
            Kind::Folder { children, .. } => {
                let mut folders = 0;
                for child in children.values() {
                    folders += u32::from(matches!(tree.node(*child)?.kind, Kind::Folder { .. }));
                }
                (libc_kind::FOLDER, 2 + folders)
            }
            Kind::File { .. } => (libc_kind::FILE, node.links),
            Kind::Link(_) => (libc_kind::LINK, node.links),
            Kind::Pipe => (libc_kind::PIPE, node.links),
            Kind::Whiteout => (libc_kind::CHARACTER, 1),
        };
        let inode = Inode {
            layout,
            mode: kind | node.mode,
            size,
            number: u32::try_from(number + 1).map_err(io::Error::other)?,
            uid: node.uid,
            gid: node.gid,
            modified: node.modified,
            links,
            xattr_size: xattrs.len(),
        };
        let mut bytes = Vec::with_capacity(512);
        inode.encode(&mut bytes)?;
        bytes.extend(xattrs);
        if layout == Layout::Inline {
            bytes.extend(self.content(tree, id)?);
        }
        Ok(bytes)
    }

    /// What a folder or a link holds.
    fn content(&self, tree: &Tree<'_>, id: Id) -> io::Result<Vec<u8>> {
        match &tree.node(id)?.kind {
            Kind::Link(target) => Ok(target.to_vec()),
            Kind::Folder { .. } => {
                let entries = entries(tree, id)?;
                let mut placed: Vec<Entry<'_>> = Vec::with_capacity(entries.len());
                for (name, child, kind) in entries {
                    let child = if name == b".." { self.place(id)?.parent } else { child };
                    placed.push((name, self.place(child)?.inode / SLOT, kind));
                }
                Ok(format::folder(&placed))
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// File types of stat(2).
pub(super) mod libc_kind {
    pub(in crate::erofs) const FOLDER: u16 = 0o040_000;
    pub(in crate::erofs) const FILE: u16 = 0o100_000;
    pub(in crate::erofs) const LINK: u16 = 0o120_000;
    pub(in crate::erofs) const PIPE: u16 = 0o010_000;
    pub(in crate::erofs) const CHARACTER: u16 = 0o020_000;
}

/// The bytes that a folder or a link holds; none for what holds nothing here.
fn content_size(tree: &Tree<'_>, id: Id) -> io::Result<Option<u64>> {
    match &tree.node(id)?.kind {
        Kind::Link(target) => Ok(Some(target.len() as u64)),
        Kind::Folder { .. } => {
            let entries = entries(tree, id)?;
            let entries: Vec<Entry<'_>> =
                entries.into_iter().map(|(name, _, kind)| (name, 0, kind)).collect();
            Ok(Some(format::folder(&entries).len() as u64))
        }
        _ => Ok(None),
    }
}

/// A folder's entries in the order of their names, itself and its parent among them.
fn entries<'t>(tree: &'t Tree<'_>, id: Id) -> io::Result<Vec<(&'t [u8], Id, u8)>> {
    let Kind::Folder { children, .. } = &tree.node(id)?.kind else { return Ok(Vec::new()) };
    let mut entries: Vec<(&[u8], Id, u8)> = vec![(b".", id, 2), (b"..", id, 2)];
    for (name, child) in children {
        let kind = match tree.node(*child)?.kind {
            Kind::File { .. } => 1,
            Kind::Folder { .. } => 2,
            Kind::Whiteout => 3,
            Kind::Pipe => 5,
            Kind::Link(_) => 7,
        };
        entries.push((name, *child, kind));
    }
    entries.sort_by_key(|(name, ..)| *name);
    Ok(entries)
}
