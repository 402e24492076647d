//! The root of a container that does not run, with what is bound into it: for `cp`.

use std::os::fd::AsFd;

use cofferdam_confinement::{IdMaps, Plan, RootSource};
use cofferdam_kernel::credentials::make_files_as;
use cofferdam_kernel::mount::{Depth, PropagationType, attach, set_propagation};
use cofferdam_kernel::namespace::{Namespace, unshare};
use rustix::fs::{Mode, OFlags};

use super::root_dir::RootDir;
use super::sources::{self, Maker};
use crate::start::id_map::{enter_user_namespace, user_namespace_with};
use crate::step::{Step, StepError};

/// Mounts a container's root and its binds in a mount namespace of this process's own, which has one thread and serves for
/// nothing else afterwards: no other process sees the mounts, and they end with it. An ordinary user's process becomes root
/// of a user namespace with the container's maps.
///
/// Nobody may start the container meanwhile: one overlay must not be mounted twice.
///
/// # Errors
/// The step that failed. What has been mounted goes with this process.
pub fn open_stopped(plan: &Plan, rootless: bool) -> Result<RootDir, StepError> {
    let maps = plan.namespaces.id_maps.as_ref();
    if let Some(maps) = maps.filter(|_| rootless) {
        enter_user_namespace(maps)?;
    }
    Step::Propagation.run("/", || {
        unshare(Namespace::Mount)?;
        let host_root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        set_propagation(host_root, Depth::Tree, PropagationType::Slave)
    })?;
    let userns = match maps.filter(|_| !rootless) {
        Some(maps) => Some(user_namespace_with(&maps.uids, &maps.gids)?),
        None => None,
    };
    let maker = Maker { id_map: userns.as_ref().map(AsFd::as_fd).zip(maps), may_make_nodes: false };
    let root = root(plan, maker)?;
    bind_all(plan, maker, &root)?;
    Ok(root)
}

/// Files that this process makes from here on are the container root's: on what is id-mapped the host's root has no number.
///
/// # Errors
/// The kernel refuses.
pub fn become_container_root(maps: &IdMaps) -> Result<(), StepError> {
    Step::Credentials.run("file system ids", || {
        let ids = maps.host_uid(0).zip(maps.host_gid(0));
        let (uid, gid) =
            ids.ok_or_else(|| std::io::Error::other("the id maps do not cover the container's root"))?;
        make_files_as(uid, gid)
    })
}

fn root(plan: &Plan, maker: Maker<'_>) -> Result<RootDir, StepError> {
    let mut plan = plan.clone();
    let target = match &mut plan.root.source {
        RootSource::Overlay { mountpoint, volatile, .. } => {
            // Its mark would keep the container from ever being started (kernel: overlayfs.rst, "Volatile mount").
            *volatile = false;
            mountpoint.clone()
        }
        RootSource::Directory { path } => path.clone(),
    };
    let mount = sources::root(&plan, maker)?;
    Step::Root.run(target.display(), || {
        set_propagation(&mount, Depth::Tree, PropagationType::Private)?;
        let target = rustix::fs::open(&target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        attach(&mount, &target)
    })?;
    Ok(RootDir::new(mount))
}

/// Attaches the binds whose target the root has; others would show nothing that a path could lead to.
fn bind_all(plan: &Plan, maker: Maker<'_>, root: &RootDir) -> Result<(), StepError> {
    for mount in &plan.mounts {
        let Ok(target) = root.open_path(&mount.target) else { continue };
        let Some(made) = sources::bind(plan, mount, maker)? else { continue };
        Step::Mount.run(&mount.target, || {
            set_propagation(&made, Depth::Tree, PropagationType::Private)?;
            attach(&made, &target)
        })?;
    }
    Ok(())
}
