//! What stands at a path inside a container: resolved inside its root, with its own mounts.

use std::os::fd::OwnedFd;

use cofferdam_kernel::proc::FileId;
use cofferdam_names::ContainerPath;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags, openat2, statx,
};
use rustix::io::Errno;

use super::{Reading, Unreadable};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// Nothing.
    Absent,
    /// A file of some kind; links were followed inside the root.
    Present {
        /// Which file.
        file: FileId,
        /// `st_mode`: type and permission bits.
        mode: u32,
        /// Which device, if it is a device node: major and minor number.
        device: (u32, u32),
        /// The mount on which it was found (`mountinfo`'s first field).
        mount: u64,
        /// Whether it is the root of that mount.
        mount_root: bool,
    },
}

impl PathState {
    /// Whether it is a character device with these numbers.
    #[must_use]
    pub fn is_character_device(&self, major: u32, minor: u32) -> bool {
        matches!(self, Self::Present { mode, device, .. }
            if FileType::from_raw_mode(*mode) == FileType::CharacterDevice && *device == (major, minor))
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Present { mode, .. } if FileType::from_raw_mode(*mode) == FileType::Directory)
    }
}

/// A device node found in the container's `/dev`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNode {
    /// Its path in the container.
    pub path: String,
    /// A block device; else a character device.
    pub block: bool,
    /// Major and minor number.
    pub device: (u32, u32),
}

/// The root folder of a process, held open.
pub(super) struct ContainerRoot(OwnedFd);

/// `AT_STATX_DONT_SYNC`: a network or FUSE file system is not asked.
const HOW: AtFlags = AtFlags::STATX_DONT_SYNC.union(AtFlags::SYMLINK_NOFOLLOW);

/// Folders deeper below `/dev` than this are not listed, and the listing then fails.
const MAX_DEPTH: usize = 8;
/// More entries than this are not listed, and the listing then fails.
const MAX_ENTRIES: usize = 20_000;

impl ContainerRoot {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// Opens a path as the container would resolve it: `RESOLVE_IN_ROOT` keeps `..` and absolute links inside.
    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// What stands at the path.
    pub(super) fn look_up(&self, path: &ContainerPath) -> Reading<PathState> {
        let failed = |errno: Errno| Unreadable(format!("cannot look at {path} in the container: {errno}"));
        let file = match self.open(path.relative(), OFlags::PATH) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(PathState::Absent),
            Err(errno) => return Err(failed(errno)),
        };
        let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let stat = statx(&file, c"", HOW | AtFlags::EMPTY_PATH, flags).map_err(failed)?;
        if stat.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
            return Err(Unreadable("this kernel does not tell the mount of a file".to_owned()));
        }
        Ok(PathState::Present {
            file: FileId {
                dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
                ino: stat.stx_ino,
            },
            mode: u32::from(stat.stx_mode),
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            mount: stat.stx_mnt_id,
            mount_root: stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }

    /// The device nodes in `/dev` and its folders; folders on which something else is mounted are left out.
    pub(super) fn device_nodes(&self) -> Reading<Vec<DeviceNode>> {
        let folder = match self.open("dev", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(Unreadable(format!("cannot open /dev in the container: {errno}"))),
        };
        let mut walk = DevWalk { nodes: Vec::new(), entries: 0 };
        walk.folder(&folder, "/dev", 0)?;
        walk.nodes.sort();
        Ok(walk.nodes)
    }
}

struct DevWalk {
    nodes: Vec<DeviceNode>,
    entries: usize,
}

impl DevWalk {
    fn folder(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> Reading<()> {
        let failed = |errno: Errno| Unreadable(format!("cannot list {path} in the container: {errno}"));
        if depth > MAX_DEPTH {
            return Err(Unreadable(format!("{path} in the container is too deep")));
        }
        for entry in Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(Unreadable(format!("{path} in the container holds too many entries")));
            }
            let path = format!("{path}/{}", name.to_string_lossy());
            match statx(folder, name, HOW, StatxFlags::BASIC_STATS) {
                Ok(stat) => self.entry(folder, name, &path, &stat, depth)?,
                // Removed between the listing and the look.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &std::ffi::CStr,
        path: &str,
        stat: &Statx,
        depth: usize,
    ) -> Reading<()> {
        match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
            kind @ (FileType::CharacterDevice | FileType::BlockDevice) => self.nodes.push(DeviceNode {
                path: path.to_owned(),
                block: kind == FileType::BlockDevice,
                device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            }),
            FileType::Directory if !stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
                match openat2(folder, name, flags, Mode::empty(), resolve) {
                    Ok(inner) => self.folder(&inner, path, depth + 1)?,
                    Err(Errno::NOENT | Errno::XDEV) => {}
                    Err(errno) => {
                        return Err(Unreadable(format!("cannot open {path} in the container: {errno}")));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
