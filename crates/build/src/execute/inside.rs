//! Look-ups below a root that is not trusted: links in it are resolved as a process in it would see them (openat2(2)).

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cofferdam_image::tree::owners;
use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, mkdirat, openat2};
use rustix::io::Errno;

/// Opens a path in a root. An empty path is the root itself.
pub(super) fn open(root: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // A rename somewhere raced with the look-up: the kernel asks to try again.
            Err(Errno::AGAIN) => {}
            other => return Ok(other?),
        }
    }
}

/// Whether a path leads to a folder.
pub(super) fn is_folder(root: &OwnedFd, path: &Path) -> bool {
    open(root, path, OFlags::PATH | OFlags::DIRECTORY).is_ok()
}

/// Whether a path leads to anything.
pub(super) fn exists(root: &OwnedFd, path: &Path) -> bool {
    open(root, path, OFlags::PATH).is_ok()
}

/// Makes a folder and those that lead to it, as far as they are missing. Whether it was missing.
pub(super) fn make_folder(root: &OwnedFd, path: &Path, owner: (u32, u32)) -> io::Result<bool> {
    if path.as_os_str().is_empty() {
        return Ok(false);
    }
    match open(root, path, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    make_folder(root, parent, owner)?;
    let parent = open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    let name = path.file_name().unwrap_or_default();
    mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
    let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| owners::refused(error, uid, gid))?;
    rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(0o755), AtFlags::empty())?;
    Ok(true)
}

/// The names in a folder, in order.
pub(super) fn names(root: &OwnedFd, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = open(root, folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(PathBuf::from(OsStr::from_bytes(name)));
        }
    }
    names.sort();
    Ok(names)
}

/// A small file as text; empty where there is none.
pub(super) fn read_text(root: &OwnedFd, path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    match open(root, path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(file) => {
            let mut bytes = Vec::new();
            std::fs::File::from(file).take(1 << 22).read_to_end(&mut bytes)?;
            text.push_str(&String::from_utf8_lossy(&bytes));
            Ok(text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
    }
}

/// A path of a container, relative to its root and without `.` and `..`.
pub(super) fn relative(path: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            name => clean.push(name),
        }
    }
    clean
}
