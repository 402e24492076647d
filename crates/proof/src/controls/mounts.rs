//! Every planned mount is there as planned, and nothing else is mounted.

use std::path::Path;

use cofferdam_confinement::{
    AccessTime, Flag, Mount, MountFlags, MountIdMap, MountKind, Plan, Propagation, kernel_folder,
};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::proc::MountEntry;

use super::{MADE_BY_HOOK, View};
use crate::judge::Judge;
use crate::mount_roles::{MountRoles, Role};
use crate::observation::{Moment, Observation, PathState};

/// The flags that are checked, by the names that mountinfo has for them.
fn named(flags: &MountFlags) -> [(&'static str, Flag); 6] {
    [
        ("ro", flags.readonly),
        ("nosuid", flags.nosuid),
        ("nodev", flags.nodev),
        ("noexec", flags.noexec),
        ("nosymfollow", flags.nosymfollow),
        ("nodiratime", flags.nodiratime),
    ]
}

fn show_flags(flags: &MountFlags) -> String {
    let mut words = Vec::new();
    for (name, flag) in named(flags) {
        match (flag, name) {
            (Flag::Set, name) => words.push(name),
            (Flag::Clear, "ro") => words.push("rw"),
            (Flag::Keep | Flag::Clear, _) => {}
        }
    }
    match flags.access_time {
        Some(AccessTime::Noatime) => words.push("noatime"),
        Some(AccessTime::Strictatime) => words.push("strictatime"),
        Some(AccessTime::Relatime) | None => {}
    }
    words.join(",")
}

fn show(mount: &Mount) -> String {
    let what = match &mount.kind {
        MountKind::Bind { source, recursive: true, .. } => format!("{} and below", source.display()),
        MountKind::Bind { source, .. } => source.display().to_string(),
        MountKind::Filesystem { fstype, .. } => fstype.clone(),
        MountKind::Image { id, subpath: None, .. } => format!("image {id}"),
        MountKind::Image { id, subpath: Some(subpath), .. } => format!("{} of image {id}", subpath.display()),
        MountKind::Cgroup => "cgroup".to_owned(),
        MountKind::Remount => "remounted".to_owned(),
    };
    let flags = show_flags(&mount.flags);
    if flags.is_empty() { what } else { format!("{what} {flags}") }
}

fn show_entry(entry: &MountEntry) -> String {
    format!("{} {}", entry.fstype, entry.options.join(","))
}

pub(super) fn planned(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    for (place, mount) in plan.mounts.iter().enumerate() {
        let item = judge.item(mount.target.as_str()).planned(show(mount));
        let roles = match &view.mounts {
            Ok(roles) => roles,
            Err(why) => {
                item.unknown(why.to_string());
                continue;
            }
        };
        let entry = match (&mount.kind, observation.paths.get(&mount.target)) {
            (MountKind::Remount, Some(Ok(PathState::Present { mount, .. }))) => roles.by_id(*mount),
            (MountKind::Remount, _) => None,
            _ => roles.entry(Role::Planned(place)),
        };
        let Some(entry) = entry else {
            item.differs("not mounted");
            continue;
        };
        let check = Check { plan, observation, roles, place, mount, entry };
        match check.all() {
            Outcome::Holds(None) => item.holds(show_entry(entry)),
            Outcome::Holds(Some(note)) => item.holds_with(show_entry(entry), note),
            Outcome::Differs(why) => item.differs_because(show_entry(entry), why),
            Outcome::Unknown(why) => item.unknown(why),
        }
    }
}

enum Outcome {
    Holds(Option<&'static str>),
    Differs(String),
    Unknown(String),
}

struct Check<'a> {
    plan: &'a Plan,
    observation: &'a Observation,
    roles: &'a MountRoles<'a>,
    place: usize,
    mount: &'a Mount,
    entry: &'a MountEntry,
}

impl Check<'_> {
    fn all(&self) -> Outcome {
        // A later remount of the same target has the last word on its flags.
        let later = self.plan.mounts[self.place + 1..]
            .iter()
            .any(|other| other.kind == MountKind::Remount && other.target == self.mount.target);
        let wrong = (!later)
            .then(|| wrong_flag(&self.mount.flags, self.entry))
            .flatten()
            .or_else(|| self.wrong_below())
            .or_else(|| self.wrong_propagation())
            .or_else(|| self.wrong_kind())
            .or_else(|| self.wrong_place());
        if let Some(wrong) = wrong {
            return Outcome::Differs(wrong);
        }
        match &self.mount.kind {
            MountKind::Bind { .. } => self.source(),
            MountKind::Image { .. } => Outcome::Holds(Some("the kernel does not tell which layers it shows")),
            MountKind::Filesystem { .. } | MountKind::Cgroup | MountKind::Remount => Outcome::Holds(None),
        }
    }

    /// What the kernel shows of itself is masked and protected by path: nothing may stand on it, but what the plan puts there
    /// in so many words.
    fn wrong_place(&self) -> Option<String> {
        let target = &self.mount.target;
        let named = kernel_folder(Path::new(target.as_str()));
        if let Some(folder) = kernel_folder(&self.entry.mount_point).filter(|_| named.is_none()) {
            return Some(format!("a link led it into {folder}"));
        }
        let MountKind::Filesystem { fstype, .. } = &self.mount.kind else { return None };
        let later = self.plan.mounts[self.place + 1..].iter().any(|other| other.target == *target);
        if later || !matches!(fstype.as_str(), "proc" | "sysfs") {
            return None;
        }
        match self.observation.paths.get(target) {
            Some(Ok(PathState::Present { mount, .. })) if *mount != self.entry.id => {
                Some("another mount stands on it".to_owned())
            }
            _ => None,
        }
    }

    fn wrong_kind(&self) -> Option<String> {
        match &self.mount.kind {
            MountKind::Filesystem { fstype, options, .. } => {
                if self.entry.fstype != *fstype {
                    return Some(format!("it is {}", self.entry.fstype));
                }
                options.iter().find_map(|option| wrong_option(fstype, option, self.entry))
            }
            MountKind::Cgroup => {
                let v1 = self.entry.fstype == "tmpfs"
                    && self.roles.with_roles().any(|(_, role)| role == Role::Hierarchy(self.place));
                (self.entry.fstype != "cgroup2" && !v1).then(|| "it shows no cgroup tree".to_owned())
            }
            MountKind::Bind { id_map, .. } => {
                let wanted = !matches!(id_map, MountIdMap::None);
                (wanted && !self.entry.has("idmapped")).then(|| "it is not id-mapped".to_owned())
            }
            MountKind::Image { lower, stack, id_mapped, .. } => {
                let single = stack.is_some() || lower.len() == 1;
                let in_file =
                    lower.first().is_some_and(|layer| layer.extension().is_some_and(|end| end == "erofs"));
                let fstype = match (single, in_file) {
                    (true, true) => Some("erofs"),
                    (true, false) => None,
                    (false, _) => Some("overlay"),
                };
                if fstype.is_some_and(|fstype| fstype != self.entry.fstype) {
                    return Some(format!("it is {}", self.entry.fstype));
                }
                // Below an overlay it is the layers that are mapped.
                (single && *id_mapped && !self.entry.has("idmapped"))
                    .then(|| "it is not id-mapped".to_owned())
            }
            MountKind::Remount => None,
        }
    }

    /// Recursive attributes hold for this mount and everything below it that came with it.
    fn wrong_below(&self) -> Option<String> {
        let mine = self.roles.with_roles().filter(|(entry, role)| {
            entry.id == self.entry.id
                || matches!(role, Role::Below(place) | Role::Hierarchy(place) if *place == self.place)
        });
        let flags = |entry: &MountEntry, role: Role| {
            wrong_flag(&self.mount.recursive_flags, entry).or_else(|| {
                let as_itself = matches!(role, Role::Hierarchy(_));
                as_itself.then(|| wrong_flag(&self.mount.flags, entry)).flatten()
            })
        };
        let mut wrong = mine.filter_map(|(entry, role)| {
            Some(format!("{}: {}", entry.mount_point.display(), flags(entry, role)?))
        });
        wrong.next()
    }

    fn wrong_propagation(&self) -> Option<String> {
        let planned = self.mount.propagation.last()?;
        let peers = self.entry.peers;
        let holds = match planned {
            Propagation::Private | Propagation::Rprivate => peers.is_private(),
            // A slave of a mount that shares nothing has no master.
            Propagation::Slave | Propagation::Rslave => peers.shared.is_none(),
            Propagation::Shared | Propagation::Rshared => peers.shared.is_some(),
            Propagation::Unbindable | Propagation::Runbindable => peers.unbindable,
        };
        (!holds).then(|| format!("its propagation is not {planned:?}").to_lowercase())
    }

    /// Whether what is seen at the target is the file that the plan names on the host.
    fn source(&self) -> Outcome {
        let top = match self.observation.paths.get(&self.mount.target) {
            Some(Ok(PathState::Present { file, mount, .. })) if *mount == self.entry.id => *file,
            // Another mount stands on it: its own files cannot be looked at, and nobody in the container can.
            Some(Ok(_)) => return Outcome::Holds(Some("covered by another mount")),
            Some(Err(why)) => return Outcome::Unknown(why.to_string()),
            None => return Outcome::Unknown("not read".to_owned()),
        };
        let later = self.observation.moment == Moment::Verify;
        let replaced = self.entry.root.to_string_lossy().ends_with("//deleted");
        let inside = matches!(&self.mount.kind, MountKind::Bind { source, .. }
            if self.plan.root.inside(source).is_some());
        match self.observation.sources.get(&self.place) {
            Some(Ok(source)) if *source == top => Outcome::Holds(None),
            Some(_) if later && inside => {
                Outcome::Holds(Some("it came from the container's own root, which the container changes"))
            }
            Some(_) if later && replaced => {
                Outcome::Holds(Some("the host has replaced the file since; the container keeps the old one"))
            }
            Some(Ok(_)) => Outcome::Differs("it is another file than the planned one".to_owned()),
            Some(Err(why)) => Outcome::Unknown(why.to_string()),
            None => Outcome::Unknown("not read".to_owned()),
        }
    }
}

