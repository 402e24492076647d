//! Names and kernel parameters that belong to the container's namespaces.

use cofferdam_confinement::Plan;
use cofferdam_kernel::capability::Capability;

use crate::judge::Judge;
use crate::observation::{Inside, Moment, Observation};

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

pub(super) fn hostname(plan: &Plan, observation: &Observation, judge: &mut Judge) {
    name(plan, observation, plan.hostname.as_ref(), |inside| &inside.hostname, judge);
}

pub(super) fn domainname(plan: &Plan, observation: &Observation, judge: &mut Judge) {
    name(plan, observation, plan.domainname.as_ref(), |inside| &inside.domainname, judge);
}

/// The kernel separates several numbers with tabs, people with spaces.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn sysctls(plan: &Plan, observation: &Observation, judge: &mut Judge) {
    for (name, planned) in &plan.sysctls {
        let planned = normal(planned);
        let item = judge.item(name.as_str()).planned(planned.as_str());
        match observation.inside.as_ref().map(|inside| inside.sysctls.get(name)) {
            Err(why) => item.unknown(why.to_string()),
            Ok(Some(Some(observed))) if normal(observed) == planned => item.holds(normal(observed)),
            Ok(Some(Some(observed))) => item.differs(normal(observed)),
            Ok(Some(None) | None) => item.unknown("the parameter could not be read"),
        }
    }
}
