//! A tree of files that may be hostile, read below a descriptor of its root.
//!
//! Every path is resolved by openat2(2) as if the root were `/`: a symbolic link leads nowhere outside. What a path leads to is
//! looked at first (`O_PATH` opens nothing), and only a regular file is then opened for reading, through its descriptor: a FIFO
//! or a device that is put in its place meanwhile is never touched. All reads and listings are bounded.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use serde::Serialize;

use crate::fact::{Fact, Unknown};

/// Larger files are not read: no configuration is that long, and a planted one must not fill the memory.
const MOST_BYTES: usize = 4 << 20;
/// Longer listings are not read to their end.
const MOST_ENTRIES: usize = 20_000;

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

/// A tree's root.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    resolve: ResolveFlags,
}

impl Tree {
    /// Opens the running system's own root: paths lead into other mounts, as they do for every process.
    pub fn running(root: &Path) -> io::Result<Self> {
        Self::open(root, ResolveFlags::empty())
    }

    /// Opens a tree that belongs to somebody else. No mount below it is entered: one could be made to hang (FUSE), or show the
    /// host's own `/proc` as the tree's.
    pub fn at_rest(root: &Path) -> io::Result<Self> {
        Self::open(root, ResolveFlags::NO_XDEV)
    }

    fn open(root: &Path, more: ResolveFlags) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
        Ok(Self { root, resolve: ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more })
    }

    /// A descriptor of what stands at the path, which cannot be read or written through.
    fn locate(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        for _ in 0..16 {
            let flags = OFlags::PATH | OFlags::CLOEXEC | flags;
            match openat2(&self.root, relative, flags, Mode::empty(), self.resolve) {
                // EAGAIN: a rename somewhere raced with the look-up (openat2(2)); the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// What stands at the path, links followed inside the tree; `None` where nothing does.
    pub fn status(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        self.status_with(path.as_ref(), OFlags::empty())
    }

    /// What stands at the path itself: a last link is not followed.
    pub fn own_status(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        self.status_with(path.as_ref(), OFlags::NOFOLLOW)
    }

    /// What stands at the path, or the link itself where it leads nowhere.
    pub fn own_or_linked(&self, path: impl AsRef<Path>) -> Fact<Option<FileStatus>> {
        match self.status(&path) {
            Fact::Known(None) => self.own_status(path),
            found => found,
        }
    }

    fn status_with(&self, path: &Path, flags: OFlags) -> Fact<Option<FileStatus>> {
        let status = self.locate(path, flags).and_then(|fd| status(&fd));
        absent_as_none(path, status).into()
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
        let fd = match absent_as_none(path, self.locate(path, OFlags::empty())) {
            Ok(Some(fd)) => fd,
            Ok(None) => return Fact::Known(None),
            Err(unknown) => return Fact::Unknown(unknown),
        };
        read_regular(&fd, path, most).map(Some).into()
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
        let fd = match absent_as_none(path, self.locate(path, OFlags::NOFOLLOW)) {
            Ok(Some(fd)) => fd,
            Ok(None) => return Fact::Known(None),
            Err(unknown) => return Fact::Unknown(unknown),
        };
        match rustix::fs::readlinkat(&fd, c"", Vec::new()) {
            Ok(target) => Fact::Known(Some(lossy(target.into_bytes()))),
            // EINVAL, and ENOENT for an empty path: it is no link.
            Err(Errno::INVAL | Errno::NOENT) => Fact::Known(None),
            Err(errno) => Fact::Unknown(unreadable(path, errno)),
        }
    }

    /// The names in a folder, sorted; `None` where there is no such folder. Of an endless folder the first 20,000.
    pub fn list(&self, path: impl AsRef<Path>) -> Fact<Option<Vec<OsString>>> {
        let path = path.as_ref();
        let fd = match absent_as_none(path, self.locate(path, OFlags::DIRECTORY)) {
            Ok(Some(fd)) => fd,
            Ok(None) => return Fact::Known(None),
            Err(unknown) => return Fact::Unknown(unknown),
        };
        names(&fd).map(Some).map_err(|errno| unreadable(path, errno)).into()
    }

    /// The names in a folder that are UTF-8 and end so; empty where there is no such folder.
    pub fn names_with_ending(&self, path: &str, ending: &str) -> Result<Vec<String>, Unknown> {
        let names = self.list(path).get()?.clone().unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        Ok(names.filter(|name| name.ends_with(ending)).collect())
    }
}

/// Replaces what is no UTF-8.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unreadable(path: &Path, errno: Errno) -> Unknown {
    let why = match errno {
        Errno::ACCESS | Errno::PERM => "no permission".to_owned(),
        Errno::LOOP => "links in a circle".to_owned(),
        Errno::XDEV => "another file system is mounted there".to_owned(),
        errno => io::Error::from(errno).to_string(),
    };
    Unknown(format!("cannot read {}: {why}", path.display()))
}

fn absent_as_none<T>(path: &Path, found: Result<T, Errno>) -> Result<Option<T>, Unknown> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(unreadable(path, errno)),
    }
}

fn status(fd: &OwnedFd) -> Result<FileStatus, Errno> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(FileStatus::of(&stat))
}

impl FileStatus {
    /// Reads what fstat(2) gave.
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Folder,
            FileType::Symlink => FileKind::Link,
            FileType::Socket => FileKind::Socket,
            FileType::Fifo => FileKind::Fifo,
            _ => FileKind::Device,
        };
        Self {
            kind,
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

/// Opens a located file anew for reading, if it is a regular one, and reads it.
fn read_regular(fd: &OwnedFd, path: &Path, most: usize) -> Result<Vec<u8>, Unknown> {
    let failed = |errno| unreadable(path, errno);
    let found = status(fd).map_err(failed)?;
    if found.kind != FileKind::File {
        return Err(Unknown(format!("{} is no regular file and was not opened", path.display())));
    }
    let too_long =
        || Unknown(format!("{} is larger than {} MiB and was not read", path.display(), most >> 20));
    if found.size > most as u64 {
        return Err(too_long());
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let file = rustix::fs::openat(CWD, name, flags, Mode::empty()).map_err(failed)?;
    let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or(0).max(4096));
    loop {
        if bytes.len() > most {
            return Err(too_long());
        }
        if bytes.capacity() - bytes.len() < 1024 {
            bytes.reserve(bytes.capacity());
        }
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
}

fn names(located: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(located, c".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
        if names.len() >= MOST_ENTRIES {
            break;
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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
