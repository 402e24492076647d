//! Writes the files of a foreign archive below one folder, and nowhere else.
//!
//! An archive is not trusted: no absolute path, no `..`, no device nodes, and links that are met on the way are resolved
//! inside the root (openat2(2), `RESOLVE_IN_ROOT`), as they will be when the root is a container's.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chmodat, chownat, fchmod, fchown,
    linkat, mkdirat, openat2, symlinkat, unlinkat, utimensat,
};

/// The most that one archive may hold.
const MOST_ENTRIES: u64 = 4_000_000;
const MOST_BYTES: u64 = 64 << 30;

/// Whose a file is and who may do what with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits, set-user-ID and the like included.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
}

/// A folder that an archive is unpacked into.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    root: OwnedFd,
    /// Only root can give files away; an ordinary user keeps them.
    may_chown: bool,
    /// Permissions of folders: given at the end, because a folder may forbid writing to it.
    folders: Vec<(OwnedFolder, Attributes)>,
    entries: u64,
    bytes: u64,
}

type OwnedFolder = Vec<u8>;

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// A path of an archive without its `.` parts; what leads out is refused.
fn inner_path(path: &Path) -> io::Result<std::path::PathBuf> {
    if path.as_os_str().len() > 4095 || path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid("a path is too long, or holds a NUL byte".to_owned()));
    }
    let mut inner = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => inner.push(name),
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(invalid(format!("path {} leads out of the root", path.display())));
            }
        }
    }
    Ok(inner)
}

impl TreeWriter {
    /// Writes below this folder, which exists and is empty.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let may_chown = rustix::process::geteuid().is_root();
        Ok(Self { root, may_chown, folders: Vec::new(), entries: 0, bytes: 0 })
    }

    /// Bytes of files so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open_folder(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// The folder that holds an entry, made where the archive does not have it, and the entry's name in it.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        let name = path.file_name().ok_or_else(|| invalid("an entry has no name".to_owned()))?;
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        match self.open_folder(parent) {
            Ok(folder) => return Ok((folder, name)),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let (above, missing) = self.parent(parent)?;
        mkdirat(&above, missing, Mode::from_raw_mode(0o755))?;
        Ok((self.open_folder(parent)?, name))
    }

    /// Counts an entry, and makes its place free. None for the root itself.
    fn place(&mut self, path: &Path) -> io::Result<Option<(std::path::PathBuf, OwnedFd)>> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(invalid(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let inner = inner_path(path)?;
        if inner.as_os_str().is_empty() {
            return Ok(None);
        }
        let (parent, _) = self.parent(&inner)?;
        Ok(Some((inner, parent)))
    }

    /// A later entry of an archive replaces an earlier one, but for a folder that is not empty.
    fn make_room(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {
                Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a folder; one that is there already gets the attributes.
    pub(crate) fn folder(&mut self, path: &Path, attributes: Attributes) -> io::Result<()> {
        let mut inner = std::path::PathBuf::new();
        if let Some((place, parent)) = self.place(path)? {
            let name = place.file_name().unwrap_or_default();
            match mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) => {}
                // A folder, or a link to one, as where /bin is a link to /usr/bin.
                Err(rustix::io::Errno::EXIST) if self.open_folder(&place).is_ok() => {}
                Err(rustix::io::Errno::EXIST) => {
                    Self::make_room(&parent, name)?;
                    mkdirat(&parent, name, Mode::from_raw_mode(0o700))?;
                }
                Err(error) => return Err(error.into()),
            }
            inner = place;
        }
        self.folders.push((inner.into_os_string().into_encoded_bytes(), attributes));
        Ok(())
    }

    /// Writes a file of so many bytes.
    pub(crate) fn file(
        &mut self,
        path: &Path,
        attributes: Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MOST_BYTES {
            return Err(invalid(format!("its files are larger than {} GiB", MOST_BYTES >> 30)));
        }
        let Some((inner, parent)) = self.place(path)? else {
            return Err(invalid("its root is a file".to_owned()));
        };
        let name = inner.file_name().unwrap_or_default();
        Self::make_room(&parent, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?);
        let copied = io::copy(&mut content.take(size), &mut file)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.may_chown {
            fchown(&file, Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))?;
        }
        // After the owner, whose change takes set-user-ID away.
        fchmod(&file, Mode::from_raw_mode(attributes.mode & 0o7777))?;
        Ok(rustix::fs::futimens(&file, &times(attributes))?)
    }

    /// Makes a symbolic link; where it leads does not matter before somebody follows it, inside the root.
    pub(crate) fn link(&mut self, path: &Path, attributes: Attributes, target: &[u8]) -> io::Result<()> {
        let Some((inner, parent)) = self.place(path)? else {
            return Err(invalid("its root is a link".to_owned()));
        };
        let name = inner.file_name().unwrap_or_default();
        Self::make_room(&parent, name)?;
        symlinkat(target, &parent, name)?;
        if self.may_chown {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(&parent, name, &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Gives a file that was written before another name.
    pub(crate) fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let Some((inner, parent)) = self.place(path)? else {
            return Err(invalid("its root is a link".to_owned()));
        };
        let target = inner_path(target)?;
        if target == inner {
            return Ok(());
        }
        let (target_parent, target_name) = self.parent(&target)?;
        let name = inner.file_name().unwrap_or_default();
        Self::make_room(&parent, name)?;
        Ok(linkat(&target_parent, target_name, &parent, name, AtFlags::empty())?)
    }

    /// Gives the folders their attributes, the innermost first.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        while let Some((path, attributes)) = self.folders.pop() {
            let folder = self.open_folder(Path::new(OsStr::from_bytes(&path)))?;
            if self.may_chown {
                let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
                chownat(folder.as_fd(), ".", Some(uid), Some(gid), AtFlags::empty())?;
            }
            chmodat(folder.as_fd(), ".", Mode::from_raw_mode(attributes.mode & 0o7777), AtFlags::empty())?;
            utimensat(folder.as_fd(), ".", &times(attributes), AtFlags::empty())?;
        }
        Ok(())
    }
}

fn times(attributes: Attributes) -> Timestamps {
    let time = Timespec { tv_sec: attributes.modified, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
