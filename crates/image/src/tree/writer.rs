//! Writes foreign files below one root, and nowhere else.
//!
//! Neither an archive nor a running container is trusted: no absolute path, no `..`, no device nodes, and links that are met
//! on the way are resolved inside the root (openat2(2), `RESOLVE_IN_ROOT`), as they are when the root is a container's. Where
//! the root is a folder of the host's that holds other files, no link below it is followed ([`TreeWriter::on_host`]).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, Timespec, Timestamps,
    Uid, chmodat, chownat, fchmod, fchown, linkat, mkdirat, mknodat, openat2, statx, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;

use super::owners::{self, Owners};
use super::whiteout::{self, Marks};
use super::{Attributes, TreeSink, invalid, sparse, xattr};

/// The most that one tree may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, folders, links and deletions.
    pub entries: u64,
    /// Bytes of all files, holes included.
    pub bytes: u64,
    /// How deep folders may nest.
    pub depth: usize,
}

impl Limits {
    /// How many bytes a layer's tar may have: more than its files, for the headers and the ends of blocks between them.
    pub(crate) fn stream_bytes(&self) -> u64 {
        self.bytes.saturating_add(8 << 30)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 4_000_000, bytes: 64 << 30, depth: 1024 }
    }
}

/// What may give way to an entry of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Files, links and empty folders: a later entry of an archive replaces an earlier one.
    Anything,
    /// A file never replaces a folder, nor a folder a file (as with Docker's `cp`).
    SameKind,
}

/// A folder that a tree is written into.
#[derive(Debug)]
pub struct TreeWriter {
    root: OwnedFd,
    /// The folder inside the root below which all entries go; empty for the root itself.
    base: PathBuf,
    owners: Owners,
    replace: Replace,
    /// How paths below the root are resolved.
    resolve: ResolveFlags,
    /// Folders get their attributes at the end: one may forbid writing to it.
    folders: Vec<(PathBuf, Attributes)>,
    limits: Limits,
    /// How deletions are marked; none where there can be none.
    marks: Option<Marks>,
    /// Whether the root hides all layers below.
    hides_all: bool,
    entries: u64,
    bytes: u64,
}

/// A path of an archive without its `.` parts; what leads out is refused.
pub(crate) fn inner_path(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() > 4095 || path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid("a path is too long, or holds a NUL byte"));
    }
    let mut inner = PathBuf::new();
    // The root itself, as umoci names it.
    if path.as_os_str() == "/" {
        return Ok(inner);
    }
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

/// Refuses what a copy must not take away: what is mounted (unlinking its place would end that mount, and uncover what a
/// read-only or masked file hides) and device nodes. Looked at in the mounts through which the place was reached; whoever
/// swaps it after this look cannot mount.
fn check_replaceable(place: &Place) -> io::Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let found = match statx(&place.parent, place.name(), flags, StatxFlags::TYPE) {
        Err(Errno::NOENT) => return Ok(()),
        found => found?,
    };
    if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
        && found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Err(io::Error::other(format!("/{} is mounted there", place.inner.display())));
    }
    match FileType::from_raw_mode(found.stx_mode.into()) {
        FileType::CharacterDevice | FileType::BlockDevice => {
            Err(io::Error::other(format!("/{} is a device", place.inner.display())))
        }
        _ => Ok(()),
    }
}

