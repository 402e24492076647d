//! Clock offsets of a new time namespace.

use cofferdam_confinement::{ClockOffset, Plan};

use crate::judge::Judge;
use crate::observation::Observation;

pub(super) fn compare(plan: &Plan, observation: &Observation, judge: &mut Judge) {
    if !plan.namespaces.time.is_new() {
        return;
    }
    let pair = |offset: &Option<ClockOffset>| offset.map_or((0, 0), |offset| (offset.secs, offset.nanosecs));
    let show = |offset: &(i64, u32)| format!("{} s {} ns", offset.0, offset.1);
    let offsets = &observation.timens_offsets;
    let observed = offsets.clone().map(|offsets| offsets.monotonic);
    judge.item("monotonic").equal(&pair(&plan.namespaces.monotonic_offset), &observed, show);
    let observed = offsets.clone().map(|offsets| offsets.boottime);
    judge.item("boottime").equal(&pair(&plan.namespaces.boottime_offset), &observed, show);
}
