//! Clock offsets of a new time namespace.

use cofferdam_confinement::ClockOffset;

use super::View;
use crate::judge::Judge;

pub(super) fn compare(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
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
