//! What the gate costs.

use std::time::{Duration, Instant};

use cofferdam_proof::{Moment, Prepared, Rule, compare, examine, observe, plan_digest};

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
