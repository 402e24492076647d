//! What the gate costs.

use std::time::{Duration, Instant};

use cofferdam_proof::{
    ContainerReading, Moment, Prepared, Rule, Terms, compare, examine, observe, plan_digest,
};

use crate::container::{Bench, gate, subject};

/// Prints the medians; fails only where the gate is far over its budget, since the machine may be busy.
pub fn the_gate_is_fast() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let subject = subject(&plan, gated.pid(), Moment::Start);
    let whole = median(|| drop(gate(&bench, &gated, &plan, Rule::Strict).unwrap()));
    let preparing = median(|| drop(Prepared::new(&bench.proc, &plan).unwrap()));
    let prepared = Prepared::new(&bench.proc, &plan).unwrap();
    let examining = median(|| drop(examine(&bench.proc, &subject, &prepared).unwrap()));
    let read = median(|| drop(observe(&bench.proc, &subject, &prepared).unwrap()));
    let observation = observe(&bench.proc, &subject, &prepared).unwrap();
    let judge = median(|| drop(compare(&plan, &observation)));
    let digest = median(|| drop(plan_digest(&plan).unwrap()));
    let group = gated.group().group();
    let ahead = || ContainerReading::ahead(&bench.proc, &plan, gated.pid(), group, &prepared).unwrap();
    let reading_ahead = median(|| drop(ahead()));
    let terms = Terms { plan: &plan, prepared: &prepared, group, preserved_fds: 0, rule: Rule::Strict };
    let mut read_ahead: Vec<_> = (0..101).map(|_| ahead()).collect();
    let keeping_waiting = median(|| {
        let ahead = read_ahead.pop().flatten();
        drop(cofferdam_proof::gate(&bench.proc, &gated, &terms, ahead).unwrap());
    });
    println!("while the program is executed {reading_ahead:?}, then while it waits {keeping_waiting:?}");
    println!("preparing {preparing:?}, examining {examining:?}");
    println!("gate {whole:?}: reading {read:?}, comparing {judge:?}, digest of the plan {digest:?}");
    assert!(whole < Duration::from_millis(20), "{whole:?}");
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[50]
}
