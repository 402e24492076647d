//! Writes foreign files below one root, and nowhere else.
//!
//! Neither an archive nor a running container is trusted: no absolute path, no `..`, no device nodes, and links that are met
//! on the way are resolved inside the root (openat2(2), `RESOLVE_IN_ROOT`), as they are when the root is a container's. Where
//! the root is a folder of the host's that holds other files, no link below it is followed ([`TreeWriter::on_host`]).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown, linkat,
    mkdirat, openat2, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::owners::Owners;
use super::{Attributes, TreeSink, invalid, sparse, xattr};

/// The most that one tree may hold.
const MOST_ENTRIES: u64 = 4_000_000;
const MOST_BYTES: u64 = 64 << 30;

/// What may give way to an entry of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Files, links and empty folders: a later entry of an archive replaces an earlier one.
    Anything,
    /// A file never replaces a folder, nor a folder a file (as with Docker's `cp`).
    SameKind,
}

/// A folder that a tree is written into.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    root: OwnedFd,
    /// The folder inside the root below which all entries go; empty for the root itself.
    base: PathBuf,
    owners: Owners,
    replace: Replace,
    /// How paths below the root are resolved.
    resolve: ResolveFlags,
    /// Folders get their attributes at the end: one may forbid writing to it.
    folders: Vec<(PathBuf, Attributes)>,
    entries: u64,
    bytes: u64,
}

/// A path of an archive without its `.` parts; what leads out is refused.
fn inner_path(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() > 4095 || path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid("a path is too long, or holds a NUL byte"));
    }
    let mut inner = PathBuf::new();
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

/// The place of an entry: its path below the root, the folder that holds it, and its name there.
struct Place {
    inner: PathBuf,
    parent: OwnedFd,
}

impl Place {
    fn name(&self) -> &OsStr {
        self.inner.file_name().unwrap_or_default()
    }
}

