//! Names and kernel parameters that belong to the container's namespaces.

use cofferdam_confinement::Plan;
use cofferdam_kernel::capability::Capability;

use super::View;
use super::credentials::gids;
use crate::judge::Judge;
use crate::observation::{Inside, Moment, Observation, Reading, Unreadable};

/// A running process with CAP_SYS_ADMIN may rename its own UTS namespace.
fn may_rename(plan: &Plan, observation: &Observation) -> bool {
    observation.moment == Moment::Verify
        && plan.namespaces.uts.is_new()
        && plan.process.capabilities.permitted.contains(Capability::SYS_ADMIN)
}

fn name(
    plan: &Plan,
    observation: &Observation,
    planned: Option<&String>,
    pick: fn(&Inside) -> &String,
    judge: &mut Judge,
) {
    let Some(planned) = planned else { return };
    let item = judge.whole().planned(planned.as_str());
    match observation.inside.as_ref().map(pick) {
        Err(why) => item.unknown(why.to_string()),
        Ok(observed) if observed == planned => item.holds(observed.as_str()),
        Ok(observed) if may_rename(plan, observation) => {
            item.holds_with(observed.as_str(), "renamed by the container itself, which may");
        }
        Ok(observed) => item.differs(observed.as_str()),
    }
}

pub(super) fn hostname(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    name(plan, observation, plan.hostname.as_ref(), |inside| &inside.hostname, judge);
}

pub(super) fn domainname(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    name(plan, observation, plan.domainname.as_ref(), |inside| &inside.domainname, judge);
}

/// The kernel separates several numbers with tabs, people with spaces.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The one parameter whose numbers are group ids: a reader outside of the user namespace sees the host's.
const PING_GROUPS: &str = "net.ipv4.ping_group_range";

/// The planned value as it reads from where it was read.
fn expected(
    name: &str,
    planned: &str,
    own_ids: bool,
    plan: &Plan,
    observation: &Observation,
) -> Reading<String> {
    if name != PING_GROUPS || own_ids {
        return Ok(normal(planned));
    }
    let outside = gids(plan, observation);
    let ids = planned.split_whitespace().map(|word| {
        let id = word.parse().map_err(|_| Unreadable(format!("{word:?} is no group id")))?;
        outside.of(id).map(|id| id.to_string())
    });
    Ok(ids.collect::<Reading<Vec<_>>>()?.join(" "))
}

pub(super) fn sysctls(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    for (name, planned) in &plan.sysctls {
        let item = judge.item(name.as_str()).planned(normal(planned));
        let inside = match &observation.inside {
            Ok(inside) => inside,
            Err(why) => {
                item.unknown(why.to_string());
                continue;
            }
        };
        let Some(Some(observed)) = inside.sysctls.get(name) else {
            item.unknown("the parameter could not be read");
            continue;
        };
        match expected(name, planned, inside.own_ids, plan, observation) {
            Ok(expected) if expected == normal(observed) => item.holds(normal(observed)),
            Ok(_) => item.differs(normal(observed)),
            Err(why) => item.unknown(why.to_string()),
        }
    }
}
