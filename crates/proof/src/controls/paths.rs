//! Masked and read-only paths.

use cofferdam_names::ContainerPath;

use super::View;
use crate::judge::Judge;
use crate::mount_roles::MountRoles;
use crate::observation::PathState;

/// How one path was found.
enum Found {
    Holds,
    Absent,
    Differs(String),
    Unknown(String),
}

/// One finding for all paths that hold, one more for each that does not.
fn compare(
    paths: &[ContainerPath],
    wanted: &str,
    view: &View<'_>,
    judge: &mut Judge,
    look: fn(&PathState, &MountRoles<'_>) -> Found,
) {
    if paths.is_empty() {
        return;
    }
    let (mut hold, mut absent) = (0, 0);
    for path in paths {
        let found = match (&view.mounts, view.observation.paths.get(path)) {
            (_, None) => Found::Unknown("not read".to_owned()),
            (Err(why), _) | (_, Some(Err(why))) => Found::Unknown(why.to_string()),
            (Ok(roles), Some(Ok(state))) => look(state, roles),
        };
        let item = judge.item(path.as_str()).planned(wanted);
        match found {
            Found::Holds => hold += 1,
            Found::Absent => absent += 1,
            Found::Differs(seen) => item.differs(seen),
            Found::Unknown(why) => item.unknown(why),
        }
    }
    if hold + absent > 0 {
        let names: Vec<&str> = paths.iter().map(ContainerPath::as_str).collect();
        let item = judge.whole().planned(format!("{wanted}: {}", names.join(" ")));
        item.holds(format!("{hold} {wanted}, {absent} absent"));
    }
}

/// A file is hidden behind `/dev/null`, a folder behind an empty read-only tmpfs.
///
/// CVE-2025-31133: a file that was put in the place of `/dev/null` has other device numbers.
fn hidden(state: &PathState, roles: &MountRoles<'_>) -> Found {
    let PathState::Present { mount, mount_root, .. } = state else { return Found::Absent };
    if !mount_root {
        return Found::Differs("not hidden".to_owned());
    }
    if !state.is_folder() {
        return if state.is_character_device(1, 3) {
            Found::Holds
        } else {
            Found::Differs("hidden behind something that is not /dev/null".to_owned())
        };
    }
    match roles.by_id(*mount) {
        None => Found::Unknown("its mount is not in mountinfo".to_owned()),
        Some(entry) if entry.fstype == "tmpfs" && entry.has("ro") => Found::Holds,
        Some(entry) => Found::Differs(format!("{} {}", entry.fstype, entry.options.join(","))),
    }
}

fn write_protected(state: &PathState, roles: &MountRoles<'_>) -> Found {
    let PathState::Present { mount, .. } = state else { return Found::Absent };
    match roles.by_id(*mount) {
        None => Found::Unknown("its mount is not in mountinfo".to_owned()),
        Some(entry) if entry.has("ro") || entry.super_has("ro") => Found::Holds,
        Some(entry) => Found::Differs(format!("{} {}", entry.fstype, entry.options.join(","))),
    }
}

pub(super) fn masked(view: &View<'_>, judge: &mut Judge) {
    compare(&view.plan.masked_paths, "hidden", view, judge, hidden);
}

pub(super) fn readonly(view: &View<'_>, judge: &mut Judge) {
    compare(&view.plan.readonly_paths, "read-only", view, judge, write_protected);
}
