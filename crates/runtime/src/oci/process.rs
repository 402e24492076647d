//! `process`: of a configuration, or on its own for `exec`.

use cofferdam_confinement::{
    Capabilities, CpuAffinity, IdMaps, IoClass, IoPriority, Process, Rlimit, Scheduler, SchedulerPolicy,
    Setgroups, User, WindowSize, resources::NumberList, seccomp::Profile,
};
use cofferdam_kernel::capability::{CapSet, Capability};
use cofferdam_kernel::rlimit::Resource;
use cofferdam_wire_oci as wire;

use super::error::{ConfigError, at};
use super::mounts::no_nul;

/// Converts a process. `field` is where it stands in its document (`process`); `id_maps` are those of the container's
/// user namespace where they are known.
///
/// # Errors
/// If a property cannot be used; with its path, the reason and what to do.
pub fn process(
    field: &str,
    wire: &wire::Process,
    id_maps: Option<&IdMaps>,
    seccomp: Option<Profile>,
    warnings: &mut Vec<String>,
) -> Result<Process, ConfigError> {
    if wire.args.is_empty() {
        return Err(ConfigError::new(
            format!("{field}.args"),
            "args must not be empty: it names the program",
        ));
    }
    for (list, texts) in [("args", &wire.args), ("env", &wire.env)] {
        for (index, text) in texts.iter().enumerate() {
            no_nul(&format!("{field}.{list}[{index}]"), text)?;
        }
    }
    Ok(Process {
        args: wire.args.clone(),
        env: wire.env.clone(),
        cwd: cwd(field, &wire.cwd)?,
        // As runc does: bundles count on it, and the folder is made inside the container's root only.
        create_cwd: true,
        terminal: wire.terminal,
        window: window(field, wire)?,
        user: user(field, &wire.user, id_maps)?,
        capabilities: capabilities(field, wire.capabilities.as_ref(), warnings)?,
        no_new_privileges: wire.no_new_privileges,
        rlimits: rlimits(field, &wire.rlimits)?,
        oom_score_adj: oom_score_adj(field, wire.oom_score_adj)?,
        apparmor_profile: label(&format!("{field}.apparmorProfile"), &wire.apparmor_profile)?,
        selinux_label: label(&format!("{field}.selinuxLabel"), &wire.selinux_label)?,
        scheduler: wire.scheduler.as_ref().map(|wire| scheduler(field, wire)).transpose()?,
        io_priority: wire.io_priority.map(|wire| io_priority(field, wire)).transpose()?,
        cpu_affinity: wire.exec_cpu_affinity.as_ref().map(|wire| cpu_affinity(field, wire)).transpose()?,
        seccomp,
        signals_wait: false,
        interpreter: None,
    })
}

fn cwd(field: &str, text: &str) -> Result<cofferdam_names::ContainerPath, ConfigError> {
    let field = format!("{field}.cwd");
    match text {
        "" => Err(ConfigError::new(field, "Cwd property must not be empty: use \"/\" for the root")),
        relative if !relative.starts_with('/') => {
            Err(ConfigError::new(field, format!("Cwd must be an absolute path, and {relative:?} is not")))
        }
        absolute => absolute.parse().map_err(at(field)),
    }
}

fn window(field: &str, wire: &wire::Process) -> Result<Option<WindowSize>, ConfigError> {
    // Without a terminal the specification has the size ignored.
    let Some(size) = wire.console_size.filter(|_| wire.terminal) else { return Ok(None) };
    let cells = |name: &str, number: u64| {
        u16::try_from(number).map_err(|_| {
            ConfigError::new(
                format!("{field}.consoleSize.{name}"),
                format!("{number} is more than 65535 cells, the most that a terminal has"),
            )
        })
    };
    Ok(Some(WindowSize { rows: cells("height", size.height)?, columns: cells("width", size.width)? }))
}

