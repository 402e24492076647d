//! A tree of files that may be hostile: a folder of this machine, an archive, or the file system on a disk.
//!
//! Every path is resolved as if the tree's root were `/`: a symbolic link leads nowhere outside. Only regular files are read.
//! All reads and listings are bounded.

mod archive;
mod folder;
mod spool;
mod tape;
mod unmounted;
mod walk;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, ResolveFlags};
use rustix::io::Errno;
use serde::Serialize;
use thiserror::Error;

use crate::fact::{Fact, Unknown};
use folder::Folder;

pub(crate) use archive::{Archive, ArchiveError, Buried};
pub(crate) use spool::{Spool, SpoolError};
#[cfg(test)]
pub(crate) use tape::tests as tests_of_tapes;
pub(crate) use unmounted::{Node, Unmounted, resolve};
pub(crate) use walk::{Seen, Walked};

/// Larger files are not read: no configuration is that long, and a planted one must not fill the memory.
const MOST_BYTES: usize = 4 << 20;
/// Longer listings are not read to their end.
pub(crate) const MOST_ENTRIES: usize = 20_000;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A socket of the file system.
    Socket,
    /// A FIFO.
    Fifo,
    /// A character or block device.
    Device,
}

/// The owner and mode of what stands at a path (stat(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileStatus {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with set-id and sticky bits: `0o7777` at most.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub modified: i64,
    /// The file system it is on (`st_dev`).
    pub device: u64,
}

/// Why something in a tree cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    #[error("nothing is there")]
    Absent,
    #[error("no permission")]
    Forbidden,
    #[error("links in a circle")]
    Circle,
    #[error("another file system is mounted there")]
    OtherMount,
    #[error("it is no regular file and was not opened")]
    NoFile,
    #[error("it is larger than {} MiB and was not read", .0 >> 20)]
    TooLarge(usize),
    /// What an archive or a disk holds there makes no sense.
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Io(String),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Absent,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::LOOP => Self::Circle,
            Errno::XDEV => Self::OtherMount,
            errno => Self::Io(io::Error::from(errno).to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// A tree's root.
#[derive(Debug)]
pub struct Tree(Files);

#[derive(Debug)]
enum Files {
    Folder(Folder),
    Unmounted(Box<dyn Unmounted>),
}

impl Tree {
    /// Opens the running system's own root: paths lead into other mounts, as they do for every process.
    pub fn running(root: &Path) -> io::Result<Self> {
        Ok(Self(Files::Folder(Folder::open(root, ResolveFlags::empty())?)))
    }

    /// Opens a tree that belongs to somebody else. No mount below it is entered: one could be made to hang (FUSE), or show the
    /// host's own `/proc` as the tree's.
    pub fn at_rest(root: &Path) -> io::Result<Self> {
        Ok(Self(Files::Folder(Folder::open(root, ResolveFlags::NO_XDEV)?)))
    }

    /// The files of an archive or of a disk.
    pub(crate) fn unmounted(files: impl Unmounted + 'static) -> Self {
        Self(Files::Unmounted(Box::new(files)))
    }

    /// What stands at the path, links followed inside the tree; `None` where nothing does.
    pub fn status(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        self.status_with(path.as_ref(), true)
    }

    /// What stands at the path itself: a last link is not followed.
    pub fn own_status(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        self.status_with(path.as_ref(), false)
    }

    /// What stands at the path, or the link itself where it leads nowhere.
    pub fn own_or_linked(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        match self.status(&path) {
            Fact::Known(None) => self.own_status(path),
            found => found,
        }
    }

    fn status_with(&self, path: &Path, follow: bool) -> Fact<Option<FileStatus>> {
        let status = match &self.0 {
            Files::Folder(folder) => folder.status(path, follow),
            Files::Unmounted(files) => resolve(&**files, path, follow).and_then(|node| files.status(node)),
        };
        absent_as_none(path, status)
    }

    /// Whether anything stands at the path.
    pub fn exists(&self, path: impl AsRef<Path>) -> Fact<bool> {
        self.status(path).map(|status| status.is_some())
    }

    /// The bytes of a regular file of at most 4 MiB; `None` where nothing stands at the path.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Fact<Option<Vec<u8>>> {
        self.bytes_up_to(path.as_ref(), MOST_BYTES)
    }

    /// The same with another bound.
    pub fn bytes_up_to(&self, path: impl AsRef<Path>, most: usize) -> Fact<Option<Vec<u8>>> {
        let path = path.as_ref();
        let read = match &self.0 {
            Files::Folder(folder) => folder.bytes(path, most),
            Files::Unmounted(files) => {
                resolve(&**files, path, true).and_then(|node| read_node(&**files, node, most))
            }
        };
        absent_as_none(path, read)
    }

    /// The text of a regular file, whatever is no UTF-8 replaced; `None` where nothing stands at the path.
    pub fn text(&self, path: impl AsRef<Path>) -> Fact<Option<String>> {
        self.bytes(path).map(|bytes| bytes.map(lossy))
    }

    /// The first word or line of a small file of the kernel's, trimmed.
    pub fn value(&self, path: impl AsRef<Path>) -> Fact<Option<String>> {
        self.text(path).map(|text| text.map(|text| text.trim().to_owned()))
    }

    /// Where a symbolic link points; `None` where nothing or something else stands there.
    pub fn link(&self, path: impl AsRef<Path>) -> Fact<Option<String>> {
        let path = path.as_ref();
        let target = match &self.0 {
            Files::Folder(folder) => folder.link(path),
            Files::Unmounted(files) => {
                resolve(&**files, path, false).and_then(|node| match files.status(node)?.kind {
                    FileKind::Link => files.target(node).map(Some),
                    _ => Ok(None),
                })
            }
        };
        absent_as_none(path, target).map(|target| target.flatten().map(lossy))
    }

    /// The names in a folder, sorted; `None` where there is no such folder. Of an endless folder the first 20,000.
    pub fn list(&self, path: impl AsRef<Path>) -> Fact<Option<Vec<OsString>>> {
        let path = path.as_ref();
        let names = match &self.0 {
            Files::Folder(folder) => folder.names(path),
            Files::Unmounted(files) => {
                resolve(&**files, path, true).and_then(|node| node_names(&**files, node))
            }
        };
        absent_as_none(path, names)
    }

    /// The names in a folder that are UTF-8 and end so; empty where there is no such folder.
    pub fn names_with_ending(&self, path: &str, ending: &str) -> Result<Vec<String>, Unknown> {
        let names = self.list(path).get()?.clone().unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        Ok(names.filter(|name| name.ends_with(ending)).collect())
    }
}