impl TreeWriter {
    /// Writes below a folder of the host.
    ///
    /// # Errors
    /// It is none.
    pub fn at_path(root: &Path, owners: Owners) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        Ok(Self::new(root, PathBuf::new(), owners, Replace::Anything))
    }

    /// Writes below the folder `base` inside a root, which must have it.
    pub fn new(root: OwnedFd, base: PathBuf, owners: Owners, replace: Replace) -> Self {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let limits = Limits::default();
        Self {
            root,
            base,
            owners,
            replace,
            resolve,
            folders: Vec::new(),
            limits,
            marks: None,
            hides_all: false,
            entries: 0,
            bytes: 0,
        }
    }

    /// Writes a layer into an empty folder, with deletions as an overlay reads them.
    ///
    /// # Errors
    /// It is no folder.
    pub fn layer(root: &Path, owners: Owners, limits: Limits) -> io::Result<Self> {
        Ok(Self { marks: Some(Marks::own()), limits, ..Self::at_path(root, owners)? })
    }

    /// Writes into a folder of the host's whose other files are nothing to the tree: a link there may have come with an earlier
    /// copy, to lead the next one out of its own folder (CVE-2019-11246). None is followed.
    pub fn on_host(root: OwnedFd, owners: Owners) -> Self {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Self { resolve, ..Self::new(root, PathBuf::new(), owners, Replace::SameKind) }
    }

    /// Bytes of files so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Entries so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether this layer hides all below it.
    #[must_use]
    pub fn hides_all(&self) -> bool {
        self.hides_all
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
    fn parent(&mut self, path: &Path) -> io::Result<OwnedFd> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        match self.open_folder(parent, OFlags::PATH) {
            Ok(folder) => return Ok(folder),
            // No folder: perhaps a deletion that came first.
            Err(Errno::NOENT | Errno::NOTDIR) if !parent.as_os_str().is_empty() => {}
            Err(error) => return Err(error.into()),
        }
        let above = self.parent(parent)?;
        let name = parent.file_name().unwrap_or_default();
        if self.marks.is_some() {
            // No entry tells its time: it must not be now, or the same layer would not be the same each time.
            self.folders.push((parent.to_owned(), Attributes { mode: 0o755, ..Attributes::default() }));
        }
        if let Some(marks) = self.marks
            && whiteout::is_there(&above, name)
        {
            unlinkat(&above, name, AtFlags::empty())?;
            mkdirat(&above, name, Mode::from_raw_mode(0o755))?;
            self.give(&above, name, 0, 0)?;
            let folder = self.open_folder(parent, OFlags::RDONLY)?;
            marks.set_opaque(&folder)?;
            return Ok(folder);
        }
        mkdirat(&above, name, Mode::from_raw_mode(0o755))?;
        self.give(&above, name, 0, 0)?;
        Ok(self.open_folder(parent, OFlags::PATH)?)
    }

    /// Counts an entry and finds its place. None for the base itself.
    fn place(&mut self, path: &Path) -> io::Result<Option<Place>> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(invalid(format!("it has more than {} entries", self.limits.entries)));
        }
        let inner = inner_path(path)?;
        if inner.components().count() > self.limits.depth {
            return Err(invalid(format!("its folders nest deeper than {}", self.limits.depth)));
        }
        if inner.as_os_str().is_empty() {
            return Ok(None);
        }
        let inner = self.base.join(inner);
        Ok(Some(Place { parent: self.parent(&inner)?, inner }))
    }

    /// The place of what is no folder, made free.
    fn free_place(&mut self, path: &Path, what: &str) -> io::Result<Place> {
        let place = self.place(path)?.ok_or_else(|| invalid(format!("its root is a {what}")))?;
        if self.replace == Replace::SameKind {
            check_replaceable(&place)?;
        }
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
            chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| owners::refused(error, uid, gid))?;
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
                let deleted = self.marks.filter(|_| whiteout::is_there(&place.parent, place.name()));
                unlinkat(&place.parent, place.name(), AtFlags::empty())?;
                make()?;
                match deleted {
                    // Deleted and made anew: what the layers below have in it is gone.
                    Some(marks) => marks.set_opaque(self.open_folder(&place.inner, OFlags::RDONLY)?),
                    None => Ok(()),
                }
            }
            Err(Errno::EXIST) => Err(io::Error::other("a folder replaces neither a file nor a link")),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the folders their attributes, the innermost first.
    pub fn finish(mut self) -> io::Result<()> {
        let mut done = BTreeSet::new();
        while let Some((path, attributes)) = self.folders.pop() {
            // What the last entry of a folder says is what counts.
            if done.contains(&path) {
                continue;
            }
            match self.open_folder(&path, OFlags::RDONLY) {
                Ok(folder) => self.finish_open(&folder, &attributes)?,
                // A later entry has put something else in its place.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
            done.insert(path);
        }
        Ok(())
    }

    /// Owner, permissions, attributes and time of an open file or folder.
    fn finish_open(&self, file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
        if let Some((uid, gid)) = self.owners.of(attributes.uid, attributes.gid)? {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            fchown(&file, Some(uid), Some(gid)).map_err(|error| owners::refused(error, uid, gid))?;
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
        if self.bytes > self.limits.bytes {
            return Err(invalid(format!(
                "its files are larger than {} MiB together",
                self.limits.bytes >> 20
            )));
        }
        let place = self.free_place(path, "file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            File::from(rustix::fs::openat(&place.parent, place.name(), flags, Mode::RUSR | Mode::WUSR)?);
        sparse::copy(content, &file, size)?;
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

    fn pipe(&mut self, path: &Path, attributes: &Attributes) -> io::Result<bool> {
        if self.marks.is_none() {
            return Ok(false);
        }
        let place = self.free_place(path, "pipe")?;
        let mode = Mode::from_raw_mode(attributes.mode & 0o7777);
        mknodat(&place.parent, place.name(), FileType::Fifo, Mode::empty(), 0)?;
        self.give(&place.parent, place.name(), attributes.uid, attributes.gid)?;
        // Made a moment ago by nobody else: it is no link.
        chmodat(&place.parent, place.name(), mode, AtFlags::empty())?;
        utimensat(&place.parent, place.name(), &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(true)
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let marks = self.marks.ok_or_else(|| invalid("a deletion, which only a layer can hold"))?;
        let place = self.place(path)?.ok_or_else(|| invalid("it deletes its root"))?;
        match statx(&place.parent, place.name(), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
            Err(Errno::NOENT) => whiteout::make(&place.parent, place.name()),
            // It came in this same layer, which a deletion does not touch: it hides what is below, a folder by its mark.
            Ok(stat) if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory => {
                marks.set_opaque(self.open_folder(&place.inner, OFlags::RDONLY)?)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn opaque(&mut self, folder: &Path) -> io::Result<()> {
        let marks = self.marks.ok_or_else(|| invalid("a deletion, which only a layer can hold"))?;
        // An overlay does not read the mark of a layer's root: whoever stacks the layers ends there.
        let Some(place) = self.place(folder)? else {
            self.hides_all = true;
            return Ok(());
        };
        if self.open_folder(&place.inner, OFlags::PATH).is_err() {
            self.make_folder(&place)?;
            let plain = Attributes { mode: 0o755, ..Attributes::default() };
            self.folders.push((place.inner.clone(), plain));
        }
        marks.set_opaque(self.open_folder(&place.inner, OFlags::RDONLY)?)
    }
}

fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec { tv_sec: attributes.modified, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
