//! What is mounted, opened or made before it is attached: the root, binds of the host, the device folder.
//!
//! Where the engine has the host's rights the parent side makes them: it may read paths that the container's ids may
//! not, id-map mounts and make device nodes, and the container's side never sees a host path. An ordinary user's
//! init makes them itself, inside its own user namespace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cofferdam_confinement::{
    AccessTime, Device, Flag, IdMaps, Mount, MountFlags, MountIdMap, MountKind, NamespaceSource, Plan,
    RootSource,
};
use cofferdam_kernel::mount::{
    Depth, PropagationType, clone_tree, open_without_links, set_attributes, set_id_map, set_propagation,
};
use cofferdam_kernel::proc::ProcFs;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags, Uid, fstatvfs, openat2,
    statx,
};

use super::attributes::{attributes, set_base};
use super::dev_tree;
use super::foreign;
use super::overlay::Overlay;
use super::root_dir::RootDir;
use crate::channel::{Channel, MAX_FDS, Message};
use crate::start::id_map::user_namespace_with;
use crate::step::{Step, StepError};

/// Which part of the plan a descriptor fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The root file system.
    Root,
    /// The host's `/dev/null`, for masking files.
    NullDevice,
    /// `plan.mounts[i]`
    Mount(usize),
    /// `plan.devices[i]`, bound from the host.
    Device(usize),
}

impl Slot {
    fn encode(self) -> u32 {
        let index = |base: u32, i: usize| base.saturating_add(u32::try_from(i).unwrap_or(u32::MAX / 4));
        match self {
            Self::Root => 0,
            Self::NullDevice => 1,
            Self::Mount(i) => index(0x1000_0000, i),
            Self::Device(i) => index(0x2000_0000, i),
        }
    }

    fn decode(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Root),
            1 => Some(Self::NullDevice),
            0x1000_0000..0x2000_0000 => usize::try_from(number - 0x1000_0000).ok().map(Self::Mount),
            0x2000_0000..0x3000_0000 => usize::try_from(number - 0x2000_0000).ok().map(Self::Device),
            _ => None,
        }
    }
}

/// The detached mounts of a plan.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) root: Option<OwnedFd>,
    pub(crate) null_device: Option<OwnedFd>,
    pub(crate) mounts: Vec<Option<OwnedFd>>,
    pub(crate) devices: Vec<Option<OwnedFd>>,
    /// Whether `mounts` holds a `/dev` that has its nodes already.
    pub(crate) dev_tree: bool,
}

/// With which rights sources are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker<'a> {
    /// The container's user namespace, where the maker has the host's rights and the plan has one of its own.
    pub(crate) id_map: Option<(BorrowedFd<'a>, &'a IdMaps)>,
    /// Whether the maker may make device nodes that work.
    pub(crate) may_make_nodes: bool,
}

impl Sources {
    /// Opens and makes everything that the plan mounts and that does not belong to a namespace of the container.
    pub(crate) fn make(plan: &Plan, maker: Maker<'_>) -> Result<Self, StepError> {
        let mut sources = Self { root: Some(root(plan, maker)?), ..Self::default() };
        let dev = if maker.may_make_nodes { dev_tree::position(plan) } else { None };
        sources.dev_tree = dev.is_some();
        for (index, mount) in plan.mounts.iter().enumerate() {
            let source = match &mount.kind {
                _ if dev == Some(index) => {
                    Some(dev_tree::make(plan, mount, maker.id_map.map(|(_, maps)| maps))?)
                }
                // What stands in the root shows mounts that are not made yet: see `bind_inside`.
                MountKind::Bind { source, .. } if plan.root.inside(source).is_some() => None,
                MountKind::Image { .. } => Some(image(plan, mount, maker)?),
                _ => bind(plan, mount, maker)?,
            };
            sources.mounts.push(source);
        }
        // Without the right to make nodes that work, the host's own nodes are bound.
        if !maker.may_make_nodes {
            for device in &plan.devices {
                sources.devices.push(Some(host_device(device)?));
            }
        }
        if !plan.masked_paths.is_empty() {
            // The container's own node where there is one: watches and locks on the host's would tell of the host.
            let own = dev.and_then(|dev| sources.mounts.get(dev)?.as_ref());
            let null = Step::MaskPath.run("/dev/null", || {
                let own = own.and_then(|dev| clone_tree(dev, "null", Depth::One).ok());
                let null = own.map_or_else(|| clone_tree(CWD, "/dev/null", Depth::One), Ok)?;
                set_propagation(&null, Depth::One, PropagationType::Private)?;
                Ok(null)
            })?;
            sources.null_device = Some(null);
        }
        Ok(sources)
    }

