//! Which line of a container's mountinfo is there for which part of the plan.

use std::path::{Path, PathBuf};

use cofferdam_confinement::{Mount, MountKind, Plan, RootSource};
use cofferdam_kernel::proc::MountEntry;
use cofferdam_names::ContainerPath;

use crate::observation::{HostMount, Observation, PathState, Unreadable};

/// Why a mount is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The root itself.
    Root,
    /// `plan.mounts` at this place.
    Planned(usize),
    /// Below a folder that is bound with everything below it.
    Below(usize),
    /// Below the root, in a folder of the host's that came with everything below it.
    BelowRoot,
    /// One of the v1 hierarchies of a planned cgroup mount.
    Hierarchy(usize),
    /// A device bound from the host.
    Device,
    /// Over a masked path.
    Mask,
    /// Over a read-only path.
    Readonly,
    /// The container's terminal.
    Console,
    /// The plan does not know it.
    Extra,
}

/// The mounts of a container, each with its role.
pub(crate) struct MountRoles<'a> {
    pub(crate) entries: &'a [MountEntry],
    pub(crate) roles: Vec<Role>,
    observation: &'a Observation,
}

impl<'a> MountRoles<'a> {
    /// Finds all roles; mounts that were not read are an error.
    pub(crate) fn find(plan: &Plan, observation: &'a Observation) -> Result<Self, Unreadable> {
        let entries = observation.mounts.as_deref().map_err(Clone::clone)?;
        let mut found = Self { entries, roles: vec![Role::Extra; entries.len()], observation };
        found.give_root();
        for (place, mount) in plan.mounts.iter().enumerate() {
            if mount.kind != MountKind::Remount {
                found.give_planned(plan, place, mount);
            }
        }
        for (at, entry) in entries.iter().enumerate() {
            if found.roles[at] == Role::Extra {
                found.roles[at] = found.side_role(plan, entry);
            }
        }
        Ok(found)
    }

