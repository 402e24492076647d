//! Between a source and where it goes: what is left out, and whose the files become. And what makes a digest of files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_image::Hasher;
use cofferdam_image::tree::{Attributes, TreeSink};

use super::mode::ModeChange;
use crate::IgnoreRules;

/// What becomes of copied files.
#[derive(Debug, Clone)]
pub(super) struct Change<'a> {
    /// Rules for paths of the context.
    pub(super) ignore: &'a IgnoreRules,
    /// Rules for paths below the source (`--exclude`).
    pub(super) exclude: &'a IgnoreRules,
    /// Owner of all; none to keep the source's.
    pub(super) owner: Option<(u32, u32)>,
    /// Permission bits of all files and folders.
    pub(super) mode: Option<ModeChange>,
    /// Time of all: that of a context's file is when it was checked out, which is nobody's concern.
    pub(super) time: Option<i64>,
    /// Whether extended attributes come along.
    pub(super) xattrs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    /// Its permission bits mean nothing.
    Link,
}

/// Passes one source on.
pub(super) struct Placed<'a> {
    pub(super) inner: &'a mut dyn TreeSink,
    pub(super) change: &'a Change<'a>,
    /// The source's path in its tree.
    pub(super) source: PathBuf,
    /// Where it goes below the writer's base; empty for the base itself.
    pub(super) target: PathBuf,
    /// The folder itself is there already, and keeps its attributes.
    pub(super) keep_top: bool,
}

impl Placed<'_> {
    fn is_out(&self, path: &Path) -> bool {
        self.change.ignore.excludes(&self.source.join(path)) || self.change.exclude.excludes(self.named(path))
    }

    /// A file that is a source itself has its name for `--exclude`.
    fn named<'p>(&'p self, path: &'p Path) -> &'p Path {
        if path.as_os_str().is_empty() { self.source.file_name().map_or(path, Path::new) } else { path }
    }

    fn place(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.target.clone() } else { self.target.join(path) }
    }

    fn changed(&self, attributes: &Attributes, kind: Kind) -> Attributes {
        let mut changed = attributes.clone();
        if let Some((uid, gid)) = self.change.owner {
            (changed.uid, changed.gid) = (uid, gid);
        }
        if let Some(mode) = self.change.mode.as_ref().filter(|_| kind != Kind::Link) {
            changed.mode = mode.of(changed.mode, kind == Kind::Folder);
        }
        if let Some(time) = self.change.time {
            changed.modified = time;
        }
        if !self.change.xattrs {
            changed.xattrs = Vec::new();
        }
        changed
    }
}

impl TreeSink for Placed<'_> {
    fn wants(&mut self, path: &Path) -> bool {
        let whole = self.source.join(path);
        let context = !self.change.ignore.excludes(&whole) || self.change.ignore.may_count_below(&whole);
        context && (!self.change.exclude.excludes(path) || self.change.exclude.may_count_below(path))
    }

    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let top = path.as_os_str().is_empty();
        // One that is only on the way to what counts appears with that.
        if top && self.keep_top || !top && self.is_out(path) {
            return Ok(());
        }
        let changed = self.changed(attributes, Kind::Folder);
        self.inner.folder(&self.place(path), &changed)
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        if self.is_out(path) {
            return Ok(());
        }
        let changed = self.changed(attributes, Kind::File);
        self.inner.file(&self.place(path), &changed, size, content)
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        if self.is_out(path) {
            return Ok(());
        }
        let changed = self.changed(attributes, Kind::Link);
        self.inner.link(&self.place(path), &changed, target)
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        if self.is_out(path) {
            return Ok(());
        }
        let (path, target) = (self.place(path), self.place(target));
        self.inner.hard_link(&path, &target)
    }
}

/// Makes a digest of entries: names, kinds, modes, owners, attributes and contents. Not of times.
#[derive(Default)]
pub(super) struct ContentDigest(pub(super) Hasher);

impl ContentDigest {
    /// A field with its length before it: no two lists of fields give the same bytes.
    pub(super) fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn entry(&mut self, kind: u8, path: &Path, attributes: &Attributes) {
        use std::os::unix::ffi::OsStrExt;
        self.0.update(&[kind]);
        self.field(path.as_os_str().as_bytes());
        for number in [attributes.uid, attributes.gid, attributes.mode] {
            self.0.update(&number.to_le_bytes());
        }
        self.0.update(&(attributes.xattrs.len() as u64).to_le_bytes());
        for (name, value) in &attributes.xattrs {
            self.field(name.to_bytes());
            self.field(value);
        }
    }
}

impl TreeSink for ContentDigest {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.entry(b'd', path, attributes);
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.entry(b'f', path, attributes);
        self.0.update(&size.to_le_bytes());
        self.0.read(&mut content.take(size)).map(drop)
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        self.entry(b'l', path, attributes);
        self.field(target);
        Ok(())
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        self.entry(b'h', path, &Attributes::default());
        self.field(target.as_os_str().as_bytes());
        Ok(())
    }
}
