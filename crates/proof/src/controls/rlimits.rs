//! Resource limits: the planned ones; what the plan does not name is inherited.

use super::View;
use crate::judge::Judge;
use crate::observation::Moment;

pub(super) fn compare(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let number = |value: u64| if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() };
    let show = |soft, hard| format!("{}:{}", number(soft), number(hard));
    for planned in &plan.process.rlimits {
        let item = judge.item(planned.resource.name()).planned(show(planned.soft, planned.hard));
        let limits = match &observation.limits {
            Ok(limits) => limits,
            Err(why) => {
                item.unknown(why.to_string());
                continue;
            }
        };
        let Some(found) = limits.iter().find(|limit| limit.resource == planned.resource) else {
            item.unknown("this kernel does not tell this limit");
            continue;
        };
        let seen = show(found.soft, found.hard);
        if (found.soft, found.hard) == (planned.soft, planned.hard) {
            item.holds(seen);
        } else if observation.moment == Moment::Verify && found.hard <= planned.hard {
            // setrlimit(2): a process may lower its hard limit, and move its soft one below it.
            item.holds_with(seen, "changed by the container itself, below its hard limit");
        } else {
            item.differs(seen);
        }
    }
}
