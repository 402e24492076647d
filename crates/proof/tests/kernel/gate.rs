//! At the gate: the process is stopped at its exec.

use cofferdam_confinement::{Plan, Propagation, Scheduler, SchedulerPolicy};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_proof::{Envelope, Finding, GateError, Moment, Verdict, gate, narrow_table, verify};

use crate::container::{Bench, subject};

fn failing(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.verdict != Verdict::Holds).collect()
}

pub fn everything_holds_at_the_gate() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let receipt = verify(&bench.proc, &subject(&plan, gated.pid(), Moment::Start), &bench.key).unwrap();
    println!("{}", narrow_table(&receipt.statement.findings));
    assert_eq!(failing(&receipt.statement.findings), Vec::<&Finding>::new());
    let text = serde_json::to_string(&receipt.envelope).unwrap();
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    assert_eq!(envelope.check(&[bench.key.public()]).unwrap(), receipt.statement);
    println!("receipt: {} bytes", text.len());
}
