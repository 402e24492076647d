//! Many images as one: what an overlay of them shows, as one tree of names whose files' content stays where it is.
//!
//! The layers' images are the devices of the new one (fs/erofs/erofs_fs.h, `erofs_deviceslot`). Each has a range of addresses of
//! its own behind the new image, so that the place of a file is the place in its layer, moved by the begin of the range.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;

use super::format::Device;
use super::read::{Found, FoundKind, Image};
use super::tree::{Id, Kind, Node, ROOT, Tree};
use super::{BLOCK, write};
use crate::tree::invalid;

/// The most bytes of names and attributes of all layers: they are in memory at once.
const MOST_META: u64 = 16 << 20;

/// Where the first device's addresses begin: behind whatever a new image may hold.
const FIRST_DEVICE: u64 = 1 << 30;

/// The end of what a block's number of 32 bits can lead to.
const ADDRESSES: u64 = BLOCK << 32;

/// An inode of a layer, counted from the topmost.
type At = (usize, u64);

/// Writes the image that shows these layers, topmost first, as one tree. False if they are too many or too large for one.
pub(crate) fn write_stack(layers: &[impl AsRef<Path>], out: &File) -> io::Result<bool> {
    let (mut images, mut devices) = (Vec::new(), Vec::new());
    let (mut left, mut begin) = (MOST_META, FIRST_DEVICE);
    for layer in layers {
        let Some(image) = Image::open(layer.as_ref(), left)? else { return Ok(false) };
        left -= image.meta_bytes();
        let blocks = image.size.div_ceil(BLOCK);
        let end = begin + blocks * BLOCK;
        let (Ok(first), Ok(blocks)) = (u32::try_from(begin / BLOCK), u32::try_from(blocks)) else {
            return Ok(false);
        };
        if end > ADDRESSES {
            return Ok(false);
        }
        devices.push(Device { first, blocks });
        images.push((image, begin));
        begin = end.next_multiple_of(1 << 20);
    }
    if u16::try_from(devices.len()).is_err() {
        return Ok(false);
    }
    let tree = Stack { images, tree: Tree::empty(out), shared: HashMap::new() }.merge()?;
    write::write(&tree, out, write::devices_end(devices.len()), &devices)?;
    Ok(true)
}

struct Stack<'f> {
    /// Topmost first, each with the begin of its addresses.
    images: Vec<(Image, u64)>,
    tree: Tree<'f>,
    /// Files with several names that are in the tree already.
    shared: HashMap<At, Id>,
}

impl<'f> Stack<'f> {
    fn merge(mut self) -> io::Result<Tree<'f>> {
        let roots: Vec<At> =
            self.images.iter().enumerate().map(|(at, (image, _))| (at, image.root())).collect();
        let top = *roots.first().ok_or_else(|| invalid("there is no layer"))?;
        self.tree.replace(ROOT, Node::folder(&self.found(top)?.attributes))?;
        let mut queue = VecDeque::from([(roots, ROOT)]);
        while let Some((folders, id)) = queue.pop_front() {
            for (name, all) in self.names(&folders)? {
                if let Some(inner) = self.add(id, &name, &all)? {
                    queue.push_back(inner);
                }
            }
        }
        Ok(self.tree)
    }

    fn found(&self, (layer, inode): At) -> io::Result<Found> {
        let (image, _) = self.images.get(layer).ok_or_else(|| invalid("a layer that is not there"))?;
        image.inode(inode)
    }

    /// What the same folder of several layers holds: each name with all that have it, topmost first.
    fn names(&self, folders: &[At]) -> io::Result<BTreeMap<Box<[u8]>, Vec<At>>> {
        let mut all: BTreeMap<Box<[u8]>, Vec<At>> = BTreeMap::new();
        for (layer, folder) in folders {
            let (image, _) = self.images.get(*layer).ok_or_else(|| invalid("a layer that is not there"))?;
            for (name, inode) in image.names(*folder)? {
                all.entry(name.into()).or_default().push((*layer, inode));
            }
        }
        Ok(all)
    }

    /// Adds what shows under a name. A folder is answered with those that it shows together.
    fn add(&mut self, parent: Id, name: &[u8], all: &[At]) -> io::Result<Option<(Vec<At>, Id)>> {
        let Some(top) = all.first().copied() else { return Ok(None) };
        let Found { attributes, kind, shared } = self.found(top)?;
        let kind = match kind {
            FoundKind::Whiteout => return Ok(None),
            FoundKind::Folder { opaque } => {
                let id = self.tree.add(Node::folder(&attributes))?;
                self.tree.put(parent, name, id)?;
                let below = if opaque { &[] } else { all.get(1..).unwrap_or_default() };
                return Ok(Some((self.together(top, below)?, id)));
            }
            FoundKind::File { start, size } => {
                let begin = self.images.get(top.0).map_or(0, |(_, begin)| *begin);
                Kind::File { start: begin + start, size }
            }
            FoundKind::Link(target) => Kind::Link(target),
            FoundKind::Pipe => Kind::Pipe,
        };
        if let Some(id) = self.shared.get(&top).copied() {
            self.tree.one_name_more(id)?;
            self.tree.put(parent, name, id)?;
            return Ok(None);
        }
        let id = self.tree.add(Node::new(kind, &attributes))?;
        self.tree.put(parent, name, id)?;
        if shared {
            self.shared.insert(top, id);
        }
        Ok(None)
    }

    /// A folder, and those below it that it does not hide.
    fn together(&self, top: At, below: &[At]) -> io::Result<Vec<At>> {
        let mut folders = vec![top];
        for at in below {
            match self.found(*at)?.kind {
                FoundKind::Folder { opaque } => {
                    folders.push(*at);
                    if opaque {
                        break;
                    }
                }
                _ => break,
            }
        }
        Ok(folders)
    }
}