/// The first flag that is not as planned.
fn wrong_flag(flags: &MountFlags, entry: &MountEntry) -> Option<String> {
    for (name, flag) in named(flags) {
        // A file system that is read-only as a whole cannot be written through any mount.
        let set = entry.has(name) || (name == "ro" && entry.super_has("ro"));
        match flag {
            Flag::Set if !set => return Some(format!("it is not {name}")),
            Flag::Clear if entry.has(name) => return Some(format!("it is {name}")),
            Flag::Keep | Flag::Set | Flag::Clear => {}
        }
    }
    let (noatime, relatime) = (entry.has("noatime"), entry.has("relatime"));
    let wrong = match flags.access_time {
        None => false,
        Some(AccessTime::Noatime) => !noatime,
        Some(AccessTime::Relatime) => !relatime,
        Some(AccessTime::Strictatime) => noatime || relatime,
    };
    wrong.then(|| "its access times are kept in another way".to_owned())
}

/// Compares the options that bound what a file system holds or shows; others are the file system's own matter.
fn wrong_option(fstype: &str, option: &str, entry: &MountEntry) -> Option<String> {
    let (key, value) = option.split_once('=')?;
    let observed = entry.super_options.split(',').find_map(|have| have.strip_prefix(key)?.strip_prefix('='));
    let same = match (fstype, key) {
        ("tmpfs", "size") => bytes(value)? == bytes(observed.unwrap_or("0"))?,
        // The kernel prints no mode where it is 1777.
        ("tmpfs", "mode") => {
            u32::from_str_radix(observed.unwrap_or("1777"), 8) == u32::from_str_radix(value, 8)
        }
        ("proc", "hidepid" | "subset") => observed == Some(value) || same_hidepid(value, observed),
        _ => true,
    };
    (!same).then(|| format!("its {key} is {}", observed.unwrap_or("not limited")))
}

