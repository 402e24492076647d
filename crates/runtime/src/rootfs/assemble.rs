//! The init side puts the root file system together and moves into it.
//!
//! Every target is resolved below the root's descriptor and every mount is attached by descriptor, so that a link
//! swapped meanwhile leads nowhere outside (CVE-2021-30465, CVE-2024-45310). The host's mounts stay reachable until
//! the switch, because the kernel lets a user namespace mount a new procfs only where it can see a whole one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cofferdam_confinement::{
    Flag, Mount, MountKind, PivotMethod, Plan, Propagation, RootSource, kernel_folder,
};
use cofferdam_kernel::mount::{
    Attribute, Attributes, Depth, PropagationType, attach, clone_tree, new_filesystem, set_attributes,
    set_propagation,
};
use cofferdam_kernel::proc::{MountEntry, ProcFs};
use cofferdam_names::ContainerPath;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::attributes::{attributes, propagation};
use super::root_dir::RootDir;
use super::sources::{Sources, bind_inside};
use super::{cgroup_mount, copy_up, dev_tree};
use crate::channel::Channel;
use crate::step::{Step, StepError};

/// A root with everything in place, not yet entered.
pub(crate) struct Assembled {
    pub(crate) root: RootDir,
    /// Mounts that are to be read-only, once everything that stands below them is made.
    readonly_at_last: Vec<(ContainerPath, OwnedFd)>,
}

/// Attaches the root over the host's `/` of this mount namespace and everything else below it.
pub(crate) fn assemble(
    plan: &Plan,
    sources: &mut Sources,
    channel: &Channel,
) -> Result<Assembled, StepError> {
    let host_root = open_host_root()?;
    cut_propagation(plan, &host_root)?;
    let root_mount = sources.root.take().ok_or_else(|| Step::Root.refused("", "no root was made"))?;
    Step::Root.run("/", || {
        // A fresh detached mount may still share events with its origin.
        match plan.root.propagation {
            Propagation::Private | Propagation::Rprivate => {
                set_propagation(&root_mount, Depth::Tree, PropagationType::Private)?;
            }
            _ => set_propagation(&root_mount, Depth::Tree, PropagationType::Slave)?,
        }
        set_propagation(&root_mount, Depth::One, PropagationType::Private)?;
        attach(&root_mount, place_of_root(plan, host_root))
    })?;
    let mut assembled = Assembled { root: RootDir::new(root_mount), readonly_at_last: Vec::new() };
    for (index, mount) in plan.mounts.iter().enumerate() {
        let mut source = sources.mounts.get_mut(index).and_then(Option::take);
        if source.is_none() && matches!(mount.kind, MountKind::Bind { .. }) {
            source = Some(bind_inside(plan, index, &assembled.root, channel)?);
        }
        mount_one(plan, mount, source, &mut assembled)?;
    }
    let root = &assembled.root;
    place_devices(plan, sources, root)?;
    for path in &plan.readonly_paths {
        make_readonly(path.as_str(), root)?;
    }
    mask_paths(plan, sources, root)?;
    Ok(assembled)
}

/// Where the root is attached: over its own folder, where hooks that enter the mount namespace from the host's side look for
/// it, beside the host's files. Over the whole of `/` where this process may not reach that folder, where there is none, or
/// where the folder's mount is shared: the kernel moves no root that would be seen elsewhere.
fn place_of_root(plan: &Plan, host_root: OwnedFd) -> OwnedFd {
    let shared = matches!(plan.root.propagation, Propagation::Shared | Propagation::Rshared);
    let RootSource::Directory { path } = &plan.root.source else { return host_root };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) if !shared => folder,
        _ => host_root,
    }
}

