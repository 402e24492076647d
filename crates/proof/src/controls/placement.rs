//! The control group: its limits, and that the process is in it in every hierarchy.

use cofferdam_confinement::Cgroup;
use cofferdam_runtime::cgroup::{Group, Observation as Value};
use rustix::process::Pid;

use super::View;
use crate::finding::Finding;
use crate::judge::Judge;
use crate::observation::{Reading, read_limits, read_membership};

fn each(values: &Reading<Vec<Value>>, judge: &mut Judge) {
    match values {
        Err(why) => judge.whole().planned("as in the plan").unknown(why.to_string()),
        Ok(values) => {
            for value in values {
                let item = judge.item(value.control.as_str()).planned(value.planned.as_str());
                if value.holds() {
                    item.holds(value.observed.as_str());
                } else {
                    item.differs(value.observed.as_str());
                }
            }
        }
    }
}

/// In every hierarchy that the host has: in one of several a process could be left out, and its limits there with it. It
/// may be deeper than planned: the groups above limit it as well.
pub(super) fn membership(view: &View<'_>, judge: &mut Judge) {
    each(&view.observation.group.membership, judge);
}

pub(super) fn limits(view: &View<'_>, judge: &mut Judge) {
    each(&view.observation.group.limits, judge);
}

/// The findings of both for a group and the process `pid` alone. `group` is none where it could not be opened.
#[must_use]
pub fn compare_group(planned: &Cgroup, group: Option<&Group>, pid: Pid) -> Vec<Finding> {
    let findings = |control, values: &Reading<Vec<Value>>| {
        let mut judge = Judge::new(control);
        each(values, &mut judge);
        judge.into_findings()
    };
    let (limits, membership) = (read_limits(planned, group), read_membership(planned, group, pid));
    [findings("cgroup-limits", &limits), findings("cgroup", &membership)].concat()
}