/// proc(5): the numbers and the words mean the same; the kernel prints words.
fn same_hidepid(planned: &str, observed: Option<&str>) -> bool {
    let number = |word: &str| match word {
        "0" | "off" => Some(0),
        "1" | "noaccess" => Some(1),
        "2" | "invisible" => Some(2),
        "4" | "ptraceable" => Some(4),
        _ => None,
    };
    number(planned).is_some() && number(planned) == number(observed.unwrap_or("off"))
}

/// tmpfs(5): `64m`, `65536k`, a bare number of bytes; rounded up to pages. None for a percentage.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    let size = digits.parse::<u64>().ok()?.checked_mul(factor)?;
    Some(size.checked_next_multiple_of(4096).unwrap_or(size))
}

/// File systems that a process with CAP_SYS_ADMIN in its own user namespace may mount (`FS_USERNS_MOUNT`).
const SELF_MOUNTED: [&str; 9] =
    ["tmpfs", "ramfs", "proc", "sysfs", "devpts", "mqueue", "overlay", "cgroup2", "bpf"];

/// Whether a running container with CAP_SYS_ADMIN may have mounted this itself, out of what it has.
fn own_work(plan: &Plan, observation: &Observation, roles: &MountRoles<'_>, entry: &MountEntry) -> bool {
    let may = observation.moment == Moment::Verify
        && plan.process.capabilities.permitted.contains(Capability::SYS_ADMIN);
    let copied = || {
        let mut known = roles.with_roles().filter(|(_, role)| *role != Role::Extra);
        known.any(|(other, _)| other.device == entry.device && entry.root.starts_with(&other.root))
    };
    may && (SELF_MOUNTED.contains(&entry.fstype.as_str()) || entry.fstype.starts_with("fuse") || copied())
}

