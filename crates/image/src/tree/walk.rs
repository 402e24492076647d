//! Reads a tree from a folder, by descriptors alone: what is renamed or replaced meanwhile leads nowhere else.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cofferdam_confinement::IdMaps;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx, StatxFlags, openat, readlinkat, statx};

use super::owners::container_id;
use super::whiteout::{self, Marks};
use super::{Attributes, LeftOut, TreeSink, at, invalid, xattr};

/// How deep folders may nest: deeper than any path that a program could use.
pub(super) const MOST_LEVELS: usize = 2048;

/// File systems of the kernel's own, whose files are no data: not descended into (statfs(2)).
const KERNELS_OWN: [u64; 6] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x27_e0eb,   // cgroup
    0x6367_7270, // cgroup2
    0x1cd1,      // devpts
    0x1980_0202, // mqueue
];

/// How a tree is read.
#[derive(Debug, Clone, Default)]
pub struct Walk<'a> {
    /// Owners on the disk are host ids of this container's.
    pub from_host_ids: Option<&'a IdMaps>,
    /// What is mounted inside the tree stays out.
    pub one_file_system: bool,
    /// Set-user-ID, set-group-ID and extended attributes stay behind: they were a container's to give, and the files come to
    /// the host.
    pub disarm: bool,
    /// The tree is the upper or a lower layer of an overlay: its marks are deletions.
    pub layer: bool,
    /// Pipes are files like others.
    pub pipes: bool,
    /// No file is younger than this, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub newest: Option<i64>,
}

/// A walk under way.
pub(super) struct Reader<'w, 's> {
    walk: &'w Walk<'w>,
    sink: &'s mut dyn TreeSink,
    pub(super) left_out: LeftOut,
    /// The first name of each file that has several.
    names: BTreeMap<(u32, u32, u64), PathBuf>,
    device: (u32, u32),
}

impl Walk<'_> {
    /// Passes on what is `name` in the folder, a link not followed, as `shown`, with everything below it.
    pub fn entry(
        &self,
        folder: impl AsFd,
        name: &OsStr,
        shown: &Path,
        sink: &mut dyn TreeSink,
    ) -> io::Result<LeftOut> {
        let stat = look(&folder, name).map_err(at(shown))?;
        let mut reader = self.reader(&stat, sink);
        reader.pass(&folder, name, shown, &stat, MOST_LEVELS)?;
        Ok(reader.left_out)
    }

    /// Passes on an open folder as `shown`, with everything below it.
    pub fn folder(&self, folder: &OwnedFd, shown: &Path, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
        self.entry(folder, OsStr::new("."), shown, sink)
    }

    /// Passes on a file that is held by a path descriptor as `shown`.
    pub fn file(&self, path: &OwnedFd, shown: &Path, sink: &mut dyn TreeSink) -> io::Result<LeftOut> {
        let stat = statx(path, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        let mut reader = self.reader(&stat, sink);
        if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile {
            reader.pass_open(reopen(path)?, &stat, shown).map_err(at(shown))?;
        } else {
            reader.left_out.nodes += 1;
        }
        Ok(reader.left_out)
    }

    pub(super) fn reader<'w, 's>(&'w self, stat: &Statx, sink: &'s mut dyn TreeSink) -> Reader<'w, 's> {
        Reader {
            walk: self,
            sink,
            left_out: LeftOut::default(),
            names: BTreeMap::new(),
            device: device(stat),
        }
    }
}

fn look(folder: impl AsFd, name: &OsStr) -> io::Result<Statx> {
    Ok(statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?)
}

fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}

