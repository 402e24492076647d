//! The maps of the user namespace, line by line.

use cofferdam_confinement::{IdMapping, NamespaceSource, Plan, Setgroups};
use cofferdam_kernel::proc::{IdMapLine, SetgroupsState};

use super::View;
use crate::judge::Judge;
use crate::observation::Reading;

fn show(lines: &[IdMapLine]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|line| format!("{}:{}:{}", line.inside, line.outside, line.size)).collect();
    lines.join(" ")
}

/// The kernel sorts maps of more than five lines: the order means nothing.
fn sorted(mut lines: Vec<IdMapLine>) -> Vec<IdMapLine> {
    lines.sort_by_key(|line| line.inside);
    lines
}

fn compare_map(
    plan: &Plan,
    planned: fn(&cofferdam_confinement::IdMaps) -> &Vec<IdMapping>,
    observed: &Reading<Vec<IdMapLine>>,
    host: Reading<Vec<IdMapLine>>,
    judge: &mut Judge,
) {
    let observed = observed.clone().map(sorted);
    match (&plan.namespaces.user, &plan.namespaces.id_maps) {
        (NamespaceSource::New | NamespaceSource::Join(_), Some(maps)) => {
            let lines = planned(maps).iter().map(|line| IdMapLine {
                inside: line.container,
                outside: line.host,
                size: line.size,
            });
            judge.whole().equal(&sorted(lines.collect()), &observed, |lines| show(lines));
        }
        (NamespaceSource::New, None) => {
            judge.whole().planned("(none)").differs("a new user namespace is planned without maps");
        }
        (NamespaceSource::Host, _) => match host {
            Ok(host) => judge.whole().equal(&sorted(host), &observed, |lines| show(lines)),
            Err(why) => judge.whole().planned("the host's").unknown(why.to_string()),
        },
        // Whose map it is, is said by the identity of the joined namespace.
        (NamespaceSource::Join(_), None) => {}
    }
}

pub(super) fn uid_map(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let host = observation.observer.uid_map.clone();
    compare_map(plan, |maps| &maps.uids, &observation.uid_map, host, judge);
}

pub(super) fn gid_map(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let host = observation.observer.gid_map.clone();
    compare_map(plan, |maps| &maps.gids, &observation.gid_map, host, judge);
}

pub(super) fn setgroups(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let (NamespaceSource::New, Some(maps)) = (&plan.namespaces.user, &plan.namespaces.id_maps) else {
        return;
    };
    let word = |state: &SetgroupsState| match state {
        SetgroupsState::Allow => "allow",
        SetgroupsState::Deny => "deny",
    };
    let planned = match maps.setgroups {
        Setgroups::Allow => SetgroupsState::Allow,
        Setgroups::Deny => SetgroupsState::Deny,
    };
    let item = judge.whole().planned(word(&planned));
    match &observation.setgroups {
        Err(why) => item.unknown(why.to_string()),
        Ok(observed) if *observed == planned => item.holds(word(observed)),
        // A namespace made inside one that denies it denies it too.
        Ok(SetgroupsState::Deny) => item.holds_with("deny", "stricter than planned"),
        Ok(SetgroupsState::Allow) => item.differs("allow"),
    }
}
