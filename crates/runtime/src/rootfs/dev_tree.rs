//! `/dev` as one tmpfs that has its nodes before the container sees it.
//!
//! Nodes made inside a user namespace do not work, so other engines bind each node from the host. A tmpfs made with
//! the host's rights has working nodes: one mount in place of one for each node.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_confinement::{DEV_LINKS, Device, DeviceKind, IdMaps, Mount, MountKind, Plan};
use cofferdam_kernel::mount::new_filesystem;
use cofferdam_names::ContainerPath;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Uid, chownat, fstat, major, makedev, minor, mknodat, symlinkat,
};
use rustix::io::Errno;

use super::attributes::attributes;
use super::root_dir::RootDir;
use crate::step::{Step, StepError};

/// Where the plan mounts a fresh tmpfs on `/dev`, if it does.
pub(super) fn position(plan: &Plan) -> Option<usize> {
    plan.mounts.iter().position(|mount| {
        mount.target.as_str().trim_end_matches('/') == "/dev"
            && matches!(&mount.kind, MountKind::Filesystem { fstype, copy_up: false, .. } if fstype == "tmpfs")
    })
}

/// Makes the tmpfs with the plan's nodes and the usual links. `maps` are those of the container's user namespace.
pub(super) fn make(plan: &Plan, mount: &Mount, maps: Option<&IdMaps>) -> Result<OwnedFd, StepError> {
    let MountKind::Filesystem { options, source, .. } = &mount.kind else {
        return Err(Step::Device.refused("/dev", "it is no tmpfs"));
    };
    let owner = Owner { maps };
    let mut options = options.clone();
    if maps.is_some() {
        let (uid, gid) = owner.host(0, 0)?;
        options.push(format!("uid={}", uid.as_raw()));
        options.push(format!("gid={}", gid.as_raw()));
    }
    let options = options.iter().map(String::as_str);
    // Read-only only at last, with the mount points of what stands below it made.
    let wanted = attributes(&mount.flags).only_set().writable();
    let tree = Step::MountSource.run("/dev", || new_filesystem("tmpfs", source, options, wanted))?;
    let _modes = ExactModes::begin();
    let folder = RootDir::new(
        Step::Device.run("/dev", || rustix::io::fcntl_dupfd_cloexec(&tree, 3).map_err(Into::into))?,
    );
    for device in &plan.devices {
        if let Some(below) = below_dev(&device.path) {
            make_node(&folder, &below, device, owner)?;
        }
    }
    for (name, target) in DEV_LINKS {
        Step::Device.run(format_args!("/dev/{name}"), || make_link(&tree, name, target, owner))?;
    }
    Ok(tree)
}

/// Makes the nodes that do not stand in a prepared `/dev`, or all of them where there is none.
pub(super) fn make_nodes(plan: &Plan, root: &RootDir, dev_is_made: bool) -> Result<(), StepError> {
    let owner = Owner { maps: None };
    let _modes = ExactModes::begin();
    for device in &plan.devices {
        if !(dev_is_made && below_dev(&device.path).is_some()) {
            make_node(root, &device.path, device, owner)?;
        }
    }
    Ok(())
}

/// Makes the usual links in a `/dev` that was not prepared by [`make`]. What an image has there already stays.
pub(super) fn make_links(root: &RootDir) -> Result<(), StepError> {
    let dev: ContainerPath =
        "/dev".parse().map_err(|error| Step::Device.failed("/dev", io::Error::other(error)))?;
    let folder = Step::Device.run("/dev", || root.make_dir_all(&dev))?;
    for (name, target) in DEV_LINKS {
        Step::Device.run(format_args!("/dev/{name}"), || match symlinkat(target, &folder, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        })?;
    }
    Ok(())
}

/// Whether the open file is the very device of the plan: the same kind and numbers.
pub(super) fn check_node(node: impl AsFd, device: &Device) -> io::Result<()> {
    let stat = fstat(node)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let numbers = (major(stat.st_rdev), minor(stat.st_rdev));
    if kind == file_type(device.kind)
        && (device.kind == DeviceKind::Fifo || numbers == (device.major, device.minor))
    {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "it is {kind:?} {}:{}, and the plan says {:?} {}:{}",
        numbers.0, numbers.1, device.kind, device.major, device.minor
    )))
}

fn file_type(kind: DeviceKind) -> FileType {
    match kind {
        DeviceKind::Character => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    }
}

/// The path inside the tmpfs of a device below `/dev`.
fn below_dev(path: &ContainerPath) -> Option<ContainerPath> {
    let below = path.as_str().trim_start_matches('/').strip_prefix("dev/")?;
    format!("/{below}").parse().ok()
}

/// While it lives, files are made with exactly the modes that are asked for (umask(2) is 0).
struct ExactModes {
    before: Mode,
}

impl ExactModes {
    fn begin() -> Self {
        Self { before: rustix::process::umask(Mode::empty()) }
    }
}

impl Drop for ExactModes {
    fn drop(&mut self) {
        rustix::process::umask(self.before);
    }
}

/// Gives what is made to the container's ids.
#[derive(Debug, Clone, Copy)]
struct Owner<'a> {
    maps: Option<&'a IdMaps>,
}

impl Owner<'_> {
    /// The ids as this process must name them.
    fn host(self, uid: u32, gid: u32) -> Result<(Uid, Gid), StepError> {
        let ids = match self.maps {
            None => Some((uid, gid)),
            Some(maps) => maps.host_uid(uid).zip(maps.host_gid(gid)),
        };
        ids.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid))).ok_or_else(|| {
            Step::Device.refused(format_args!("{uid}:{gid}"), "the id maps do not cover this owner")
        })
    }

    fn give(self, folder: impl AsFd, name: &str, uid: u32, gid: u32) -> Result<(), StepError> {
        let (uid, gid) = self.host(uid, gid)?;
        Step::Device.run(name, || Ok(chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?))
    }
}

fn make_node(
    root: &RootDir,
    path: &ContainerPath,
    device: &Device,
    owner: Owner<'_>,
) -> Result<(), StepError> {
    if Step::Device.is_left_out(&device.path) {
        return Ok(());
    }
    let (folder, name) = Step::Device.run(&device.path, || root.make_parent(path))?;
    let made = Step::Device.run(&device.path, || {
        let rdev = makedev(device.major, device.minor);
        match mknodat(&folder, name, file_type(device.kind), Mode::from_raw_mode(device.mode), rdev) {
            Ok(()) => Ok(true),
            // An image or a bound /dev brought it: it must be the same device.
            Err(Errno::EXIST) => check_node(root.open_path(path)?, device).map(|()| false),
            Err(error) => Err(error.into()),
        }
    })?;
    if made { owner.give(&folder, name, device.uid, device.gid) } else { Ok(()) }
}

fn make_link(folder: &OwnedFd, name: &str, target: &str, owner: Owner<'_>) -> io::Result<()> {
    symlinkat(target, folder, name)?;
    owner.give(folder, name, 0, 0).map_err(io::Error::other)
}