fn open_host_root() -> Result<OwnedFd, StepError> {
    Step::Root.run("/", || Ok(rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
}

/// No mount made here may appear on the host. What the host mounts later may appear here only where the plan says
/// so; the mount at `/` itself is private always, since the container's root is attached to it.
fn cut_propagation(plan: &Plan, host_root: &OwnedFd) -> Result<(), StepError> {
    Step::Propagation.run("/", || {
        let shared = matches!(plan.root.propagation, Propagation::Shared | Propagation::Rshared);
        if !shared {
            let kind = match plan.root.propagation {
                Propagation::Private | Propagation::Rprivate => PropagationType::Private,
                _ => PropagationType::Slave,
            };
            set_propagation(host_root, Depth::Tree, kind)?;
        }
        set_propagation(host_root, Depth::One, PropagationType::Private)
    })
}

fn mount_one(
    plan: &Plan,
    mount: &Mount,
    source: Option<OwnedFd>,
    assembled: &mut Assembled,
) -> Result<(), StepError> {
    let root = &assembled.root;
    let (detached, target) = match (&mount.kind, source) {
        (MountKind::Cgroup, _) => return cgroup_mount::mount(plan, mount, root),
        (MountKind::Remount, _) => return change(mount, root),
        (MountKind::Bind { .. } | MountKind::Image { .. }, None) => {
            return Err(Step::Mount.refused(&mount.target, "its source was not opened"));
        }
        (MountKind::Bind { .. } | MountKind::Image { .. }, Some(source)) => {
            let target = target_like(&source, mount, root)?;
            (source, target)
        }
        (MountKind::Filesystem { .. }, Some(made)) => (made, folder(mount, root)?),
        (MountKind::Filesystem { fstype, source, options, copy_up }, None) => {
            let mut options = options.clone();
            let mut wanted = attributes(&mount.flags).only_set();
            let target = match fstype.as_str() {
                "proc" | "sysfs" => Step::Mount.run(&mount.target, || root.make_plain_dir(&mount.target))?,
                "tmpfs" => {
                    wanted = wanted.writable();
                    Step::Mount.run(&mount.target, || tmpfs_folder(mount, &mut options, root))?
                }
                _ => folder(mount, root)?,
            };
            if Step::Mount.is_left_out(format_args!("attributes of {}", mount.target)) {
                wanted = Attributes::NONE;
            }
            if Step::Mount.is_left_out(format_args!("options of {}", mount.target)) {
                options.clear();
            }
            let options = options.iter().map(String::as_str);
            let made = Step::Mount.run(format_args!("{} ({fstype})", mount.target), || {
                new_filesystem(fstype, source, options, wanted)
            })?;
            if *copy_up {
                Step::Mount
                    .run(format_args!("{} (copy up)", mount.target), || copy_up::copy(&target, &made))?;
            }
            (made, target)
        }
    };
    Step::Mount.run(&mount.target, || {
        refuse_kernel_folder(mount, &target, root)?;
        attach(&detached, &target)?;
        for &wanted in &mount.propagation {
            let (kind, depth) = propagation(wanted);
            set_propagation(&detached, depth, kind)?;
        }
        Ok(())
    })?;
    let is_tmpfs = matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype == "tmpfs");
    if is_tmpfs && mount.flags.readonly == Flag::Set {
        assembled.readonly_at_last.push((mount.target.clone(), detached));
    }
    Ok(())
}

/// A target that a link of the image or of a volume leads into `/proc`, `/sys` or `/dev` would cover what is masked there. It
/// is asked where the open target stands, and not where its path leads now.
fn refuse_kernel_folder(mount: &Mount, target: &OwnedFd, root: &RootDir) -> io::Result<()> {
    let named = kernel_folder(Path::new(mount.target.as_str()));
    if named.is_some() {
        return Ok(());
    }
    let process = ProcFs::open()?.this_process()?;
    let place = |fd: BorrowedFd<'_>| process.link(&format!("fd/{}", fd.as_raw_fd()));
    let (target, root) = (place(target.as_fd())?, place(root.as_fd())?);
    let inside =
        target.strip_prefix(&root).map_err(|_| io::Error::other("the target is not below the root"))?;
    match kernel_folder(inside) {
        None => Ok(()),
        Some(folder) => Err(io::Error::other(format!("a link leads the target into {folder}"))),
    }
}

/// The folder under a tmpfs. One that stands there already gives the tmpfs its permissions, where the plan names none: what
/// an image made private does not become everyone's.
fn tmpfs_folder(mount: &Mount, options: &mut Vec<String>, root: &RootDir) -> io::Result<OwnedFd> {
    match root.open(mount.target.relative(), OFlags::PATH | OFlags::DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => root.make_dir_all(&mount.target),
        Err(error) => Err(error),
        Ok(folder) => {
            if !options.iter().any(|option| option.starts_with("mode=")) {
                options.push(format!("mode={:o}", fstat(&folder)?.st_mode & 0o7777));
            }
            Ok(folder)
        }
    }
}

/// Changes the attributes of what is mounted at the target already.
fn change(mount: &Mount, root: &RootDir) -> Result<(), StepError> {
    Step::Mount.run(&mount.target, || {
        let target = root.open_path(&mount.target)?;
        set_attributes(&target, Depth::One, attributes(&mount.flags))?;
        set_attributes(&target, Depth::Tree, attributes(&mount.recursive_flags))
    })
}

fn folder(mount: &Mount, root: &RootDir) -> Result<OwnedFd, StepError> {
    Step::Mount.run(&mount.target, || root.make_dir_all(&mount.target))
}

/// A file is mounted on a file and a folder on a folder; what is missing is made.
fn target_like(source: &OwnedFd, mount: &Mount, root: &RootDir) -> Result<OwnedFd, StepError> {
    Step::Mount.run(&mount.target, || {
        let kind = FileType::from_raw_mode(fstat(source)?.st_mode);
        if kind == FileType::Directory {
            root.make_dir_all(&mount.target)
        } else {
            root.make_file(&mount.target)
        }
    })
}

fn place_devices(plan: &Plan, sources: &mut Sources, root: &RootDir) -> Result<(), StepError> {
    if plan.devices.is_empty() {
        return Ok(());
    }
    if sources.devices.iter().all(Option::is_none) {
        dev_tree::make_nodes(plan, root, sources.dev_tree)?;
    } else {
        for (device, node) in plan.devices.iter().zip(&mut sources.devices) {
            let node =
                node.take().ok_or_else(|| Step::Device.refused(&device.path, "its node was not opened"))?;
            Step::Device.run(&device.path, || attach(&node, root.make_file(&device.path)?))?;
        }
    }
    if sources.dev_tree { Ok(()) } else { dev_tree::make_links(root) }
}

/// Mounts a path over itself, read-only with all that is below. A path that is missing needs no protection.
fn make_readonly(path: &str, root: &RootDir) -> Result<(), StepError> {
    Step::ReadonlyPath.apply(path, || {
        let Some(target) = existing(path, root)? else { return Ok(()) };
        let over = clone_tree(&target, "", Depth::Tree)?;
        set_attributes(&over, Depth::Tree, Attributes::NONE.with(Attribute::Rdonly))?;
        attach(&over, &target)
    })
}

fn existing(path: &str, root: &RootDir) -> io::Result<Option<OwnedFd>> {
    match root.open(path.trim_start_matches('/'), OFlags::PATH) {
        Ok(target) => Ok(Some(target)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Hides files behind the host's `/dev/null`, opened before any of the container's paths (CVE-2025-31133), and
/// folders behind one empty read-only tmpfs.
fn mask_paths(plan: &Plan, sources: &mut Sources, root: &RootDir) -> Result<(), StepError> {
    let mut over_files = sources.null_device.take().map(Cover::new);
    let mut over_folders = None;
    for path in &plan.masked_paths {
        Step::MaskPath.apply(path, || {
            let Some(target) = existing(path.as_str(), root)? else { return Ok(()) };
            let is_folder = FileType::from_raw_mode(fstat(&target)?.st_mode) == FileType::Directory;
            if is_folder && over_folders.is_none() {
                over_folders = Some(Cover::new(empty_folder()?));
            }
            let cover = if is_folder { &mut over_folders } else { &mut over_files };
            cover
                .as_mut()
                .ok_or_else(|| io::Error::other("there is nothing to hide it behind"))?
                .put_over(&target)
        })?;
    }
    Ok(())
}

/// A mount that is put over several paths: itself over the first, and copies of that over the others. (Before Linux
/// 6.15 only a mount that is attached can be copied.)
struct Cover {
    mount: OwnedFd,
    attached: bool,
}

impl Cover {
    fn new(mount: OwnedFd) -> Self {
        Self { mount, attached: false }
    }

    fn put_over(&mut self, target: &OwnedFd) -> io::Result<()> {
        if self.attached {
            return attach(clone_tree(&self.mount, "", Depth::One)?, target);
        }
        attach(&self.mount, target)?;
        self.attached = true;
        Ok(())
    }
}

fn empty_folder() -> io::Result<OwnedFd> {
    let attributes = Attributes::NONE
        .with(Attribute::Rdonly)
        .with(Attribute::Nosuid)
        .with(Attribute::Nodev)
        .with(Attribute::Noexec);
    new_filesystem("tmpfs", "tmpfs", ["size=0", "nr_inodes=2", "mode=755"], attributes)
}

/// Gives the root its propagation, and every mount below it too where the plan says so, except those for which it says
/// otherwise. None below is a peer of a host's mount any more unless the plan says so: see [`super::attributes::set_base`].
fn propagate_root(plan: &Plan, root: &RootDir) -> io::Result<()> {
    let (kind, depth) = propagation(plan.root.propagation);
    match kind {
        // The mounts were made so before they were attached; a change now would undo what some of them were told.
        PropagationType::Private | PropagationType::Slave => set_propagation(root, Depth::One, kind),
        PropagationType::Shared | PropagationType::Unbindable => {
            set_propagation(root, depth, kind)?;
            let told =
                plan.mounts.iter().filter(|mount| depth == Depth::Tree && !mount.propagation.is_empty());
            for mount in told {
                let target = root.open_path(&mount.target)?;
                for &wanted in &mount.propagation {
                    let (kind, depth) = propagation(wanted);
                    set_propagation(&target, depth, kind)?;
                }
            }
            Ok(())
        }
    }
}

/// Takes the host's procfs and sysfs out of a mount namespace whose old root stays in it, or covers them: while it holds one
/// that shows everything, the kernel lets a user namespace below mount another such, past the container's masks.
fn hide_kernel_mounts(plan: &Plan) -> io::Result<()> {
    let RootSource::Directory { path: own } = &plan.root.source else { return Ok(()) };
    let mounts = ProcFs::open()?.this_process()?.mountinfo()?;
    let kernels = |mount: &&MountEntry| {
        matches!(mount.fstype.as_str(), "proc" | "sysfs") && !mount.mount_point.starts_with(own)
    };
    // Those on top first.
    for mount in mounts.iter().rev().filter(kernels) {
        match unmount(&mount.mount_point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // Gone with what it stood on.
            Ok(()) | Err(Errno::NOENT) => {}
            // Not a mount of this user namespace's own, which holds those of another in place.
            Err(Errno::INVAL | Errno::PERM) => {
                let target =
                    rustix::fs::open(&mount.mount_point, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                attach(empty_folder()?, target)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes the assembled root the root of the mount namespace, and lets go of the old one.
pub(crate) fn pivot(plan: &Plan, assembled: &Assembled) -> Result<(), StepError> {
    Step::Pivot.run("", || {
        rustix::process::fchdir(&assembled.root)?;
        match plan.root.pivot {
            PivotMethod::PivotRoot => {
                // pivot_root(2), "pivot_root(\".\", \".\")": the old root is stacked on the new one and taken off it.
                rustix::process::pivot_root(".", ".")?;
                if !Step::Pivot.is_left_out("old root") {
                    unmount(".", UnmountFlags::DETACH)?;
                }
            }
            PivotMethod::MoveMount => {
                hide_kernel_mounts(plan)?;
                rustix::mount::mount_move(".", "/")?;
                rustix::process::chroot(".")?;
            }
            PivotMethod::Chroot => rustix::process::chroot(".")?,
        }
        rustix::process::chdir("/")?;
        Ok(())
    })?;
    if plan.root.pivot == PivotMethod::PivotRoot {
        Step::Pivot.apply("propagation", || propagate_root(plan, &assembled.root))?;
    }
    let readonly = Attributes::NONE.with(Attribute::Rdonly);
    for (target, mount) in &assembled.readonly_at_last {
        Step::Mount
            .apply(format_args!("{target} (read-only)"), || set_attributes(mount, Depth::One, readonly))?;
    }
    if plan.root.readonly {
        Step::Pivot.apply("read-only", || set_attributes(&assembled.root, Depth::One, readonly))?;
    }
    Ok(())
}
