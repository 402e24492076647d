//! Scheduling, keyring and execution domain of the container's process.

use std::ffi::CString;
use std::io;

use cofferdam_confinement::{IoClass, MemoryPolicy, NodeMeaning, Plan, Process, SchedulerPolicy};
use cofferdam_kernel::task::{
    SchedAttr, join_new_session_keyring, set_io_priority, set_memory_policy, set_personality, set_scheduler,
};

use crate::step::{Step, StepError};

/// Applies what needs rights that the container's own credentials lack.
pub(crate) fn apply(plan: &Plan, process: &Process) -> Result<(), StepError> {
    if plan.session_keyring {
        Step::Keyring.apply("", || {
            let name = CString::new(format!("_ses.{}", plan.container)).map_err(io::Error::other)?;
            match join_new_session_keyring(&name) {
                // A kernel without keyrings has none to keep from the container.
                Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
                other => other,
            }
        })?;
    }
    if let Some(persona) = plan.personality {
        Step::Personality.apply(format_args!("{persona:#x}"), || set_personality(persona))?;
    }
    if let Some(policy) = &plan.memory_policy {
        Step::MemoryPolicy.apply(policy.mode.name(), || apply_memory_policy(policy))?;
    }
    if let Some(scheduler) = &process.scheduler {
        let attr = SchedAttr {
            policy: policy_number(scheduler.policy),
            flags: scheduler.flags,
            nice: scheduler.nice,
            priority: scheduler.priority,
            runtime: scheduler.runtime,
            deadline: scheduler.deadline,
            period: scheduler.period,
            ..SchedAttr::default()
        };
        Step::Scheduler.apply(format_args!("{:?}", scheduler.policy), || {
            set_scheduler(attr).map_err(|error| explain(error, plan.cgroup.resources.cpu.cpus.is_some()))
        })?;
    }
    if let Some(priority) = process.io_priority {
        let class = match priority.class {
            IoClass::RealTime => 1,
            IoClass::BestEffort => 2,
            IoClass::Idle => 3,
        };
        Step::IoPriority
            .apply(format_args!("{:?}", priority.class), || set_io_priority(class, priority.level))?;
    }
    Ok(())
}

fn apply_memory_policy(policy: &MemoryPolicy) -> io::Result<()> {
    /// `<linux/mempolicy.h>`
    const STATIC_NODES: u32 = 1 << 15;
    const RELATIVE_NODES: u32 = 1 << 14;
    const NUMA_BALANCING: u32 = 1 << 13;
    let meaning = match policy.meaning {
        None => 0,
        Some(NodeMeaning::Static) => STATIC_NODES,
        Some(NodeMeaning::Relative) => RELATIVE_NODES,
    };
    let balancing = if policy.balancing { NUMA_BALANCING } else { 0 };
    let mut nodes = Vec::new();
    for node in &policy.nodes {
        let word = usize::from(node / 64);
        nodes.resize(nodes.len().max(word + 1), 0_u64);
        nodes[word] |= 1 << (node % 64);
    }
    set_memory_policy(policy.mode.number() | meaning | balancing, &nodes)
}

/// sched_setattr(2), EPERM: a deadline can be kept only by a process that may use every processor.
fn explain(error: io::Error, has_cpuset: bool) -> io::Error {
    if has_cpuset && error.kind() == io::ErrorKind::PermissionDenied {
        let words = format!("process scheduler can't be used together with AllowedCPUs: {error}");
        return io::Error::new(error.kind(), words);
    }
    error
}

/// `SCHED_*` of `<linux/sched.h>`.
fn policy_number(policy: SchedulerPolicy) -> u32 {
    match policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::Rr => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
    }
}