fn read_node(files: &dyn Unmounted, node: Node, most: usize) -> Result<Vec<u8>, Failure> {
    let status = files.status(node)?;
    match status.kind {
        FileKind::File if status.size > most as u64 => Err(Failure::TooLarge(most)),
        FileKind::File => files.read(node, most),
        _ => Err(Failure::NoFile),
    }
}

fn node_names(files: &dyn Unmounted, node: Node) -> Result<Vec<OsString>, Failure> {
    if files.status(node)?.kind != FileKind::Folder {
        return Err(Failure::Absent);
    }
    let mut names: Vec<OsString> = files.children(node)?.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    Ok(names)
}

/// Replaces what is no UTF-8.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unreadable(path: &Path, failure: &Failure) -> Unknown {
    Unknown(format!("cannot read {}: {failure}", path.display()))
}

fn absent_as_none<T>(path: &Path, found: Result<T, Failure>) -> Fact<Option<T>> {
    match found {
        Ok(found) => Fact::Known(Some(found)),
        Err(Failure::Absent) => Fact::Known(None),
        Err(failure) => Fact::Unknown(unreadable(path, &failure)),
    }
}

impl FileStatus {
    /// Reads what fstat(2) gave.
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            kind: FileKind::of_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: stat.st_mtime,
            device: stat.st_dev,
        }
    }

    /// Whether somebody other than root may write it.
    #[must_use]
    pub const fn is_writable_by_others_than_root(&self) -> bool {
        self.uid != 0 || self.mode & 0o002 != 0 || (self.mode & 0o020 != 0 && self.gid != 0)
    }
}

impl FileKind {
    /// The kind in the upper bits of `st_mode` (inode(7)).
    pub(crate) const fn of_mode(mode: u32) -> Self {
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Socket => Self::Socket,
            FileType::Fifo => Self::Fifo,
            _ => Self::Device,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode};

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::at_rest(folder.path()).unwrap();
        (folder, tree)
    }

    #[test]
    fn links_stay_inside() {
        let (folder, tree) = tree();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/real"), "inside").unwrap();
        symlink("/etc/real", folder.path().join("etc/absolute")).unwrap();
        symlink("../../../../../etc/real", folder.path().join("etc/climbing")).unwrap();
        symlink("/etc/passwd", folder.path().join("etc/outside")).unwrap();
        assert_eq!(tree.text("/etc/absolute"), Fact::Known(Some("inside".to_owned())));
        assert_eq!(tree.text("etc/climbing"), Fact::Known(Some("inside".to_owned())));
        assert_eq!(tree.text("/etc/outside"), Fact::Known(None), "the host's own file is not read");
        assert_eq!(tree.link("/etc/outside"), Fact::Known(Some("/etc/passwd".to_owned())));
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(tree.text("/a").known().is_none());
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_opened() {
        let (folder, tree) = tree();
        rustix::fs::mknodat(CWD, folder.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0)
            .unwrap();
        assert!(tree.text("/fifo").known().is_none(), "it would wait forever");
        assert_eq!(tree.status("/fifo").known().unwrap().unwrap().kind, FileKind::Fifo);
        std::fs::File::create(folder.path().join("huge")).unwrap().set_len(1 << 30).unwrap();
        assert!(tree.text("/huge").get().unwrap_err().0.contains("larger than 4 MiB"));
        std::fs::write(folder.path().join("latin"), b"caf\xe9").unwrap();
        assert_eq!(tree.text("/latin"), Fact::Known(Some("caf\u{fffd}".to_owned())));
        assert!(tree.text("/").known().is_none(), "a folder is no file");
    }

    #[test]
    fn listings_are_sorted() {
        let (folder, tree) = tree();
        for name in ["b", "a", "c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(tree.list("/").known().unwrap().as_deref().unwrap(), ["a", "b", "c"]);
        assert_eq!(tree.list("/none"), Fact::Known(None));
        assert_eq!(tree.list("/a"), Fact::Known(None));
    }

    #[test]
    fn a_kernels_file_is_read_although_its_size_says_zero() {
        let tree = Tree::running(Path::new("/")).unwrap();
        assert!(tree.value("/proc/version").known().unwrap().as_deref().unwrap().starts_with("Linux"));
        let at_rest = Tree::at_rest(Path::new("/")).unwrap();
        assert!(at_rest.value("/proc/version").known().is_none(), "no mount below is entered");
    }
}
