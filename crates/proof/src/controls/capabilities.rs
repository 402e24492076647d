//! The five capability sets (capabilities(7)).
//!
//! execve(2) itself changes permitted, effective and ambient: a program of root's gets permitted from the bounding
//! set unless no_new_privs is set, another user's program keeps only the ambient ones. So these three may be
//! smaller than planned, and without no_new_privs as large as bounding and inheritable together; never larger.

use cofferdam_confinement::Plan;
use cofferdam_kernel::capability::CapSet;

use super::View;
use crate::judge::Judge;
use crate::observation::{Moment, Observation, Reading};

fn show(set: CapSet) -> String {
    if set.is_empty() {
        return "none".to_owned();
    }
    if set == CapSet::full() {
        return "all".to_owned();
    }
    let named: CapSet = set.iter().collect();
    let mut words: Vec<String> =
        set.iter().map(|capability| capability.name().trim_start_matches("CAP_").to_lowercase()).collect();
    let unnamed = set.difference(named).bits();
    if unnamed != 0 {
        words.push(format!("{unnamed:#x}"));
    }
    words.join(" ")
}

fn of(observation: &Observation, pick: fn(&cofferdam_kernel::proc::Status) -> CapSet) -> Reading<CapSet> {
    observation.status.as_ref().map(pick).map_err(Clone::clone)
}

/// A set that execve does not change: it is what was set. Later the process may have dropped some.
fn fixed(planned: CapSet, observed: Reading<CapSet>, moment: Moment, judge: &mut Judge) {
    let item = judge.whole().planned(show(planned));
    match observed {
        Err(why) => item.unknown(why.to_string()),
        Ok(observed) if observed == planned => item.holds(show(observed)),
        Ok(observed) if moment == Moment::Verify && observed.is_subset(planned) => {
            item.holds_with(show(observed), "stricter: the container has dropped some");
        }
        Ok(observed) => item.differs(show(observed)),
    }
}

/// A set that execve may have changed: `ceiling` is the most that it can have become.
fn within(planned: CapSet, ceiling: CapSet, observed: Reading<CapSet>, judge: &mut Judge) {
    let item = judge.whole().planned(show(planned));
    match observed {
        Err(why) => item.unknown(why.to_string()),
        Ok(observed) if observed == planned => item.holds(show(observed)),
        Ok(observed) if observed.is_subset(planned) => {
            item.holds_with(show(observed), "stricter than planned");
        }
        Ok(observed) if observed.is_subset(ceiling) => {
            item.holds_with(
                show(observed),
                "gained by execve within the bounding set, as planned without no_new_privs",
            );
        }
        Ok(observed) => item.differs(show(observed)),
    }
}

/// What execve can give at most.
fn ceiling(plan: &Plan) -> CapSet {
    let sets = &plan.process.capabilities;
    if plan.process.no_new_privileges {
        sets.permitted
    } else {
        sets.permitted.union(sets.bounding).union(sets.inheritable)
    }
}

pub(super) fn bounding(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = of(observation, |status| status.cap_bounding);
    fixed(plan.process.capabilities.bounding, observed, observation.moment, judge);
}

/// CVE-2022-29162: capabilities that a runtime leaves in the inheritable set come back through files.
pub(super) fn inheritable(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = of(observation, |status| status.cap_inheritable);
    fixed(plan.process.capabilities.inheritable, observed, observation.moment, judge);
}

pub(super) fn permitted(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = of(observation, |status| status.cap_permitted);
    within(plan.process.capabilities.permitted, ceiling(plan), observed, judge);
}

pub(super) fn effective(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = of(observation, |status| status.cap_effective);
    within(plan.process.capabilities.effective, ceiling(plan), observed, judge);
}

pub(super) fn ambient(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let observed = of(observation, |status| status.cap_ambient);
    let planned = plan.process.capabilities.ambient;
    // A running process may raise what it has both permitted and inheritable.
    let later = plan.process.capabilities.inheritable.intersection(ceiling(plan));
    let ceiling = if observation.moment == Moment::Verify { planned.union(later) } else { planned };
    within(planned, ceiling, observed, judge);
}
