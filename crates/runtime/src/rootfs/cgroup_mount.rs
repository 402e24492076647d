//! The container's own view of the cgroup tree, mounted from inside its cgroup namespace.

use std::io;

use cofferdam_confinement::{Mount, Plan};
use cofferdam_kernel::mount::{Attribute, Attributes, Depth, attach, new_filesystem, set_attributes};
use cofferdam_names::ContainerPath;

use super::attributes::attributes;
use super::root_dir::RootDir;
use crate::cgroup::Layout;
use crate::step::{Step, StepError};

/// Mounts the v2 tree, or a small tmpfs with one mount for each v1 hierarchy.
pub(super) fn mount(plan: &Plan, mount: &Mount, root: &RootDir) -> Result<(), StepError> {
    if !plan.namespaces.cgroup.is_new() {
        return Err(Step::Mount.refused(
            &mount.target,
            "a cgroup mount without a cgroup namespace would show the host's groups (CVE-2023-25809)",
        ));
    }
    let wanted = attributes(&mount.flags);
    let target = Step::Mount.run(&mount.target, || root.make_dir_all(&mount.target))?;
    let hierarchies = Step::Mount.run(&mount.target, cgroup_hierarchies)?;
    if hierarchies.is_empty() {
        return Step::Mount.run(&mount.target, || {
            attach(new_filesystem("cgroup2", "cgroup", [], wanted.only_set())?, &target)
        });
    }
    let folder = Step::Mount.run(&mount.target, || {
        let tmpfs = new_filesystem("tmpfs", "tmpfs", ["mode=755"], wanted.only_set().writable())?;
        attach(&tmpfs, &target)?;
        Ok(tmpfs)
    })?;
    for hierarchy in &hierarchies {
        let below = format!("{}/{}", mount.target.as_str().trim_end_matches('/'), hierarchy.name);
        Step::Mount.run(&below, || {
            let path: ContainerPath = below.parse().map_err(io::Error::other)?;
            let options = hierarchy.options.iter().map(String::as_str);
            attach(new_filesystem("cgroup", "cgroup", options, wanted.only_set())?, root.make_dir_all(&path)?)
        })?;
    }
    // The tmpfs itself follows the plan only now that its folders are made.
    Step::Mount.run(&mount.target, || {
        let readonly = wanted.sets(Attribute::Rdonly);
        let change = if readonly { Attributes::NONE.with(Attribute::Rdonly) } else { Attributes::NONE };
        set_attributes(&folder, Depth::One, change)
    })
}

/// A v1 hierarchy: the folder it gets below the mount, and its mount options.
struct Hierarchy {
    name: String,
    options: Vec<String>,
}

/// The v1 hierarchies of the host in the order of `/proc/self/cgroup` (cgroups(7)); none on a v2 host.
fn cgroup_hierarchies() -> io::Result<Vec<Hierarchy>> {
    if Layout::detect().map_err(io::Error::other)?.is_v2() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string("/proc/self/cgroup")?;
    let controllers =
        text.lines().filter_map(|line| line.split(':').nth(1)).filter(|names| !names.is_empty());
    Ok(controllers
        .map(|names| match names.strip_prefix("name=") {
            Some(name) => {
                Hierarchy { name: name.to_owned(), options: vec!["none".to_owned(), names.to_owned()] }
            }
            None => {
                Hierarchy { name: names.to_owned(), options: names.split(',').map(str::to_owned).collect() }
            }
        })
        .collect())
}
