//! The files of a layer in memory, as its tar tells of them: the same rules as where they are written into a folder.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::rc::Rc;

use super::{BLOCK, TAR_AT};
use crate::tree::sparse;
use crate::tree::writer::{Limits, inner_path};
use crate::tree::{Attributes, TreeSink, invalid};

/// Which node.
pub(super) type Id = u32;

/// The root's.
pub(super) const ROOT: Id = 0;

/// How many links are followed on the way to one file (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Where files go whose content the tar does not have in one piece: far behind any tar. What is between takes no room.
const SPARSE_AT: u64 = 256 << 30;

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Folder {
        children: BTreeMap<Box<[u8]>, Id>,
        opaque: bool,
    },
    /// Its first byte in the image, and how many there are.
    File {
        start: u64,
        size: u64,
    },
    Link(Box<[u8]>),
    Pipe,
    /// An overlay's mark of a deletion.
    Whiteout,
}

/// A file, a folder or something else.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u16,
    pub(super) modified: i64,
    /// How many names it has.
    pub(super) links: u32,
    pub(super) xattrs: Box<[(CString, Vec<u8>)]>,
}

/// All of them.
pub(crate) struct Tree<'f> {
    pub(super) nodes: Vec<Node>,
    limits: Limits,
    /// How many bytes of the tar have been read: where the next content begins.
    read: Rc<Cell<u64>>,
    file: &'f File,
    /// The end of the sparse files so far; none if there are none.
    pub(super) sparse_end: Option<u64>,
    entries: u64,
    bytes: u64,
    hides_all: bool,
}

impl Node {
    pub(super) fn new(kind: Kind, attributes: &Attributes) -> Self {
        Self {
            kind,
            uid: attributes.uid,
            gid: attributes.gid,
            mode: u16::try_from(attributes.mode & 0o7777).unwrap_or(0),
            modified: attributes.modified,
            links: 1,
            xattrs: attributes.xattrs.clone().into_boxed_slice(),
        }
    }

    pub(super) fn folder(attributes: &Attributes) -> Self {
        Self::new(Kind::Folder { children: BTreeMap::new(), opaque: false }, attributes)
    }

    fn take(&mut self, attributes: &Attributes) {
        let new = Self::new(Kind::Pipe, attributes);
        let kind = std::mem::replace(&mut self.kind, Kind::Pipe);
        *self = Self { kind, links: self.links, ..new };
    }
}

/// A folder that no entry describes.
fn plain() -> Attributes {
    Attributes { mode: 0o755, ..Attributes::default() }
}

