//! Who the process is: user, group, supplementary groups, umask.

use cofferdam_confinement::{NamespaceSource, Plan, Setgroups};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::proc::{IdMapLine, Ids};

use super::View;
use crate::judge::Judge;
use crate::observation::{Moment, Observation, Reading, Unreadable};

/// The ids as the observer sees them, behind the container's own.
pub(super) struct Outside<'a> {
    plan: &'a Plan,
    planned: fn(&cofferdam_confinement::IdMaps, u32) -> Option<u32>,
    observed: &'a Reading<Vec<IdMapLine>>,
}

impl Outside<'_> {
    pub(super) fn of(&self, id: u32) -> Reading<u32> {
        let found = match (&self.plan.namespaces.user, &self.plan.namespaces.id_maps) {
            (NamespaceSource::Host, _) => Some(id),
            (NamespaceSource::New | NamespaceSource::Join(_), Some(maps)) => (self.planned)(maps, id),
            (NamespaceSource::New, None) => None,
            (NamespaceSource::Join(_), None) => self.observed.clone()?.iter().find_map(|line| {
                let offset = id.checked_sub(line.inside)?;
                (offset < line.size).then(|| line.outside.checked_add(offset)).flatten()
            }),
        };
        found.ok_or_else(|| Unreadable(format!("no id of the host stands behind {id}")))
    }

    /// Whether the id of the host belongs to the container's map.
    fn has(&self, id: u32) -> bool {
        self.observed.as_ref().is_ok_and(|lines| {
            lines.iter().any(|line| id.checked_sub(line.outside).is_some_and(|offset| offset < line.size))
        })
    }
}

fn uids<'a>(plan: &'a Plan, observation: &'a Observation) -> Outside<'a> {
    Outside { plan, planned: |maps, id| maps.host_uid(id), observed: &observation.uid_map }
}

pub(super) fn gids<'a>(plan: &'a Plan, observation: &'a Observation) -> Outside<'a> {
    Outside { plan, planned: |maps, id| maps.host_gid(id), observed: &observation.gid_map }
}

fn compare_ids(id: u32, outside: &Outside<'_>, observed: Reading<Ids>, may_change: bool, judge: &mut Judge) {
    let expected = outside.of(id);
    let item = judge.whole().planned(match &expected {
        Ok(host) if *host == id => format!("{id}"),
        Ok(host) => format!("{id} (host {host})"),
        Err(_) => format!("{id}"),
    });
    let (expected, observed) = match (expected, observed) {
        (Ok(expected), Ok(observed)) => (expected, observed),
        (Err(why), _) | (_, Err(why)) => return item.unknown(why.to_string()),
    };
    let Ids { real, effective, saved, filesystem } = observed;
    let all = [real, effective, saved, filesystem];
    if all.iter().all(|id| *id == expected) {
        return item.holds(format!("host {expected}"));
    }
    let seen = format!("real {real}, effective {effective}, saved {saved}, file system {filesystem}");
    if may_change && all.iter().all(|id| outside.has(*id)) {
        item.holds_with(seen, "changed by the container itself, within its own ids");
    } else {
        item.differs(seen);
    }
}

/// A running process with this capability may change its ids to any of its user namespace's.
fn may_change(plan: &Plan, observation: &Observation, capability: &str) -> bool {
    observation.moment == Moment::Verify
        && capability
            .parse::<Capability>()
            .is_ok_and(|capability| plan.process.capabilities.permitted.contains(capability))
}

pub(super) fn user(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = observation.status.clone().map(|status| status.uid);
    let may = may_change(plan, observation, "CAP_SETUID");
    compare_ids(plan.process.user.uid, &uids(plan, observation), observed, may, judge);
}

pub(super) fn group(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = observation.status.clone().map(|status| status.gid);
    let may = may_change(plan, observation, "CAP_SETGID");
    compare_ids(plan.process.user.gid, &gids(plan, observation), observed, may, judge);
}

pub(super) fn groups(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let outside = gids(plan, observation);
    let denied = matches!((&plan.namespaces.user, &plan.namespaces.id_maps),
        (NamespaceSource::New, Some(maps)) if maps.setgroups == Setgroups::Deny);
    // Where setgroups(2) is denied the caller's own groups cannot be dropped, and none can be added.
    let (planned, expected): (String, Reading<Vec<u32>>) = if denied {
        ("the caller's (setgroups is denied)".to_owned(), observation.observer.groups.clone())
    } else {
        let ids = &plan.process.user.additional_gids;
        (show(ids), ids.iter().map(|gid| outside.of(*gid)).collect())
    };
    let item = judge.whole().planned(planned);
    let (expected, observed) = match (expected, &observation.status) {
        (Ok(expected), Ok(status)) => (normal(expected), normal(status.groups.clone())),
        (Err(why), _) => return item.unknown(why.to_string()),
        (_, Err(why)) => return item.unknown(why.to_string()),
    };
    let extra = observed.iter().any(|gid| !expected.contains(gid));
    if observed == expected {
        item.holds(show(&observed));
    } else if observation.moment == Moment::Verify
        && (!extra
            || (may_change(plan, observation, "CAP_SETGID") && observed.iter().all(|gid| outside.has(*gid))))
    {
        item.holds_with(show(&observed), "changed by the container itself, within its own ids");
    } else {
        item.differs(show(&observed));
    }
}

fn normal(mut ids: Vec<u32>) -> Vec<u32> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn show(ids: &[u32]) -> String {
    if ids.is_empty() {
        return "none".to_owned();
    }
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Compared at the start only: the container's programs choose their own later.
pub(super) fn umask(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    if observation.moment == Moment::Verify {
        return;
    }
    let planned = plan.process.user.umask.unwrap_or(0o022);
    let observed = observation.status.clone().and_then(|status| {
        status.umask.ok_or_else(|| Unreadable("the process has given up its umask: it is ending".to_owned()))
    });
    judge.whole().equal(&planned, &observed, |mask| format!("{mask:04o}"));
}
