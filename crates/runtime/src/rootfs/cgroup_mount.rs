//! The container's own view of the cgroup tree.
//!
//! In a cgroup namespace it is mounted anew, and the kernel shows the container's group as the root. Without one, the
//! container's own folder of each hierarchy is bound: never the host's tree (CVE-2023-25809).

use std::fs::read_to_string;
use std::io;
use std::os::fd::OwnedFd;

use cofferdam_confinement::{Mount, Plan};
use cofferdam_kernel::mount::{
    Attribute, Attributes, Depth, attach, clone_tree, new_filesystem, set_attributes,
};
use cofferdam_names::ContainerPath;
use rustix::fs::{CWD, symlinkat};

use super::attributes::attributes;
use super::root_dir::RootDir;
use crate::cgroup::{Hierarchy, Layout};
use crate::step::{Step, StepError};

/// Mounts the v2 tree, or a small tmpfs with one mount for each v1 hierarchy.
pub(super) fn mount(plan: &Plan, mount: &Mount, root: &RootDir) -> Result<(), StepError> {
    let wanted = attributes(&mount.flags);
    let target = Step::Mount.run(&mount.target, || root.make_dir_all(&mount.target))?;
    let view = View { anew: plan.namespaces.cgroup.is_new(), wanted };
    let layout = Step::Mount.run(&mount.target, || Layout::detect().map_err(io::Error::other))?;
    let membership = Step::Mount.run("/proc/self/cgroup", || read_to_string("/proc/self/cgroup"))?;
    if let (true, Some(unified)) = (layout.is_v2(), layout.hierarchies().first()) {
        return Step::Mount.run(&mount.target, || attach(view.of(unified, &membership)?, &target));
    }
    let folder = Step::Mount.run(&mount.target, || {
        let tmpfs = new_filesystem("tmpfs", "tmpfs", ["mode=755"], wanted.only_set().writable())?;
        attach(&tmpfs, &target)?;
        Ok(tmpfs)
    })?;
    for hierarchy in layout.hierarchies().iter().filter(|hierarchy| hierarchy.version() == "v1") {
        let name = hierarchy.root().file_name().unwrap_or_default().to_string_lossy();
        let below = format!("{}/{name}", mount.target.as_str().trim_end_matches('/'));
        Step::Mount.run(&below, || {
            let path: ContainerPath = below.parse().map_err(io::Error::other)?;
            attach(view.of(hierarchy, &membership)?, root.make_dir_all(&path)?)?;
            // Programs look for each controller under its own name.
            let mut others = name.split(',').filter(|other| *other != name);
            Ok(others.try_for_each(|other| symlinkat(&*name, &folder, other))?)
        })?;
    }
    // The tmpfs itself follows the plan only now that its folders are made.
    let readonly = wanted.sets(Attribute::Rdonly);
    let change = if readonly { Attributes::NONE.with(Attribute::Rdonly) } else { Attributes::NONE };
    Step::Mount.run(&mount.target, || set_attributes(&folder, Depth::One, change))
}

/// How a hierarchy is shown.
struct View {
    /// Mounted anew, in a cgroup namespace.
    anew: bool,
    wanted: Attributes,
}

impl View {
    fn of(&self, hierarchy: &Hierarchy, membership: &str) -> io::Result<OwnedFd> {
        if !self.anew {
            let no_line = || {
                io::Error::other(format!("/proc/self/cgroup has no line for {}", hierarchy.root().display()))
            };
            let folder = hierarchy.folder_in(membership).ok_or_else(no_line)?;
            let bound = clone_tree(CWD, &folder.to_string_lossy(), Depth::One)?;
            set_attributes(&bound, Depth::One, self.wanted)?;
            return Ok(bound);
        }
        if hierarchy.version() == "v2" {
            return new_filesystem("cgroup2", "cgroup", [], self.wanted.only_set());
        }
        // A named hierarchy, as systemd's, has no controllers.
        let names = hierarchy.names();
        let options: Vec<&str> =
            if names.starts_with("name=") { vec!["none", names] } else { names.split(',').collect() };
        new_filesystem("cgroup", "cgroup", options, self.wanted.only_set())
    }
}
