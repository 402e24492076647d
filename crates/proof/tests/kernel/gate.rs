//! At the gate: the process is stopped at its exec.

use std::path::PathBuf;

use cofferdam_confinement::{
    ClockOffset, Flag, MemoryMode, MemoryPolicy, NamespaceSource, Plan, Propagation, RootSource, Scheduler,
    SchedulerPolicy, Setgroups,
};
use cofferdam_kernel::capability::CapSet;
use cofferdam_proof::{
    Envelope, FilterWitness, Finding, GateError, Moment, Prepared, Receipt, Rule, Verdict, examine,
    narrow_table, witness_of_start,
};

use crate::container::{Bench, gate, subject, verify};

pub fn failing(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.verdict != Verdict::Holds).collect()
}

pub fn everything_holds_at_the_gate() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let receipt = verify(&bench, &subject(&plan, gated.pid(), Moment::Start));
    println!("{}", narrow_table(&receipt.statement.findings));
    assert_eq!(failing(&receipt.statement.findings), Vec::<&Finding>::new());
    let text = serde_json::to_string(&receipt.envelope).unwrap();
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    assert_eq!(envelope.check(&[bench.key.public()]).unwrap(), receipt.statement);
}

type Change = fn(&mut Plan);

fn caps(names: &[&str]) -> CapSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What is asked of a container that was made without it: a plan that the kernel does not fulfil.
const CHANGES: &[(&str, Change)] = &[
    ("namespaces", |plan| plan.namespaces.network = NamespaceSource::Host),
    ("namespaces", |plan| plan.namespaces.ipc = NamespaceSource::Join(PathBuf::from("/proc/self/ns/ipc"))),
    ("uid-map", |plan| plan.namespaces.id_maps.as_mut().unwrap().uids[0].size = 10),
    ("gid-map", |plan| plan.namespaces.id_maps.as_mut().unwrap().gids[0].size = 1000),
    ("setgroups", |plan| {
        plan.namespaces.id_maps.as_mut().unwrap().setgroups = Setgroups::Deny;
    }),
    ("clock-offsets", |plan| {
        plan.namespaces.boottime_offset = Some(ClockOffset { secs: 9, nanosecs: 0 });
    }),
    ("user", |plan| plan.process.user.uid = 5),
    ("group", |plan| plan.process.user.gid = 5),
    ("supplementary-groups", |plan| plan.process.user.additional_gids.clear()),
    ("umask", |plan| plan.process.user.umask = Some(0o077)),
    ("capabilities-bounding", |plan| plan.process.capabilities.bounding = caps(&["CAP_KILL"])),
    ("capabilities-permitted", |plan| plan.process.capabilities.permitted = caps(&["CAP_KILL"])),
    ("capabilities-effective", |plan| {
        plan.process.capabilities.effective = CapSet::EMPTY;
        plan.process.capabilities.permitted = CapSet::EMPTY;
    }),
    ("capabilities-inheritable", |plan| plan.process.capabilities.inheritable = caps(&["CAP_KILL"])),
    ("seccomp-filter", |plan| plan.process.seccomp.as_mut().unwrap().rules.clear()),
    ("apparmor", |plan| plan.process.apparmor_profile = Some("docker-default".to_owned())),
    ("selinux", |plan| plan.process.selinux_label = Some("u:r:container_t:s0".to_owned())),
    ("root", |plan| plan.root.source = RootSource::Directory { path: PathBuf::from("/usr") }),
    ("root", |plan| plan.root.propagation = Propagation::Rshared),
    ("mounts", |plan| plan.mounts[4].flags.noexec = Flag::Set),
    ("mounts", |plan| plan.mounts[5].target = "/opt".parse().unwrap()),
    ("extra-mounts", |plan| drop(plan.mounts.remove(4))),
    ("masked-paths", |plan| plan.masked_paths.push("/proc/version".parse().unwrap())),
    ("readonly-paths", |plan| plan.readonly_paths.push("/tmp".parse().unwrap())),
    ("devices", |plan| plan.devices[0].minor = 7),
    ("extra-devices", |plan| drop(plan.devices.pop())),
    ("hostname", |plan| plan.hostname = Some("elsewhere".to_owned())),
    ("domainname", |plan| plan.domainname = Some("elsewhere".to_owned())),
    ("sysctls", |plan| drop(plan.sysctls.insert("kernel.msgmax".to_owned(), "1".to_owned()))),
    ("net-devices", |plan| drop(plan.net_devices.insert("veth0".to_owned(), "eth0".to_owned()))),
    ("rlimits", |plan| plan.process.rlimits[0].soft = 1),
    ("oom-score-adj", |plan| plan.process.oom_score_adj = Some(1)),
    ("scheduler", |plan| {
        plan.process.scheduler = Some(Scheduler {
            policy: SchedulerPolicy::Batch,
            nice: 0,
            priority: 0,
            flags: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
        });
    }),
    ("personality", |plan| plan.personality = Some(8)),
    ("memory-policy", |plan| {
        let nodes = [0].into();
        plan.memory_policy =
            Some(MemoryPolicy { mode: MemoryMode::Bind, meaning: None, balancing: false, nodes });
    }),
    ("working-directory", |plan| plan.process.cwd = "/usr".parse().unwrap()),
];

