//! A tree that is a folder of this machine, read below a descriptor of its root.
//!
//! Every path is resolved by openat2(2) as if the root were `/`: a symbolic link leads nowhere outside. What a path leads to is
//! looked at first (`O_PATH` opens nothing), and only a regular file is then opened for reading, through its descriptor: a FIFO
//! or a device that is put in its place meanwhile is never touched.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::{Failure, FileKind, FileStatus, MOST_ENTRIES};

/// A folder's root, and how paths in it are resolved.
#[derive(Debug)]
pub(super) struct Folder {
    root: OwnedFd,
    resolve: ResolveFlags,
}

impl Folder {
    pub(super) fn open(root: &Path, more: ResolveFlags) -> io::Result<Self> {
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

    pub(super) fn status(&self, path: &Path, follow: bool) -> Result<FileStatus, Failure> {
        let flags = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        Ok(FileStatus::of(&rustix::fs::fstat(self.locate(path, flags)?)?))
    }

    pub(super) fn bytes(&self, path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
        read_regular(&self.locate(path, OFlags::empty())?, most)
    }

    /// Where a symbolic link points; `None` for something else.
    pub(super) fn link(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match rustix::fs::readlinkat(self.locate(path, OFlags::NOFOLLOW)?, c"", Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            // EINVAL, and ENOENT for an empty path: it is no link.
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn names(&self, path: &Path) -> Result<Vec<OsString>, Failure> {
        Ok(list(&self.locate(path, OFlags::DIRECTORY)?)?)
    }

    /// A folder to walk through: nothing on the way to it, and nothing in it, is followed.
    pub(super) fn walked(&self, path: &Path) -> Result<OwnedFd, Failure> {
        Ok(self.locate(path, OFlags::DIRECTORY | OFlags::NOFOLLOW)?)
    }
}

/// The names in a folder, sorted.
pub(super) fn list(located: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(located, c".", flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in Dir::new(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            entries.push(OsString::from_vec(name.to_vec()));
        }
        if entries.len() >= MOST_ENTRIES {
            break;
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

/// The status of an entry of a folder that is walked through.
pub(super) fn entry_status(folder: &OwnedFd, name: &std::ffi::OsStr) -> Result<FileStatus, Errno> {
    Ok(FileStatus::of(&rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// The folder in a folder that is walked through.
pub(super) fn enter(folder: &OwnedFd, name: &std::ffi::OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// The bytes of `security.capability` of a file in a folder that is walked through.
pub(super) fn capabilities(folder: &OwnedFd, name: &std::ffi::OsStr) -> Result<Option<Vec<u8>>, Errno> {
    let mut path = OsString::from(format!("/proc/self/fd/{}/", folder.as_raw_fd()));
    path.push(name);
    let mut value = [0; 64];
    match rustix::fs::lgetxattr(path, "security.capability", &mut value) {
        Ok(length) => Ok(Some(value.get(..length).unwrap_or_default().to_vec())),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Opens a file in a folder that is walked through, and reads it.
pub(super) fn read_entry(folder: &OwnedFd, name: &std::ffi::OsStr, most: usize) -> Result<Vec<u8>, Failure> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    read_regular(&rustix::fs::openat(folder, name, flags, Mode::empty())?, most)
}

/// Opens a located file anew for reading, if it is a regular one, and reads it.
fn read_regular(fd: &OwnedFd, most: usize) -> Result<Vec<u8>, Failure> {
    let found = FileStatus::of(&rustix::fs::fstat(fd)?);
    if found.kind != FileKind::File {
        return Err(Failure::NoFile);
    }
    if found.size > most as u64 {
        return Err(Failure::TooLarge(most));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let file = rustix::fs::openat(CWD, name, flags, Mode::empty())?;
    let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or(0).max(4096));
    while read_more(&file, &mut bytes)? {
        if bytes.len() > most {
            return Err(Failure::TooLarge(most));
        }
    }
    Ok(bytes)
}

/// Reads the next piece of a file; false at its end.
fn read_more(file: &OwnedFd, bytes: &mut Vec<u8>) -> Result<bool, Errno> {
    if bytes.capacity() - bytes.len() < 1024 {
        bytes.reserve(bytes.capacity());
    }
    match rustix::io::read(file, rustix::buffer::spare_capacity(bytes)) {
        Ok(0) => Ok(false),
        Ok(_) | Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno),
    }
}