/// Whether the host mounted it, and propagation that the plan asks for carried it here: it gets its events from the same
/// group of peers as the mount below it.
fn arrived(roles: &MountRoles<'_>, entry: &MountEntry) -> bool {
    let planned = |role: Role| {
        matches!(role, Role::Root | Role::BelowRoot | Role::Planned(_) | Role::Below(_) | Role::Extra)
    };
    let travels = |below: &MountEntry| below.peers.master.is_some() || below.peers.shared.is_some();
    let mut below = roles.with_roles().filter(|(other, role)| other.id == entry.parent && planned(*role));
    let came = entry.peers.master.is_some() || entry.peers.shared.is_some();
    came && below.any(|(below, _)| travels(below))
}

pub(super) fn extra(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    // In a shared mount namespace the others' mounts are there too, and nobody planned them here.
    if !plan.namespaces.mount.is_new() {
        return;
    }
    let planned = "nothing but the planned mounts";
    let roles = match &view.mounts {
        Ok(roles) => roles,
        Err(why) => return judge.whole().planned(planned).unknown(why.to_string()),
    };
    let mut found = 0;
    for (entry, _) in roles.with_roles().filter(|(_, role)| *role == Role::Extra) {
        let item = judge.item(entry.mount_point.display().to_string()).planned("not mounted");
        let seen = format!("{} from {} {}", entry.fstype, entry.root.display(), entry.options.join(","));
        found += 1;
        if own_work(plan, observation, roles, entry) {
            item.holds_with(seen, "mounted by the container itself, which may");
        } else if arrived(roles, entry) {
            item.holds_with(seen, "arrived from the host: the plan lets its mounts travel there");
        } else if view.hooked {
            item.unclear(seen, MADE_BY_HOOK);
        } else {
            item.differs(seen);
        }
    }
    if found == 0 {
        judge.whole().planned(planned).holds(format!("{} mounts", roles.entries.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_in_bytes_and_pages() {
        assert_eq!(bytes("64m"), bytes("65536k"));
        assert_eq!(bytes("67108864"), bytes("64M"));
        assert_eq!(bytes("1"), Some(4096));
        assert_eq!(bytes("50%"), None);
        assert!(same_hidepid("2", Some("invisible")));
        assert!(!same_hidepid("2", None));
    }
}