/// Each is read back from one process; the plan that it is compared with is another than the one that made it.
pub fn each_control_that_differs_is_named() {
    let bench = Bench::new();
    let made = bench.plan();
    let gated = bench.start(&made);
    for (control, change) in CHANGES {
        let mut plan = bench.plan();
        change(&mut plan);
        let prepared = Prepared::new(&bench.proc, &plan).unwrap();
        let statement = examine(&bench.proc, &subject(&plan, gated.pid(), Moment::Start), &prepared).unwrap();
        let differs = |finding: &Finding| finding.control == *control && finding.verdict == Verdict::Differs;
        assert!(statement.findings.iter().any(differs), "{control}: {:?}", failing(&statement.findings));
        assert_eq!(statement.verdict, Verdict::Differs, "{control}");
    }
    println!("named: {}", CHANGES.iter().map(|(control, _)| *control).collect::<Vec<_>>().join(" "));
}

/// The other way round: what the runtime leaves out is found missing. Then the process is killed by being dropped.
pub fn a_refusal_names_the_control_and_is_signed() {
    let bench = Bench::new();
    let leave_out: &[(&str, Change)] = &[
        ("no-new-privileges", |plan| plan.process.no_new_privileges = false),
        ("seccomp", |plan| plan.process.seccomp = None),
        ("root", |plan| plan.root.readonly = false),
        ("masked-paths", |plan| plan.masked_paths.clear()),
        ("readonly-paths", |plan| plan.readonly_paths.clear()),
        ("capabilities-bounding", |plan| plan.process.capabilities.bounding = CapSet::full()),
        ("loopback", |plan| plan.loopback_up = false),
    ];
    for (control, leave_out) in leave_out {
        let wanted = bench.plan();
        let mut made = bench.plan();
        leave_out(&mut made);
        let gated = bench.start(&made);
        let error = gate(&bench, &gated, &wanted, Rule::Strict).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(control), "{control}: {message}");
        let GateError::Refused { statement, .. } = error else { panic!("{control}: {message}") };
        assert!(failing(&statement.findings).iter().any(|finding| finding.control == *control));
        let receipt = Receipt::seal(*statement, &bench.key).unwrap();
        assert_eq!(receipt.envelope.check(&[bench.key.public()]).unwrap().verdict, Verdict::Differs);
    }
}

/// The filter of an ordinary user's container: known later from the receipt of the start of the same process, and of no other.
pub fn a_witness_is_of_one_process_and_one_host() {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let mut subject = subject(&plan, gated.pid(), Moment::Start);
    let seen = FilterWitness { program: cofferdam_names::Digest::sha256([1; 32]), filters: 1 };
    subject.filter_witness = Some(seen.clone());
    let receipt = verify(&bench, &subject);
    let text = serde_json::to_vec(&receipt.envelope).unwrap();
    let key = bench.key.public();
    assert_eq!(witness_of_start(&text, key, &bench.proc, gated.pid()), Some(seen));
    assert_eq!(witness_of_start(&text, key, &bench.proc, rustix::process::getpid()), None);
    assert_eq!(witness_of_start(&text, Bench::new().key.public(), &bench.proc, gated.pid()), None);
    assert_eq!(witness_of_start(b"{}", key, &bench.proc, gated.pid()), None);
}
