//! Many images as one: what an overlay of them shows, as one tree of names whose files' content stays where it is.
//!
//! The layers' images are the devices of the new one (fs/erofs/erofs_fs.h, `erofs_deviceslot`). Each has a range of addresses of
//! its own behind the new image, so that the place of a file is the place in its layer, moved by the begin of the range. Each device
//! also costs every mount of the new image, whatever it holds: where a layer's files are few and small, they are copied.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
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

/// The most bytes of files that are copied of one layer, and of all.
const COPIED_OF_ONE: u64 = 256 << 10;
const COPIED: u64 = 16 << 20;

/// An inode of a layer, counted from the topmost.
type At = (usize, u64);

/// Writes the image that shows these layers, topmost first, as one tree. Answers which of them are its devices; none if they are
/// too many or too large for one.
pub(crate) fn write_stack(layers: &[impl AsRef<Path>], out: &File) -> io::Result<Option<Vec<usize>>> {
    let (mut images, mut devices) = (Vec::new(), Vec::new());
    let (mut left, mut begin) = (MOST_META, FIRST_DEVICE);
    for layer in layers {
        let Some(image) = Image::open(layer.as_ref(), left)? else { return Ok(None) };
        left -= image.meta_bytes();
        let blocks = image.size.div_ceil(BLOCK);
        let end = begin + blocks * BLOCK;
        let (Ok(first), Ok(blocks)) = (u32::try_from(begin / BLOCK), u32::try_from(blocks)) else {
            return Ok(None);
        };
        if end > ADDRESSES {
            return Ok(None);
        }
        devices.push(Device { first, blocks });
        images.push((image, begin));
        begin = end.next_multiple_of(1 << 20);
    }
    if u16::try_from(devices.len()).is_err() {
        return Ok(None);
    }
    let files = vec![Vec::new(); images.len()];
    let stack = Stack { images, tree: Tree::empty(out), shared: HashMap::new(), files };
    let mut stack = stack.merge()?;
    let copied = stack.to_copy();
    let kept: Vec<usize> = (0..devices.len()).filter(|layer| copied.get(*layer) != Some(&true)).collect();
    let devices: Vec<Device> = kept.iter().filter_map(|layer| devices.get(*layer)).copied().collect();
    let mut end = write::devices_end(devices.len());
    for (layer, path) in layers.iter().enumerate() {
        if copied.get(layer) == Some(&true) {
            stack.copy(layer, &File::open(path)?, out, &mut end)?;
        }
    }
    write::write(&stack.tree, out, end, &devices)?;
    Ok(Some(kept))
}

struct Stack<'f> {
    /// Topmost first, each with the begin of its addresses.
    images: Vec<(Image, u64)>,
    tree: Tree<'f>,
    /// Files with several names that are in the tree already.
    shared: HashMap<At, Id>,
    /// The files that show of each layer.
    files: Vec<Vec<Id>>,
}

impl<'f> Stack<'f> {
    fn merge(mut self) -> io::Result<Self> {
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
        Ok(self)
    }

    /// Which layers' content is copied.
    fn to_copy(&self) -> Vec<bool> {
        let mut left = COPIED;
        let bytes_of = |ids: &Vec<Id>| {
            let sizes = ids.iter().map(|id| match self.tree.node(*id).map(|node| &node.kind) {
                Ok(Kind::File { size, .. }) => *size,
                _ => 0,
            });
            sizes.fold(0, u64::saturating_add)
        };
        let fits = |ids| {
            let bytes = bytes_of(ids);
            let fits = bytes <= COPIED_OF_ONE.min(left);
            left -= if fits { bytes } else { 0 };
            fits
        };
        self.files.iter().map(fits).collect()
    }

    /// Copies what shows of a layer to the end of the new image.
    fn copy(&mut self, layer: usize, from: &File, to: &File, end: &mut u64) -> io::Result<()> {
        let begin = self.images.get(layer).map_or(0, |(_, begin)| *begin);
        for id in self.files.get(layer).into_iter().flatten() {
            let Kind::File { start, size } = &mut self.tree.node_mut(*id)?.kind else { continue };
            let at = end.next_multiple_of(BLOCK);
            let mut content = vec![0; usize::try_from(*size).map_err(io::Error::other)?];
            from.read_exact_at(&mut content, *start - begin)?;
            to.write_all_at(&content, at)?;
            *start = at;
            *end = at + *size;
        }
        Ok(())
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
        let is_file = matches!(kind, Kind::File { .. });
        let id = self.tree.add(Node::new(kind, &attributes))?;
        self.tree.put(parent, name, id)?;
        if let Some(files) = self.files.get_mut(top.0).filter(|_| is_file) {
            files.push(id);
        }
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