fn parts(path: &Path) -> VecDeque<Vec<u8>> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.as_bytes().to_vec()),
        Component::ParentDir => Some(b"..".to_vec()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

impl<'f> Tree<'f> {
    /// An empty one. `read` tells how many bytes of the tar have been read; sparse files are written into `file`.
    pub(crate) fn new(file: &'f File, read: Rc<Cell<u64>>, limits: Limits) -> Self {
        Self {
            nodes: vec![Node::folder(&plain())],
            limits,
            read,
            file,
            sparse_end: None,
            entries: 0,
            bytes: 0,
            hides_all: false,
        }
    }

    /// One for an image without a tar of its own.
    pub(super) fn empty(file: &'f File) -> Self {
        Self::new(file, Rc::default(), Limits::default())
    }

    /// Entries so far.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of files so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the layer hides all below it.
    pub(crate) fn hides_all(&self) -> bool {
        self.hides_all
    }

    pub(super) fn node(&self, id: Id) -> io::Result<&Node> {
        self.nodes.get(id as usize).ok_or_else(|| invalid("a node that is not there"))
    }

    pub(super) fn node_mut(&mut self, id: Id) -> io::Result<&mut Node> {
        self.nodes.get_mut(id as usize).ok_or_else(|| invalid("a node that is not there"))
    }

    pub(super) fn add(&mut self, node: Node) -> io::Result<Id> {
        let id = Id::try_from(self.nodes.len()).map_err(|_| invalid("it has too many entries"))?;
        self.nodes.push(node);
        Ok(id)
    }

    pub(super) fn replace(&mut self, id: Id, node: Node) -> io::Result<()> {
        *self.node_mut(id)? = node;
        Ok(())
    }

    pub(super) fn one_name_more(&mut self, id: Id) -> io::Result<()> {
        self.node_mut(id)?.links += 1;
        Ok(())
    }

    fn child(&self, folder: Id, name: &[u8]) -> io::Result<Option<Id>> {
        match &self.node(folder)?.kind {
            Kind::Folder { children, .. } => Ok(children.get(name).copied()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn put(&mut self, folder: Id, name: &[u8], id: Id) -> io::Result<()> {
        match &mut self.node_mut(folder)?.kind {
            Kind::Folder { children, .. } => {
                children.insert(name.into(), id);
                Ok(())
            }
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn make_folder(&mut self, parent: Id, name: &[u8], attributes: &Attributes) -> io::Result<Id> {
        let id = self.add(Node::folder(attributes))?;
        self.put(parent, name, id)?;
        Ok(id)
    }

    fn set_opaque(&mut self, folder: Id) -> io::Result<()> {
        if let Kind::Folder { opaque, .. } = &mut self.node_mut(folder)?.kind {
            *opaque = true;
        }
        Ok(())
    }

    /// The folder at a path, links followed inside the root. Where it is missing, it is made or none.
    fn find(&mut self, path: &Path, make: bool) -> io::Result<Option<Id>> {
        let mut left = parts(path);
        let mut way = vec![ROOT];
        let mut links = MOST_LINKS;
        while let Some(name) = left.pop_front() {
            let here = way.last().copied().unwrap_or(ROOT);
            if name == b".." {
                way.pop();
                continue;
            }
            let next = match self.child(here, &name)? {
                None if make => self.make_folder(here, &name, &plain())?,
                None => return Ok(None),
                Some(id) => id,
            };
            match &self.node(next)?.kind {
                Kind::Folder { .. } => way.push(next),
                Kind::Link(target) => {
                    links = links.checked_sub(1).ok_or(rustix::io::Errno::LOOP)?;
                    let target = Path::new(OsStr::from_bytes(target)).to_owned();
                    if target.is_absolute() {
                        way.clear();
                    }
                    for part in parts(&target).into_iter().rev() {
                        left.push_front(part);
                    }
                }
                // Deleted and made anew: what the layers below have in it is gone.
                Kind::Whiteout if make => {
                    let folder = self.make_folder(here, &name, &plain())?;
                    self.set_opaque(folder)?;
                    way.push(folder);
                }
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            }
            if way.len() > self.limits.depth {
                return Err(invalid(format!("its folders nest deeper than {}", self.limits.depth)));
            }
        }
        Ok(Some(way.last().copied().unwrap_or(ROOT)))
    }

    /// Counts an entry and finds its folder and name. None for the root itself.
    fn place(&mut self, path: &Path) -> io::Result<Option<(Id, Vec<u8>)>> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(invalid(format!("it has more than {} entries", self.limits.entries)));
        }
        let inner = inner_path(path)?;
        if inner.components().count() > self.limits.depth {
            return Err(invalid(format!("its folders nest deeper than {}", self.limits.depth)));
        }
        let Some(name) = inner.file_name() else { return Ok(None) };
        if name.len() > 255 {
            return Err(invalid("a name is longer than 255 bytes"));
        }
        let parent = self.find(inner.parent().unwrap_or(Path::new("")), true)?.unwrap_or(ROOT);
        Ok(Some((parent, name.as_bytes().to_vec())))
    }

    /// The place of what is no folder, made free.
    fn free_place(&mut self, path: &Path, what: &str) -> io::Result<(Id, Vec<u8>)> {
        let place = self.place(path)?.ok_or_else(|| invalid(format!("its root is a {what}")))?;
        let Some(old) = self.child(place.0, &place.1)? else { return Ok(place) };
        let node = self.node_mut(old)?;
        if let Kind::Folder { children, .. } = &node.kind
            && !children.is_empty()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        node.links = node.links.saturating_sub(1);
        Ok(place)
    }

    fn count_bytes(&mut self, size: u64) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(invalid(format!(
                "its files are larger than {} MiB together",
                self.limits.bytes >> 20
            )));
        }
        Ok(())
    }

    fn insert(&mut self, path: &Path, what: &str, kind: Kind, attributes: &Attributes) -> io::Result<()> {
        let (folder, name) = self.free_place(path, what)?;
        let id = self.add(Node::new(kind, attributes))?;
        self.put(folder, &name, id)
    }
}

impl TreeSink for Tree<'_> {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let Some((parent, name)) = self.place(path)? else {
            self.node_mut(ROOT)?.take(attributes);
            return Ok(());
        };
        let Some(old) = self.child(parent, &name)? else {
            return self.make_folder(parent, &name, attributes).map(drop);
        };
        let is_link = matches!(self.node(old)?.kind, Kind::Link(_));
        // A link to a folder, as where /bin is a link to /usr/bin.
        let behind = if is_link { self.find(&inner_path(path)?, false).unwrap_or_default() } else { None };
        let is_folder = matches!(self.node(old)?.kind, Kind::Folder { .. });
        if let Some(folder) = behind.or_else(|| is_folder.then_some(old)) {
            self.node_mut(folder)?.take(attributes);
            return Ok(());
        }
        let deleted = matches!(self.node(old)?.kind, Kind::Whiteout);
        let node = self.node_mut(old)?;
        node.links = node.links.saturating_sub(1);
        let folder = self.make_folder(parent, &name, attributes)?;
        if deleted { self.set_opaque(folder) } else { Ok(()) }
    }

    /// Its content stays where it is in the tar, and is not read here.
    fn file(&mut self, path: &Path, attributes: &Attributes, size: u64, _: &mut dyn Read) -> io::Result<()> {
        self.count_bytes(size)?;
        let start = TAR_AT + self.read.get();
        if !start.is_multiple_of(BLOCK) {
            return Err(invalid("its content does not begin where a block of the tar does"));
        }
        self.insert(path, "file", Kind::File { start, size }, attributes)
    }

    fn sparse_file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.count_bytes(size)?;
        let start = self.sparse_end.unwrap_or(SPARSE_AT);
        sparse::copy_at(content, self.file, start, size)?;
        self.sparse_end = Some((start + size).next_multiple_of(BLOCK));
        self.insert(path, "file", Kind::File { start, size }, attributes)
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        if target.is_empty() || target.len() > 4095 || target.contains(&0) {
            return Err(invalid("a link's target is empty, too long, or holds a NUL byte"));
        }
        let attributes = Attributes { mode: 0o777, ..attributes.clone() };
        self.insert(path, "link", Kind::Link(target.into()), &attributes)
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let target = inner_path(target)?;
        if target == inner_path(path)? {
            return Ok(());
        }
        let folder = self.find(target.parent().unwrap_or(Path::new("")), false)?;
        let folder = folder.ok_or(io::ErrorKind::NotFound)?;
        let name = target.file_name().unwrap_or_default();
        let id = self.child(folder, name.as_bytes())?.ok_or(io::ErrorKind::NotFound)?;
        if matches!(self.node(id)?.kind, Kind::Folder { .. } | Kind::Whiteout) {
            return Err(invalid("a hard link to a folder"));
        }
        let (parent, name) = self.free_place(path, "link")?;
        self.node_mut(id)?.links += 1;
        self.put(parent, &name, id)
    }

    fn pipe(&mut self, path: &Path, attributes: &Attributes) -> io::Result<bool> {
        self.insert(path, "pipe", Kind::Pipe, attributes)?;
        Ok(true)
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.place(path)?.ok_or_else(|| invalid("it deletes its root"))?;
        match self.child(parent, &name)? {
            None => {
                let id = self.add(Node::new(Kind::Whiteout, &Attributes::default()))?;
                self.put(parent, &name, id)
            }
            // It came in this same layer, which a deletion does not touch: it hides what is below, a folder by its mark.
            Some(own) => self.set_opaque(own),
        }
    }

    fn opaque(&mut self, folder: &Path) -> io::Result<()> {
        // An overlay does not read the mark of a layer's root: whoever stacks the layers ends there.
        let Some((parent, name)) = self.place(folder)? else {
            self.hides_all = true;
            return Ok(());
        };
        let inner = Path::new(OsStr::from_bytes(&name));
        let folder = match self.child(parent, &name)? {
            Some(id) if matches!(self.node(id)?.kind, Kind::Folder { .. }) => id,
            Some(id) if matches!(self.node(id)?.kind, Kind::Link(_)) => {
                self.find(&inner_path(folder)?, true)?.unwrap_or(ROOT)
            }
            Some(id) if !matches!(self.node(id)?.kind, Kind::Whiteout) => {
                return Err(invalid(format!("{} is no folder", inner.display())));
            }
            _ => self.make_folder(parent, &name, &plain())?,
        };
        self.set_opaque(folder)
    }
}
