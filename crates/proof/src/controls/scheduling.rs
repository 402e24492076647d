//! How the process is treated beside others: out-of-memory score, scheduling, I/O priority, execution domain.

use cofferdam_confinement::{IoClass, MemoryMode, MemoryPolicy, NodeMeaning, SchedulerPolicy};
use cofferdam_kernel::task::SchedAttr;

use super::View;
use crate::judge::Judge;
use crate::observation::{Moment, Scope};

pub(super) fn oom_score_adj(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(planned) = plan.process.oom_score_adj else { return };
    let item = judge.whole().planned(planned.to_string());
    match &observation.oom_score_adj {
        Err(why) => item.unknown(why.to_string()),
        Ok(observed) if *observed == planned => item.holds(observed.to_string()),
        // proc_pid_oom_score_adj(5): raising it is free, lowering it below the start's value is not.
        Ok(observed) if observation.moment == Moment::Verify && *observed > planned => {
            item.holds_with(observed.to_string(), "raised by the container itself: it is killed the sooner");
        }
        Ok(observed) => item.differs(observed.to_string()),
    }
}

/// The processors that an entering process was bound to. Its cgroup's cpuset may leave fewer of them; a running process may
/// change them as far as its cpuset lets it.
pub(super) fn affinity(view: &View<'_>, judge: &mut Judge) {
    let observation = view.observation;
    let planned = view.plan.process.cpu_affinity.as_ref().and_then(|affinity| affinity.last.as_deref());
    let (Some(planned), Scope::Entered, Moment::Start) = (planned, observation.scope, observation.moment)
    else {
        return;
    };
    let item = judge.whole().planned(planned);
    let wanted = cofferdam_runtime::cpu_list(planned);
    match (&observation.affinity, wanted) {
        (Err(why), _) => item.unknown(why.to_string()),
        (_, None) => item.unknown("the plan's list names no processors"),
        (Ok(observed), Some(wanted)) => {
            let seen = observed.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            if *observed == wanted {
                item.holds(seen);
            } else if observed.iter().all(|cpu| wanted.contains(cpu)) {
                item.holds_with(seen, "stricter: its cpuset or the machine has no more of them");
            } else {
                item.differs(seen);
            }
        }
    }
}

/// `SCHED_*` (sched(7)).
const fn policy_number(policy: SchedulerPolicy) -> u32 {
    match policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::Rr => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
    }
}

/// What of the attributes means something under their policy.
fn show_scheduler(attr: &SchedAttr) -> String {
    match attr.policy {
        0 | 3 => format!("policy {}, nice {}", attr.policy, attr.nice),
        1 | 2 => format!("policy {}, priority {}", attr.policy, attr.priority),
        6 => format!("policy 6, {}/{}/{} ns", attr.runtime, attr.deadline, attr.period),
        other => format!("policy {other}"),
    }
}

/// Compared at the start only: a running process may change it as far as the kernel lets it.
pub(super) fn scheduler(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(planned) = &plan.process.scheduler else { return };
    if observation.moment == Moment::Verify {
        return;
    }
    let planned = show_scheduler(&SchedAttr {
        size: 0,
        policy: policy_number(planned.policy),
        flags: planned.flags,
        nice: planned.nice,
        priority: planned.priority,
        runtime: planned.runtime,
        deadline: planned.deadline,
        period: planned.period,
    });
    let observed = observation.scheduler.as_ref().map(show_scheduler).map_err(Clone::clone);
    judge.whole().equal(&planned, &observed, Clone::clone);
}

/// Compared at the start only, as scheduling is.
pub(super) fn io_priority(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(planned) = plan.process.io_priority else { return };
    if observation.moment == Moment::Verify {
        return;
    }
    let class: u16 = match planned.class {
        IoClass::RealTime => 1,
        IoClass::BestEffort => 2,
        IoClass::Idle => 3,
    };
    let value = (class << 13) | u16::from(planned.level);
    judge.whole().equal(&value, &observation.io_priority, |value| {
        format!("class {}, level {}", value >> 13, value & 7)
    });
}

/// Compared at the start only: personality(2) is open to every process unless its filter closes it.
pub(super) fn personality(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(planned) = plan.personality else { return };
    if observation.moment == Moment::Verify {
        return;
    }
    judge.whole().equal(&planned, &observation.personality, |value| format!("{value:#x}"));
}

/// Compared at the start only, as scheduling is.
pub(super) fn memory_policy(view: &View<'_>, judge: &mut Judge) {
    let (plan, observation) = (view.plan, view.observation);
    let Some(planned) = &plan.memory_policy else { return };
    if observation.moment == Moment::Verify {
        return;
    }
    let list = planned.nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let wanted = format!("{} {list}", policy_words(planned));
    let item = judge.whole().planned(wanted.trim_end());
    let observed = match &observation.memory_policy {
        Err(why) => return item.unknown(why.to_string()),
        Ok(None) => return item.unknown("it has no memory"),
        Ok(Some(observed)) => observed,
    };
    let (words, nodes) = observed.split_once(':').unwrap_or((observed, ""));
    let seen = if nodes.is_empty() { Some(Vec::new()) } else { cofferdam_runtime::cpu_list(nodes) };
    let is_planned = |node: &usize| planned.nodes.iter().any(|planned| usize::from(*planned) == *node);
    match seen {
        Some(seen) if words != policy_words(planned) || seen.is_empty() != planned.nodes.is_empty() => {
            item.differs(observed.clone());
        }
        Some(_) if planned.meaning == Some(NodeMeaning::Relative) => {
            item.holds_with(observed.clone(), "its nodes are counted within the cpuset");
        }
        Some(seen) if !seen.iter().all(is_planned) => item.differs(observed.clone()),
        Some(seen) if seen.len() < planned.nodes.len() => {
            item.holds_with(observed.clone(), "stricter: its cpuset or the machine has no more of them");
        }
        Some(_) => item.holds(observed.clone()),
        None => item.unknown(format!("no list of nodes: {observed}")),
    }
}

/// As the kernel words a policy, without its nodes.
fn policy_words(policy: &MemoryPolicy) -> String {
    let mode = match policy.mode {
        MemoryMode::Default => "default",
        MemoryMode::Preferred => "prefer",
        MemoryMode::Bind => "bind",
        MemoryMode::Interleave => "interleave",
        MemoryMode::Local => "local",
        MemoryMode::PreferredMany => "prefer (many)",
        MemoryMode::WeightedInterleave => "weighted interleave",
    };
    let meaning = policy.meaning.map(|meaning| match meaning {
        NodeMeaning::Static => "static",
        NodeMeaning::Relative => "relative",
    });
    let flags: Vec<&str> = meaning.into_iter().chain(policy.balancing.then_some("balancing")).collect();
    if flags.is_empty() { mode.to_owned() } else { format!("{mode}={}", flags.join("|")) }
}
