//! Later, while the container runs.

use std::process::Command;

use cofferdam_confinement::Plan;
use cofferdam_proof::{Finding, Moment, Rule, Statement, Verdict};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::container::{Bench, gate, subject, verify};
use crate::gate::failing;

fn look(bench: &Bench, plan: &Plan, pid: Pid) -> Statement {
    verify(bench, &subject(plan, pid, Moment::Verify)).statement
}

/// Runs a command of the host's inside namespaces of the process.
fn by_hand(pid: Pid, namespaces: &str, command: &str) {
    let status = Command::new("nsenter")
        .args(["-t", &pid.as_raw_nonzero().to_string(), namespaces])
        .args(["sh", "-c", command])
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
}

fn with_running(body: impl FnOnce(&Bench, &Plan, Pid)) {
    let bench = Bench::new();
    let plan = bench.plan();
    let gated = bench.start(&plan);
    let passed = gate(&bench, &gated, &plan, Rule::Strict).unwrap();
    let running = gated.release(passed.permit).unwrap();
    body(&bench, &plan, running.pid);
    pidfd_send_signal(&running.pidfd, Signal::KILL).unwrap();
    waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&running.pidfd)), WaitIdOptions::EXITED).unwrap();
}

pub fn everything_holds_while_it_runs() {
    with_running(|bench, plan, pid| {
        let statement = look(bench, plan, pid);
        assert_eq!(failing(&statement.findings), Vec::<&Finding>::new());
        // It was stopped for the reading of its filter, and goes on.
        let status = bench.proc.process(pid).unwrap().status().unwrap();
        assert!(matches!(status.state, b'S' | b'R') && status.tracer_pid == 0, "{status:?}");
    });
}

/// Each change is made by the host's root, on the running container; the controls named are exactly those.
pub fn drift_by_hand_is_named() {
    let changes: [(&str, &str, &str); 5] = [
        ("extra-mounts", "-m", "mount -t tmpfs drift /tmp"),
        ("mounts", "-m", "mount -o remount,bind,rw,dev /usr"),
        ("masked-paths", "-m", "umount /proc/irq"),
        ("hostname", "-u", "hostname drifted"),
        ("sysctls", "-n", "echo 50 > /proc/sys/net/ipv4/ip_unprivileged_port_start"),
    ];
    for (control, namespaces, command) in changes {
        with_running(|bench, plan, pid| {
            by_hand(pid, namespaces, command);
            let statement = look(bench, plan, pid);
            let named: Vec<&str> =
                failing(&statement.findings).iter().map(|finding| finding.control.as_str()).collect();
            assert!(named.contains(&control), "{control}: {:?}", failing(&statement.findings));
            assert_eq!(statement.verdict, Verdict::Differs, "{control}");
            println!("{command}: {}", named.join(" "));
        });
    }
}