impl Reader<'_, '_> {
    pub(super) fn pass(
        &mut self,
        folder: &impl AsFd,
        name: &OsStr,
        shown: &Path,
        stat: &Statx,
        levels: usize,
    ) -> io::Result<()> {
        match FileType::from_raw_mode(stat.stx_mode.into()) {
            FileType::Directory => self.pass_folder(folder, name, shown, levels),
            FileType::RegularFile => self.pass_file(folder, name, shown).map_err(at(shown)),
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(|error| at(shown)(error.into()))?;
                let attributes = self.attributes(stat, Vec::new());
                self.sink.link(shown, &attributes, target.to_bytes()).map_err(at(shown))
            }
            FileType::CharacterDevice if self.walk.layer && whiteout::is_whiteout(stat) => {
                self.sink.whiteout(shown).map_err(at(shown))
            }
            FileType::Fifo if self.walk.pipes => {
                let attributes = self.attributes(stat, Vec::new());
                self.left_out.nodes += u64::from(!self.sink.pipe(shown, &attributes).map_err(at(shown))?);
                Ok(())
            }
            _ => {
                self.left_out.nodes += 1;
                Ok(())
            }
        }
    }

    fn pass_folder(
        &mut self,
        folder: &impl AsFd,
        name: &OsStr,
        shown: &Path,
        levels: usize,
    ) -> io::Result<()> {
        let levels = levels.checked_sub(1).ok_or_else(|| at(shown)(invalid("folders nest too deep")))?;
        let open = || -> io::Result<(OwnedFd, Statx)> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = openat(folder, name, flags, Mode::empty())?;
            let stat = statx(&open, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
            Ok((open, stat))
        };
        let (open, stat) = open().map_err(at(shown))?;
        self.tell(&open, &stat, shown)?;
        if self.walk.layer && Marks::own().is_opaque(&open).map_err(at(shown))? {
            self.sink.opaque(shown).map_err(at(shown))?;
        }
        if device(&stat) != self.device && (self.walk.one_file_system || is_kernels_own(&open)?) {
            return Ok(());
        }
        for name in names(&open).map_err(at(shown))? {
            let name = OsStr::from_bytes(name.as_bytes());
            let inner = shown.join(name);
            if !self.sink.wants(&inner) {
                continue;
            }
            match look(&open, name) {
                Ok(stat) => self.pass(&open, name, &inner, &stat, levels)?,
                // Gone since the folder was read: a container that runs.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&inner)(error)),
            }
        }
        Ok(())
    }

    fn tell(&mut self, open: &OwnedFd, stat: &Statx, shown: &Path) -> io::Result<()> {
        let attributes = self.attributes(stat, xattr::read(open).map_err(at(shown))?);
        self.sink.folder(shown, &attributes).map_err(at(shown))
    }

    /// Passes on an open folder without what is in it.
    pub(super) fn tell_folder(&mut self, open: &OwnedFd, shown: &Path) -> io::Result<()> {
        let stat = statx(open, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map_err(|error| at(shown)(error.into()))?;
        self.tell(open, &stat, shown)
    }

    fn pass_file(&mut self, folder: &impl AsFd, name: &OsStr, shown: &Path) -> io::Result<()> {
        let (file, stat) = open_file(folder, name)?;
        self.pass_open(file, &stat, shown)
    }

    fn pass_open(&mut self, mut file: File, stat: &Statx, shown: &Path) -> io::Result<()> {
        let key = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        if stat.stx_nlink > 1 {
            if let Some(first) = self.names.get(&key) {
                return self.sink.hard_link(shown, first);
            }
            self.names.insert(key, shown.to_owned());
        }
        let attributes = self.attributes(stat, xattr::read(&file)?);
        // A file that shrinks meanwhile ends early, one that grows is cut: the length was told before the content.
        self.sink.file(shown, &attributes, stat.stx_size, &mut Padded { file: &mut file })
    }

    fn attributes(&self, stat: &Statx, xattrs: Vec<(CString, Vec<u8>)>) -> Attributes {
        let (uid, gid) = match self.walk.from_host_ids {
            Some(maps) => (container_id(&maps.uids, stat.stx_uid), container_id(&maps.gids, stat.stx_gid)),
            None => (stat.stx_uid, stat.stx_gid),
        };
        let mask = if self.walk.disarm { 0o1777 } else { 0o7777 };
        Attributes {
            uid,
            gid,
            mode: u32::from(stat.stx_mode) & mask,
            modified: stat.stx_mtime.tv_sec.min(self.walk.newest.unwrap_or(i64::MAX)),
            xattrs: if self.walk.disarm { Vec::new() } else { xattrs },
        }
    }
}

/// A running container may cut a file while it is read: the rest reads as zeroes, as the length has been told.
struct Padded<'f> {
    file: &'f mut File,
}

impl Read for Padded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer)? {
            0 => {
                buffer.fill(0);
                Ok(buffer.len())
            }
            count => Ok(count),
        }
    }
}

/// Opens a file that is one: looked at before it is opened, because opening a device or a pipe does things.
pub(super) fn open_file(folder: &impl AsFd, name: &OsStr) -> io::Result<(File, Statx)> {
    let path = openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = statx(&path, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile {
        return Err(io::Error::other("it was replaced while it was read"));
    }
    Ok((reopen(&path)?, stat))
}

/// A file that is held by its path descriptor alone, opened for reading.
fn reopen(path: &OwnedFd) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", path.as_raw_fd()))
}

pub(super) fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a folder is of a file system that the kernel makes up.
pub fn is_kernels_own(folder: impl AsFd) -> io::Result<bool> {
    let magic = rustix::fs::fstatfs(folder)?.f_type;
    Ok(KERNELS_OWN.iter().any(|own| i128::from(*own) == i128::from(magic)))
}
