//! The system call filter: that one is in force, and that it is the planned one, instruction by instruction.

use cofferdam_confinement::seccomp::Program;
use cofferdam_kernel::proc::SeccompMode;

use super::View;
use crate::judge::Judge;
use crate::observation::{Moment, Observation};

pub(super) fn mode(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let planned = plan.process.seccomp.is_some();
    let item = judge.whole().planned(if planned { "filter" } else { "none" });
    let status = match &observation.status {
        Ok(status) => status,
        Err(why) => return item.unknown(why.to_string()),
    };
    let count = status.seccomp_filters.map_or_else(String::new, |count| format!(", {count} in force"));
    match (status.seccomp, planned) {
        (SeccompMode::Filter, true) => item.holds(format!("filter{count}")),
        (SeccompMode::Disabled, false) => item.holds("none"),
        (SeccompMode::Filter, false) => {
            item.holds_with(format!("filter{count}"), "stricter than planned");
        }
        (SeccompMode::Strict, _) => item.holds_with("strict mode", "stricter than planned"),
        (SeccompMode::Disabled, true) => item.differs("none"),
        (SeccompMode::Other(mode), _) => item.unknown(format!("mode {mode} is not known")),
    }
}

pub(super) fn filter(view: &View<'_>, judge: &mut Judge) {
    let observation = view.observation;
    let Some(planned) = view.filter else { return };
    let item = judge.whole();
    let planned = match planned {
        Ok(planned) => planned,
        Err(why) => return item.planned("a filter").unknown(format!("cannot compile the profile: {why}")),
    };
    let digest = &planned.digest;
    let item = item.planned(format!("{digest}, {} instructions", planned.length));
    match &observation.filters.installed {
        Ok(installed) => {
            let digests: Vec<_> = installed.iter().map(Program::digest).collect();
            let found = digests.contains(digest);
            let seen = match digests.as_slice() {
                [] => "none".to_owned(),
                several => several.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            };
            match (found, installed.len()) {
                (true, 1) => item.holds(seen),
                // Every filter can only take away (seccomp(2)): more of them are stricter.
                (true, _) if observation.moment == Moment::Verify => {
                    item.holds_with(seen, "stricter: the container has added filters");
                }
                (true, _) => item.holds_with(seen, "stricter: a filter of the caller's is in force too"),
                (false, _) => item.differs(seen),
            }
        }
        // Of a process without a filter none can be asked for.
        Err(_) if has_none(observation) => item.differs("none"),
        Err(why) => match &observation.filters.witnessed {
            Some(witness) if witness.program == *digest && still_there(observation, witness.filters) => item
                .holds_with(
                    digest.to_string(),
                    format!("seen by the tracer when it was installed; a filter cannot be removed ({why})"),
                ),
            Some(witness) => {
                item.differs_because(witness.program.to_string(), "as seen when it was installed")
            }
            None => item.unknown(why.to_string()),
        },
    }
}

fn has_none(observation: &Observation) -> bool {
    observation.status.as_ref().is_ok_and(|status| status.seccomp == SeccompMode::Disabled)
}

fn still_there(observation: &Observation, filters: u32) -> bool {
    observation.status.as_ref().is_ok_and(|status| {
        status.seccomp == SeccompMode::Filter && status.seccomp_filters.is_some_and(|count| count >= filters)
    })
}