    /// Sends the descriptors to the init side.
    pub(crate) fn send(&self, channel: &Channel) -> Result<(), StepError> {
        let fixed = [(Slot::Root, &self.root), (Slot::NullDevice, &self.null_device)];
        let mounts = self.mounts.iter().enumerate().map(|(i, fd)| (Slot::Mount(i), fd));
        let devices = self.devices.iter().enumerate().map(|(i, fd)| (Slot::Device(i), fd));
        let all: Vec<(u32, BorrowedFd<'_>)> = fixed
            .into_iter()
            .chain(mounts)
            .chain(devices)
            .filter_map(|(slot, fd)| Some((slot.encode(), fd.as_ref()?.as_fd())))
            .collect();
        let mut chunks = all.chunks(MAX_FDS).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let (slots, fds): (Vec<u32>, Vec<BorrowedFd<'_>>) = chunk.iter().copied().unzip();
            let more = chunks.peek().is_some();
            let message = Message::Sources { slots, more };
            channel.tell("of the mounts", &message, &fds)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Receives what [`Sources::send`] sent.
    pub(crate) fn receive(channel: &Channel, plan: &Plan) -> Result<Self, StepError> {
        let mut sources = Self {
            mounts: plan.mounts.iter().map(|_| None).collect(),
            devices: plan.devices.iter().map(|_| None).collect(),
            ..Self::default()
        };
        loop {
            let (message, fds) = channel.next()?;
            let Message::Sources { slots, more } = message else {
                return Err(Step::Handshake.refused("of the mounts", format!("unexpected {message:?}")));
            };
            for (number, fd) in slots.into_iter().zip(fds) {
                let place = match Slot::decode(number) {
                    Some(Slot::Root) => Some(&mut sources.root),
                    Some(Slot::NullDevice) => Some(&mut sources.null_device),
                    Some(Slot::Mount(i)) => sources.mounts.get_mut(i),
                    Some(Slot::Device(i)) => sources.devices.get_mut(i),
                    None => None,
                };
                *place.ok_or_else(|| Step::Handshake.refused("of the mounts", "unknown slot"))? = Some(fd);
            }
            if !more {
                sources.dev_tree = dev_tree::position(plan)
                    .is_some_and(|dev| sources.mounts.get(dev).is_some_and(Option::is_some));
                return Ok(sources);
            }
        }
    }
}

fn depth(recursive: bool) -> Depth {
    if recursive { Depth::Tree } else { Depth::One }
}

/// The root file system, detached.
pub(super) fn root(plan: &Plan, maker: Maker<'_>) -> Result<OwnedFd, StepError> {
    match &plan.root.source {
        RootSource::Directory { path } => {
            Step::Root.run(path.display(), || clone_tree(open_without_links(path)?, "", Depth::Tree))
        }
        RootSource::Overlay { lower, stack, upper, work, mountpoint, id_mapped, volatile, userxattr } => {
            let id_map = if *id_mapped { maker.id_map } else { None };
            if let Some((_, maps)) = id_map {
                give_to_container_root(upper, maps)?;
            }
            let (volatile, userxattr) = (*volatile, *userxattr);
            let userns = id_map.map(|(userns, _)| userns);
            let stack = stack.as_ref();
            let writes = Some((upper.as_path(), work.as_path()));
            Overlay { lower, stack, writes, mountpoint, volatile, userxattr, userns }.mount()
        }
    }
}

/// The container's own writes keep host ids on disk: overlayfs writes to its upper layer as the one who mounted it,
/// whose ids an id map of the upper layer would not hold. No other container shares these ids.
fn give_to_container_root(upper: &Path, maps: &IdMaps) -> Result<(), StepError> {
    Step::Root.run(upper.display(), || {
        let ids = maps.host_uid(0).zip(maps.host_gid(0));
        let (uid, gid) =
            ids.ok_or_else(|| std::io::Error::other("the id maps do not cover the container's root"))?;
        Ok(rustix::fs::chown(upper, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
    })
}

/// Opens a path of the host, links followed: the engine or the user's own command line named it.
pub(super) fn open_host(path: &Path) -> std::io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// A bind of the host's files, detached; none for a mount of another kind.
pub(super) fn bind(plan: &Plan, mount: &Mount, maker: Maker<'_>) -> Result<Option<OwnedFd>, StepError> {
    let MountKind::Bind { source, resolved, recursive, id_map } = &mount.kind else { return Ok(None) };
    if let Some((namespace, path)) = foreign::shared_memory(plan, mount, source) {
        let fd = foreign::clone_there(&namespace, &path)?;
        Step::MountSource.run(source.display(), || set_base(plan.root.propagation, &fd))?;
        set_flags(mount, &fd)?;
        return Ok(Some(fd));
    }
    let fd = Step::MountSource.run(source.display(), || {
        let origin = if *resolved { open_without_links(source)? } else { open_host(source)? };
        if plan.namespaces.user != NamespaceSource::Host {
            check_locked(&mount.flags, &origin)?;
        }
        let clone = clone_tree(origin, "", depth(*recursive))?;
        set_base(plan.root.propagation, &clone)?;
        Ok(clone)
    })?;
    map_ids(mount, &fd, id_map, maker)?;
    set_flags(mount, &fd)?;
    Ok(Some(fd))
}

/// The files of another image, detached.
fn image(plan: &Plan, mount: &Mount, maker: Maker<'_>) -> Result<OwnedFd, StepError> {
    let refused = |why: &str| Step::MountSource.refused(&mount.target, why.to_owned());
    let (
        MountKind::Image { lower, stack, subpath, id_mapped, .. },
        RootSource::Overlay { mountpoint, userxattr, .. },
    ) = (&mount.kind, &plan.root.source)
    else {
        return Err(refused("an image is mounted into a container of an image alone"));
    };
    let userns = maker.id_map.filter(|_| *id_mapped).map(|(userns, _)| userns);
    if *id_mapped && userns.is_none() {
        return Err(refused("an id-mapped mount needs a user namespace of the container's own"));
    }
    let (stack, userxattr) = (stack.as_ref(), *userxattr);
    let layers = Overlay { lower, stack, writes: None, mountpoint, volatile: false, userxattr, userns };
    let whole = layers.mount_to_read()?;
    let fd = match subpath {
        None => whole,
        Some(subpath) => Step::MountSource.run(subpath.display(), || {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let part = openat2(&whole, subpath, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?;
            clone_tree(part, "", Depth::One)
        })?,
    };
    Step::MountSource.run(&mount.target, || set_base(plan.root.propagation, &fd))?;
    set_flags(mount, &fd)?;
    Ok(fd)
}

/// While it is still detached: nobody can see a mount before it has its attributes.
fn set_flags(mount: &Mount, fd: &OwnedFd) -> Result<(), StepError> {
    Step::MountSource.apply(format_args!("attributes of {}", mount.target), || {
        set_attributes(fd, Depth::One, attributes(&mount.flags))?;
        set_attributes(fd, Depth::Tree, attributes(&mount.recursive_flags))
    })
}

fn map_ids(mount: &Mount, fd: &OwnedFd, id_map: &MountIdMap, maker: Maker<'_>) -> Result<(), StepError> {
    match (id_map, maker.id_map) {
        (MountIdMap::None, _) => Ok(()),
        (MountIdMap::Container { recursive }, Some((userns, _))) => {
            Step::MountSource.apply(&mount.target, || set_id_map(fd, depth(*recursive), userns))
        }
        (MountIdMap::Own { uids, gids, recursive }, _) => {
            let userns = user_namespace_with(uids, gids)?;
            Step::MountSource.apply(&mount.target, || set_id_map(fd, depth(*recursive), &userns))
        }
        (MountIdMap::Container { .. }, None) => Err(Step::MountSource.refused(
            &mount.target,
            "an id-mapped mount needs the host's CAP_SYS_ADMIN and a user namespace of the container's own",
        )),
    }
}

/// A bind of what stands in the container's own root, with the mounts that were made there before it. The init side makes it,
/// and resolves the path as the container would; only its ids are mapped by the parent side, on the init side's word.
pub(super) fn bind_inside(
    plan: &Plan,
    index: usize,
    root: &RootDir,
    channel: &Channel,
) -> Result<OwnedFd, StepError> {
    let mount =
        plan.mounts.get(index).ok_or_else(|| Step::Mount.refused(index, "the plan has no such mount"))?;
    let MountKind::Bind { source, recursive, id_map, .. } = &mount.kind else {
        return Err(Step::Mount.refused(&mount.target, "it is no bind mount"));
    };
    let Some(inside) = plan.root.inside(source) else {
        return Err(Step::Mount.refused(&mount.target, "its source was not opened"));
    };
    let fd = Step::MountSource.run(source.display(), || {
        let origin = root.open_path(&inside)?;
        let clone = clone_tree(origin, "", depth(*recursive))?;
        set_base(plan.root.propagation, &clone)?;
        Ok(clone)
    })?;
    if *id_map != MountIdMap::None {
        let message = Message::MapIds { mount: index };
        Step::Handshake.run("of an id map", || channel.send(&message, &[fd.as_fd()]))?;
        channel.expect(&Message::Proceed)?;
    }
    set_flags(mount, &fd)?;
    Ok(fd)
}

/// The parent side's part of [`bind_inside`].
pub(crate) fn map_ids_inside(
    plan: &Plan,
    index: usize,
    fd: Option<OwnedFd>,
    maker: Maker<'_>,
) -> Result<(), StepError> {
    match (plan.mounts.get(index), fd) {
        (Some(mount @ Mount { kind: MountKind::Bind { id_map, .. }, .. }), Some(fd)) => {
            map_ids(mount, &fd, id_map, maker)
        }
        _ => Err(Step::Handshake.refused("of an id map", "there is no such mount")),
    }
}

/// A user namespace does not lift what a mount of the host forbids: the kernel holds the attributes of mounts that it got
/// from outside in place (mount_namespaces(7), "Restrictions on mount namespaces"). This side has the rights to lift them,
/// and keeps to the same rule. What the plan does not name stays as it is.
fn check_locked(flags: &MountFlags, source: &OwnedFd) -> std::io::Result<()> {
    let denied = || Err(std::io::Error::from_raw_os_error(libc::EPERM));
    let has = fstatvfs(source)?.f_flag;
    for (flag, bit) in [
        (flags.nosuid, StatVfsMountFlags::NOSUID),
        (flags.nodev, StatVfsMountFlags::NODEV),
        (flags.noexec, StatVfsMountFlags::NOEXEC),
    ] {
        if flag == Flag::Clear && has.contains(bit) {
            return denied();
        }
    }
    if flags.readonly == Flag::Clear && has.contains(StatVfsMountFlags::RDONLY) && is_readonly_mount(source)?
    {
        return denied();
    }
    let Some(wanted) = flags.access_time else { return Ok(()) };
    let now = if has.contains(StatVfsMountFlags::NOATIME) {
        AccessTime::Noatime
    } else if has.contains(StatVfsMountFlags::RELATIME) {
        AccessTime::Relatime
    } else {
        AccessTime::Strictatime
    };
    let nodiratime = has.contains(StatVfsMountFlags::NODIRATIME);
    let same = wanted == now && (flags.nodiratime == Flag::Set) == nodiratime;
    if same { Ok(()) } else { denied() }
}

/// Whether it is the mount that is read-only, and not only the file system behind it: statvfs(3) does not tell.
fn is_readonly_mount(file: &OwnedFd) -> std::io::Result<bool> {
    let id = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
    let mounts = ProcFs::open()?.this_process()?.mountinfo()?;
    // A mount that this process cannot see in its list: read-only, as far as anyone can tell.
    Ok(mounts.iter().find(|mount| mount.id == id).is_none_or(|mount| mount.has("ro")))
}

/// A host's device node, checked to be the device that the plan means (CVE-2025-31133 is a swapped one).
fn host_device(device: &Device) -> Result<OwnedFd, StepError> {
    Step::Device.run(device.host_path.display(), || {
        let node = open_host(&device.host_path)?;
        dev_tree::check_node(&node, device)?;
        clone_tree(&node, "", Depth::One)
    })
}