fn user(field: &str, wire: &wire::User, id_maps: Option<&IdMaps>) -> Result<User, ConfigError> {
    if let Some(umask) = wire.umask.filter(|umask| *umask > 0o777) {
        return Err(ConfigError::new(
            format!("{field}.user.umask"),
            format!("{umask} is more than 511 (octal 777): JSON numbers are decimal"),
        ));
    }
    if let Some(maps) = id_maps {
        let unmapped = |name: String, kind: &str, id: u32| {
            ConfigError::new(
                format!("{field}.user.{name}"),
                format!(
                    "{kind} {id} is not mapped in the container's user namespace: map it, or use another"
                ),
            )
        };
        if maps.host_uid(wire.uid).is_none() {
            return Err(unmapped("uid".to_owned(), "user", wire.uid));
        }
        if maps.host_gid(wire.gid).is_none() {
            return Err(unmapped("gid".to_owned(), "group", wire.gid));
        }
        for (index, gid) in wire.additional_gids.iter().enumerate() {
            if maps.host_gid(*gid).is_none() {
                return Err(unmapped(format!("additionalGids[{index}]"), "group", *gid));
            }
        }
        if maps.setgroups == Setgroups::Deny && !wire.additional_gids.is_empty() {
            return Err(ConfigError::new(
                format!("{field}.user.additionalGids"),
                "cannot set any additional groups in a rootless container with a single id: the kernel denies setgroups(2) there",
            ));
        }
    }
    Ok(User {
        uid: wire.uid,
        gid: wire.gid,
        additional_gids: wire.additional_gids.clone(),
        umask: wire.umask,
    })
}

fn capabilities(
    field: &str,
    wire: Option<&wire::Capabilities>,
    warnings: &mut Vec<String>,
) -> Result<Capabilities, ConfigError> {
    let Some(wire) = wire else { return Ok(Capabilities::default()) };
    let mut unknown = Vec::new();
    let mut set = |names: &[String]| -> CapSet {
        names
            .iter()
            .filter_map(|name| {
                // OCI's spelling only: a lower-case name is a mistake that runc does not take either.
                let known = name.parse::<Capability>().ok().filter(|known| known.name() == name);
                if known.is_none() && !unknown.contains(name) {
                    unknown.push(name.clone());
                }
                known
            })
            .collect()
    };
    let mut capabilities = Capabilities {
        bounding: set(&wire.bounding),
        effective: set(&wire.effective),
        permitted: set(&wire.permitted),
        inheritable: set(&wire.inheritable),
        ambient: set(&wire.ambient),
    };
    if !unknown.is_empty() {
        // config.md lets a runtime go on: the container gets less than was asked for, never more.
        warnings.push(format!("ignoring unknown or unavailable capabilities: [{}]", unknown.join(" ")));
    }
    if !capabilities.effective.is_subset(capabilities.permitted) {
        return Err(ConfigError::new(
            format!("{field}.capabilities.effective"),
            format!(
                "{:?} is effective but not permitted, which no process can have: add it to permitted",
                capabilities.effective.difference(capabilities.permitted)
            ),
        ));
    }
    let raisable = capabilities.permitted.intersection(capabilities.inheritable);
    for lost in capabilities.ambient.difference(raisable).iter() {
        warnings
            .push(format!("can't raise ambient capability {lost}: it is not both permitted and inheritable"));
    }
    capabilities.ambient = capabilities.ambient.intersection(raisable);
    Ok(capabilities)
}

fn rlimits(field: &str, wire: &[wire::Rlimit]) -> Result<Vec<Rlimit>, ConfigError> {
    let mut limits: Vec<Rlimit> = Vec::with_capacity(wire.len());
    for (index, limit) in wire.iter().enumerate() {
        let field = format!("{field}.rlimits[{index}]");
        let known = limit.kind.parse::<Resource>().ok().filter(|known| known.name() == limit.kind);
        let Some(resource) = known else {
            return Err(ConfigError::new(
                format!("{field}.type"),
                format!(
                    "unknown resource limit {:?}: it is one of getrlimit(2), such as RLIMIT_NOFILE",
                    limit.kind
                ),
            ));
        };
        if limit.soft > limit.hard {
            return Err(ConfigError::new(
                format!("{field}.soft"),
                format!("the soft limit {} is above the hard limit {}", limit.soft, limit.hard),
            ));
        }
        if limits.iter().any(|other| other.resource == resource) {
            return Err(ConfigError::new(format!("{field}.type"), format!("{} is set twice", limit.kind)));
        }
        limits.push(Rlimit { resource, soft: limit.soft, hard: limit.hard });
    }
    Ok(limits)
}