    /// The mount that has this role.
    pub(crate) fn entry(&self, role: Role) -> Option<&'a MountEntry> {
        self.with_roles().find(|(_, have)| *have == role).map(|(entry, _)| entry)
    }

    /// All mounts with their roles.
    pub(crate) fn with_roles(&self) -> impl Iterator<Item = (&'a MountEntry, Role)> + '_ {
        self.entries.iter().zip(self.roles.iter().copied())
    }

    /// The mount on which something at this path stands.
    pub(crate) fn by_id(&self, id: u64) -> Option<&'a MountEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    fn give_root(&mut self) {
        let held = self.observation.files.as_ref().ok().and_then(|files| files.root.as_ref().ok());
        let at = match held {
            Some(root) => self.entries.iter().position(|entry| entry.id == root.mount),
            None => self.entries.iter().rposition(|entry| entry.mount_point == Path::new("/")),
        };
        if let Some(at) = at {
            self.roles[at] = Role::Root;
        }
    }

    /// Where a path of the plan really is, as mountinfo writes it: links in the image were followed.
    fn place_of(&self, path: &ContainerPath) -> PathBuf {
        if let Some(Ok(PathState::Present { mount, mount_root: true, .. })) = self.observation.paths.get(path)
            && let Some(entry) = self.by_id(*mount)
        {
            return entry.mount_point.clone();
        }
        normal(path.as_str())
    }

    /// Several planned mounts at one place stand one above the other, in the plan's order, on what came there with a whole
    /// folder of the host's.
    fn give_planned(&mut self, plan: &Plan, place: usize, mount: &Mount) {
        let point = self.place_of(&mount.target);
        let here = |mounts: &[Mount]| {
            let mounts = mounts.iter().filter(|other| other.kind != MountKind::Remount);
            mounts.filter(|other| self.place_of(&other.target) == point).count()
        };
        let (before, all) = (here(&plan.mounts[..place]), here(&plan.mounts));
        let stack = self.stack(&point);
        let came = stack.iter().take_while(|at| self.came_with_folder(&self.entries[**at])).count();
        let came = if self.is_in_whole_folder(plan, place, &point) { came } else { 0 };
        let lowest = came.min(stack.len().saturating_sub(all));
        if let Some(at) = stack.get(lowest + before)
            && self.roles[*at] == Role::Extra
        {
            self.roles[*at] = Role::Planned(place);
        }
    }

    /// Whether the place is in a folder of the host's that was there, with all that is mounted in it, before the plan's mount.
    fn is_in_whole_folder(&self, plan: &Plan, place: usize, point: &Path) -> bool {
        matches!(plan.root.source, RootSource::Directory { .. })
            || plan.mounts[..place].iter().any(|other| {
                let target = self.place_of(&other.target);
                matches!(other.kind, MountKind::Bind { recursive: true, .. })
                    && point != target
                    && point.starts_with(target)
            })
    }

    /// Whether a mount stands, directly or not, on the one with this role.
    fn stands_on(&self, entry: &MountEntry, role: Role) -> bool {
        let Some(wanted) = self.entry(role) else { return false };
        let below = |entry: &&MountEntry| self.by_id(entry.parent).filter(|below| below.id != entry.id);
        // Parents are no circle, but what the kernel says is not taken for granted.
        let chain = std::iter::successors(Some(entry), below).take(self.entries.len());
        chain.skip(1).any(|below| below.id == wanted.id)
    }

    /// The mounts at one place, lowest first.
    fn stack(&self, point: &Path) -> Vec<usize> {
        let mut rest: Vec<usize> =
            (0..self.entries.len()).filter(|at| self.entries[*at].mount_point == point).collect();
        let mut stack = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let stands_on = |at: &usize| {
                rest.iter().any(|other| other != at && self.entries[*other].id == self.entries[*at].parent)
            };
            let lowest = rest.iter().position(|at| !stands_on(at)).unwrap_or(0);
            stack.push(rest.remove(lowest));
        }
        stack
    }

    fn side_role(&self, plan: &Plan, entry: &MountEntry) -> Role {
        let at = |path: &ContainerPath| self.place_of(path) == entry.mount_point;
        if plan.masked_paths.iter().any(at) {
            return Role::Mask;
        }
        if plan.devices.iter().any(|device| at(&device.path)) {
            return Role::Device;
        }
        let below = |path: &ContainerPath| entry.mount_point.starts_with(self.place_of(path));
        // Whether it is read-only at that path itself is for the paths' own control to say.
        let protected = plan.readonly_paths.iter().any(at);
        if protected || (entry.has("ro") && plan.readonly_paths.iter().any(below)) {
            return Role::Readonly;
        }
        if plan.process.terminal && entry.mount_point == Path::new("/dev/console") && entry.fstype == "devpts"
        {
            return Role::Console;
        }
        // The last one that covers it: the mounts of the plan are made in its order.
        let mut planned = plan.mounts.iter().enumerate().rev().filter(|(_, mount)| below(&mount.target));
        planned.find_map(|(place, mount)| self.part_of(plan, place, mount, entry)).unwrap_or_else(|| {
            let whole_folder = matches!(plan.root.source, RootSource::Directory { .. });
            if whole_folder && self.came_with_folder(entry) { Role::BelowRoot } else { Role::Extra }
        })
    }

    /// Only what the host itself has mounted in a folder can have come with it.
    fn came_with_folder(&self, entry: &MountEntry) -> bool {
        let same = |other: &HostMount| (other.device, other.root.as_path()) == (entry.device, &entry.root);
        self.observation.host_mounts.as_ref().is_ok_and(|host| host.iter().any(same))
    }

    /// Whether it shows what another mount of the plan shows.
    fn copies_planned(&self, entry: &MountEntry) -> bool {
        let same = |other: &MountEntry| (other.device, &other.root) == (entry.device, &entry.root);
        self.with_roles().any(|(other, role)| matches!(role, Role::Planned(_)) && same(other))
    }

    fn part_of(&self, plan: &Plan, place: usize, mount: &Mount, entry: &MountEntry) -> Option<Role> {
        match &mount.kind {
            MountKind::Cgroup if entry.fstype == "cgroup" => {
                self.stands_on(entry, Role::Planned(place)).then_some(Role::Hierarchy(place))
            }
            // Out of the container's own root: with it came what the plan had mounted there before.
            MountKind::Bind { recursive: true, source, .. } => {
                let copied = plan.root.inside(source).is_some() && self.copies_planned(entry);
                (copied || self.came_with_folder(entry)).then_some(Role::Below(place))
            }
            MountKind::Bind { .. }
            | MountKind::Filesystem { .. }
            | MountKind::Image { .. }
            | MountKind::Cgroup
            | MountKind::Remount => None,
        }
    }
}

/// A path without doubled and trailing slashes and `.`, with `..` taken back, as mountinfo writes it.
fn normal(path: &str) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                out.pop();
            }
            name => out.push(name),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_mountinfo_writes_them() {
        assert_eq!(normal("//dev//pts/"), Path::new("/dev/pts"));
        assert_eq!(normal("/a/./b/../c"), Path::new("/a/c"));
        assert_eq!(normal("/../.."), Path::new("/"));
    }
}
