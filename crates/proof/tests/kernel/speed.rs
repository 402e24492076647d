//! What the gate costs.

use std::time::{Duration, Instant};

use cofferdam_proof::{Moment, Prepared, compare, examine, gate, observe, plan_digest};

use crate::container::{Bench, subject};

/// Prints the medians; fails only where the gate is far over its budget, since the machine may be busy.
pub fn the_gate_is_fast() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let subject = subject(&plan, gated.pid(), Moment::Start);
    let whole = median(|| drop(gate(&bench.proc, &subject, &bench.key).unwrap()));
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
    times[20]
}

pub fn parts() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let p = bench.proc.process(gated.pid()).unwrap();
    macro_rules! t {
        ($n:expr, $e:expr) => {
            println!("{:20} {:?}", $n, median(|| drop($e)))
        };
    }
    t!("status", p.status());
    t!("stat", p.stat());
    t!("uid_map", p.uid_map());
    t!("mountinfo", p.mountinfo());
    t!("limits", p.limits());
    t!("descriptors", p.descriptors());
    t!("cgroup", p.cgroup());
    t!("oom", p.oom_score_adj());
    t!("ns", p.namespace(cofferdam_kernel::namespace::Namespace::User));
    t!("link exe", p.link("exe"));
    t!("open link", p.open_link("exe"));
    t!("fib", p.read("net/fib_trie"));
    t!("security", p.security_label());
    t!("apparmor", p.apparmor_label());
    t!("process", bench.proc.process(gated.pid()));
    t!("filter", cofferdam_kernel::seccomp::read_filter(gated.pid(), 0));
    t!("sysctl", bench.proc.sysctl("kernel.hostname"));
    t!("getpid", rustix::process::getppid());
    t!("openclose", std::fs::File::open("/dev/null"));
}
pub fn signing() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let subject = subject(&plan, gated.pid(), Moment::Start);
    let r = gate(&bench.proc, &subject, &bench.key).unwrap();
    let bytes = serde_json::to_vec(&r.statement).unwrap();
    macro_rules! t {
        ($n:expr, $e:expr) => {
            println!("{:20} {:?}", $n, median(|| drop($e)))
        };
    }
    t!("json", serde_json::to_vec(&r.statement));
    t!("sign", bench.key.sign(&bytes));
    t!("seal", cofferdam_proof::Envelope::seal(&bytes, &bench.key));
    t!("host", cofferdam_proof::Host::read(&bench.proc));
    let s = policy_profile();
    t!("compile", cofferdam_confinement::seccomp::compile(&s, cofferdam_confinement::seccomp::Arch::X86_64));
    println!("{} bytes", bytes.len());
}
fn policy_profile() -> cofferdam_confinement::seccomp::Profile {
    let mut p = crate::container::profile();
    let mut names: Vec<String> = Vec::new();
    for n in 0..400u32 {
        if let Some(s) =
            cofferdam_confinement::seccomp::syscall_name(cofferdam_confinement::seccomp::Arch::X86_64, n)
        {
            names.push(s.to_string());
        }
    }
    p.rules[0].names = names;
    p
}