impl TreeWriter {
    /// Writes below a folder of the host.
    pub(crate) fn at_path(root: &Path, owners: Owners) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        Ok(Self::new(root, PathBuf::new(), owners, Replace::Anything))
    }

    /// Writes below the folder `base` inside a root, which must have it.
    pub(crate) fn new(root: OwnedFd, base: PathBuf, owners: Owners, replace: Replace) -> Self {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Self { root, base, owners, replace, resolve, folders: Vec::new(), entries: 0, bytes: 0 }
    }

    /// Writes into a folder of the host's whose other files are nothing to the tree: a link there may have come with an earlier
    /// copy, to lead the next one out of its own folder (CVE-2019-11246). None is followed.
    pub(crate) fn on_host(root: OwnedFd, owners: Owners) -> Self {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Self { resolve, ..Self::new(root, PathBuf::new(), owners, Replace::SameKind) }
    }

    /// Bytes of files so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open_folder(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        loop {
            match openat2(
                &self.root,
                path,
                flags | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
                self.resolve,
            ) {
                // A rename somewhere raced with the look-up: the kernel asks to try again (openat2(2)).
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// The folder that holds an entry, made where the tree does not have it.
    fn parent(&self, path: &Path) -> io::Result<OwnedFd> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        match self.open_folder(parent, OFlags::PATH) {
            Ok(folder) => return Ok(folder),
            Err(Errno::NOENT) if !parent.as_os_str().is_empty() => {}
            Err(error) => return Err(error.into()),
        }
        let above = self.parent(parent)?;
        let name = parent.file_name().unwrap_or_default();
        mkdirat(&above, name, Mode::from_raw_mode(0o755))?;
        self.give(&above, name, 0, 0)?;
        Ok(self.open_folder(parent, OFlags::PATH)?)
    }

    /// Counts an entry and finds its place. None for the base itself.
    fn place(&mut self, path: &Path) -> io::Result<Option<Place>> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(invalid(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let inner = inner_path(path)?;
        if inner.as_os_str().is_empty() {
            return Ok(None);
        }
        let inner = self.base.join(inner);
        Ok(Some(Place { parent: self.parent(&inner)?, inner }))
    }

    /// The place of what is no folder, made free.
    fn free_place(&mut self, path: &Path, what: &str) -> io::Result<Place> {
        let place = self.place(path)?.ok_or_else(|| invalid(format!("its root is a {what}")))?;
        match unlinkat(&place.parent, place.name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) if self.replace == Replace::Anything => {
                unlinkat(&place.parent, place.name(), AtFlags::REMOVEDIR)?;
            }
            Err(Errno::ISDIR) => return Err(io::Error::other(format!("a {what} cannot replace a folder"))),
            Err(error) => return Err(error.into()),
        }
        Ok(place)
    }

    /// Gives what has this name to its owner; a link is not followed.
    fn give(&self, folder: &OwnedFd, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        if let Some((uid, gid)) = self.owners.of(uid, gid)? {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Makes a folder where there is none, or makes room for it.
    fn make_folder(&self, place: &Place) -> io::Result<()> {
        let make = || mkdirat(&place.parent, place.name(), Mode::from_raw_mode(0o700));
        match make() {
            Ok(()) => Ok(()),
            // A folder; or a link to one, as where /bin is a link to /usr/bin, if links are followed here.
            Err(Errno::EXIST) if self.open_folder(&place.inner, OFlags::PATH).is_ok() => Ok(()),
            Err(Errno::EXIST) if self.replace == Replace::Anything => {
                unlinkat(&place.parent, place.name(), AtFlags::empty())?;
                Ok(make()?)
            }
            Err(Errno::EXIST) => Err(io::Error::other("a folder replaces neither a file nor a link")),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the folders their attributes, the innermost first.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        while let Some((path, attributes)) = self.folders.pop() {
            let folder = self.open_folder(&path, OFlags::RDONLY)?;
            self.finish_open(&folder, &attributes)?;
        }
        Ok(())
    }

    /// Owner, permissions, attributes and time of an open file or folder.
    fn finish_open(&self, file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
        if let Some((uid, gid)) = self.owners.of(attributes.uid, attributes.gid)? {
            fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        // After the owner, whose change takes set-user-ID and file capabilities away.
        fchmod(&file, Mode::from_raw_mode(attributes.mode & 0o7777))?;
        xattr::write(&file, &attributes.xattrs)?;
        Ok(rustix::fs::futimens(&file, &times(attributes))?)
    }
}

impl TreeSink for TreeWriter {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let inner = match self.place(path)? {
            Some(place) => {
                self.make_folder(&place)?;
                place.inner
            }
            None => self.base.clone(),
        };
        self.folders.push((inner, attributes.clone()));
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MOST_BYTES {
            return Err(invalid(format!("its files are larger than {} GiB", MOST_BYTES >> 30)));
        }
        let place = self.free_place(path, "file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file =
            File::from(rustix::fs::openat(&place.parent, place.name(), flags, Mode::RUSR | Mode::WUSR)?);
        sparse::copy(content, &mut file, size)?;
        self.finish_open(&file, attributes)
    }

    /// Where a link leads does not matter before somebody follows it, inside the root.
    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        let place = self.free_place(path, "link")?;
        symlinkat(target, &place.parent, place.name())?;
        self.give(&place.parent, place.name(), attributes.uid, attributes.gid)?;
        Ok(utimensat(&place.parent, place.name(), &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let target = inner_path(target)?;
        if target == inner_path(path)? {
            return Ok(());
        }
        let target = self.base.join(target);
        let target_parent = self.parent(&target)?;
        let place = self.free_place(path, "link")?;
        // Without AT_SYMLINK_FOLLOW: a link gets a second name, not what it leads to.
        Ok(linkat(
            &target_parent,
            target.file_name().unwrap_or_default(),
            &place.parent,
            place.name(),
            AtFlags::empty(),
        )?)
    }
}

fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec { tv_sec: attributes.modified, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