fn oom_score_adj(field: &str, value: Option<i64>) -> Result<Option<i32>, ConfigError> {
    value
        .map(|value| {
            i32::try_from(value).ok().filter(|small| (-1000..=1000).contains(small)).ok_or_else(|| {
                ConfigError::new(
                    format!("{field}.oomScoreAdj"),
                    format!("{value} is out of range: it is -1000 to 1000"),
                )
            })
        })
        .transpose()
}

fn label(field: &str, text: &str) -> Result<Option<String>, ConfigError> {
    no_nul(field, text)?;
    // It is written to one file of /proc: a line break would end it there.
    if text.contains('\n') {
        return Err(ConfigError::new(field, "it holds a line break"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn scheduler(field: &str, wire: &wire::Scheduler) -> Result<Scheduler, ConfigError> {
    use wire::SchedulerPolicy as P;
    let refuse =
        |name: &str, problem: String| Err(ConfigError::new(format!("{field}.scheduler.{name}"), problem));
    let policy = match wire.policy {
        P::SchedOther => SchedulerPolicy::Other,
        P::SchedFifo => SchedulerPolicy::Fifo,
        P::SchedRr => SchedulerPolicy::Rr,
        P::SchedBatch => SchedulerPolicy::Batch,
        P::SchedIdle => SchedulerPolicy::Idle,
        P::SchedDeadline => SchedulerPolicy::Deadline,
        P::SchedIso => return refuse("policy", "SCHED_ISO was never part of Linux".to_owned()),
    };
    if matches!(policy, SchedulerPolicy::Other | SchedulerPolicy::Batch) && !(-20..=19).contains(&wire.nice) {
        return refuse("nice", format!("{} is out of range: it is -20 to 19", wire.nice));
    }
    let priority = match u32::try_from(wire.priority) {
        Ok(priority) if priority <= 99 => priority,
        _ => return refuse("priority", format!("{} is out of range: it is 1 to 99", wire.priority)),
    };
    if priority != 0 && !matches!(policy, SchedulerPolicy::Fifo | SchedulerPolicy::Rr) {
        return refuse("priority", "it can only be specified for SCHED_FIFO or SCHED_RR".to_owned());
    }
    let timed = wire.runtime != 0 || wire.deadline != 0 || wire.period != 0;
    if timed && policy != SchedulerPolicy::Deadline {
        return refuse("runtime", "runtime, deadline and period belong to SCHED_DEADLINE alone".to_owned());
    }
    Ok(Scheduler {
        policy,
        nice: wire.nice,
        priority,
        flags: wire.flags.iter().fold(0, |bits, flag| bits | scheduler_flag(*flag)),
        runtime: wire.runtime,
        deadline: wire.deadline,
        period: wire.period,
    })
}

/// The bit of a flag (`<linux/sched.h>`).
fn scheduler_flag(flag: wire::SchedulerFlag) -> u64 {
    use wire::SchedulerFlag as F;
    match flag {
        F::ResetOnFork => 0x01,
        F::Reclaim => 0x02,
        F::DlOverrun => 0x04,
        F::KeepPolicy => 0x08,
        F::KeepParams => 0x10,
        F::UtilClampMin => 0x20,
        F::UtilClampMax => 0x40,
    }
}

fn io_priority(field: &str, wire: wire::IoPriority) -> Result<IoPriority, ConfigError> {
    let class = match wire.class {
        wire::IoPriorityClass::RealTime => IoClass::RealTime,
        wire::IoPriorityClass::BestEffort => IoClass::BestEffort,
        wire::IoPriorityClass::Idle => IoClass::Idle,
    };
    match u8::try_from(wire.priority) {
        Ok(level) if level <= 7 => Ok(IoPriority { class, level }),
        _ => Err(ConfigError::new(
            format!("{field}.ioPriority.priority"),
            format!("{} is out of range: it is 0 to 7", wire.priority),
        )),
    }
}

fn cpu_affinity(field: &str, wire: &wire::CpuAffinity) -> Result<CpuAffinity, ConfigError> {
    let list = |name: &str, text: &str| match text {
        "" => Ok(None),
        text => NumberList::try_from(text)
            .map(|list| Some(list.to_string()))
            .map_err(at(format!("{field}.execCPUAffinity.{name}"))),
    };
    Ok(CpuAffinity { initial: list("initial", &wire.initial)?, last: list("final", &wire.last)? })
}
