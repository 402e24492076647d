//! The control groups that the process is a member of.

use super::View;
use crate::judge::Judge;

/// A process may be deeper than planned: the groups above it limit it as well. What stands before the planned path is the
/// part of the hierarchy that was delegated to the user, or to a container that all of this runs in.
pub(super) fn membership(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(path) = &plan.cgroup.path else { return };
    let planned = format!("/{}", path.as_str());
    let item = judge.whole().planned(planned.as_str());
    let groups = match &observation.cgroup {
        Ok(groups) => groups,
        Err(why) => return item.unknown(why.to_string()),
    };
    let below = format!("{planned}/");
    let inside: Vec<_> =
        groups.iter().filter(|group| group.path.ends_with(&planned) || group.path.contains(&below)).collect();
    let name = |group: &&cofferdam_kernel::proc::CgroupMembership| {
        if group.hierarchy == 0 { "v2".to_owned() } else { group.controllers.join(",") }
    };
    if inside.is_empty() {
        let found: Vec<String> =
            groups.iter().map(|group| format!("{}:{}", name(&group), group.path)).collect();
        item.differs(found.join(" "));
    } else {
        item.holds(format!("in {}", inside.iter().map(name).collect::<Vec<_>>().join(" ")));
    }
}
