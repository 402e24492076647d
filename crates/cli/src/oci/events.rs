//! `events`: what a container uses, once or again and again, and when it runs out of memory.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use cofferdam_confinement::resources::Limit;
use cofferdam_runtime::cgroup::{Group, IoCount, MemoryUse, Stats};
use cofferdam_runtime::lifecycle::{Container, LifecycleError, Lookup};
use cofferdam_wire_oci::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use super::arguments::{Order, option, switch};
use super::error::{CommandError, UsageError};
use super::{Call, Command, Outcome, state};

pub(super) const EVENTS: Command = Command {
    name: "events",
    about: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
    usage: "<container-id>",
    flags: &[
        option("interval", "", "TIME", "set the stats collection interval (default: 5s)"),
        switch("stats", "", "display the container's stats then exit"),
    ],
    order: Order::Mixed,
    run,
};

fn run(call: &Call) -> Outcome {
    let id = call.arguments.only_id("events")?;
    let interval = interval(call.arguments.value("interval"))?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    if container.status()? == Status::Stopped {
        return Err(CommandError::Refused(format!("container with id {id} is not running")));
    }
    let group = container.needed_group()?;
    if call.arguments.has("stats") {
        return print(id.as_str(), "stats", Some(stats(&group)?));
    }
    follow(&container, &group, interval)
}

/// A time such as `5s`, `100ms` or `1m`; above zero.
fn interval(text: Option<&str>) -> Result<Duration, UsageError> {
    let text = text.unwrap_or("5s");
    let split = text.find(|letter: char| !(letter.is_ascii_digit() || letter == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let seconds = scale.zip(number.parse::<f64>().ok()).map(|(scale, number)| scale * number);
    seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| UsageError::Value {
            flag: "interval",
            text: text.to_owned(),
            rule: "duration interval must be greater than 0, such as 5s or 100ms".to_owned(),
        })
}

/// Prints until the container ends.
fn follow(container: &Container, group: &Group, interval: Duration) -> Outcome {
    let id = container.id().as_str();
    let failed = |source: std::io::Error| CommandError::System { what: "cannot wait for events", source };
    let Some((_, init)) = container.init() else { return Ok(ExitCode::SUCCESS) };
    let oom = group.watch_oom().map_err(LifecycleError::from)?;
    let time = Timespec::try_from(interval).map_err(|error| failed(std::io::Error::other(error)))?;
    loop {
        let mut polled = [PollFd::new(&init, PollFlags::IN), PollFd::new(&oom, oom.events())];
        match poll(&mut polled, Some(&time)) {
            Ok(0) => drop(print(id, "stats", Some(stats(group)?))?),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(failed(error.into())),
        }
        if !polled[1].revents().is_empty() {
            oom.acknowledge().map_err(failed)?;
            print(id, "oom", None)?;
        }
        if !polled[0].revents().is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn print(id: &str, kind: &str, data: Option<Value>) -> Outcome {
    #[derive(serde::Serialize)]
    struct Event<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    }
    state::print_json(&Event { kind, id, data }, false)
}

fn stats(group: &Group) -> Result<Value, CommandError> {
    let stats = group.stats().map_err(|error| CommandError::System {
        what: "cannot read statistics",
        source: std::io::Error::other(error),
    })?;
    Ok(document(&stats))
}

/// The shape that callers of runc read.
fn document(stats: &Stats) -> Value {
    let limit = |limit: Option<Limit>| limit.map_or(0, |limit| limit.value().unwrap_or(u64::MAX));
    let memory = |used: &MemoryUse| json!({"limit": limit(used.limit), "usage": used.usage, "max": used.max_usage, "failcnt": used.failures});
    let counts = |counts: &[IoCount]| -> Vec<Value> {
        counts
            .iter()
            .map(|count| {
                json!({"major": count.device.major, "minor": count.device.minor, "op": count.operation, "value": count.count})
            })
            .collect()
    };
    let huge: BTreeMap<&String, Value> = stats
        .huge_pages
        .iter()
        .map(|(size, used)| {
            (size, json!({"usage": used.usage, "max": used.max_usage, "failcnt": used.failures}))
        })
        .collect();
    json!({
        "cpu": {
            "usage": {
                "total": stats.cpu.usage,
                "percpu": stats.cpu.per_cpu,
                "kernel": stats.cpu.system,
                "user": stats.cpu.user,
            },
            "throttling": {
                "periods": stats.cpu.periods,
                "throttledPeriods": stats.cpu.throttled_periods,
                "throttledTime": stats.cpu.throttled,
            },
        },
        "memory": {
            "cache": stats.memory.cache(),
            "usage": memory(&stats.memory.memory),
            "swap": memory(&stats.memory.swap),
            "kernel": memory(&stats.memory.kernel),
            "kernelTCP": memory(&stats.memory.kernel_tcp),
            "raw": stats.memory.details,
        },
        "pids": {"current": stats.pids.current, "limit": limit(stats.pids.limit)},
        "blkio": {
            "ioServiceBytesRecursive": counts(&stats.block_io.bytes),
            "ioServicedRecursive": counts(&stats.block_io.operations),
        },
        "hugetlb": huge,
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_above_zero() {
        assert_eq!(interval(None).unwrap(), Duration::from_secs(5));
        assert_eq!(interval(Some("100ms")).unwrap(), Duration::from_millis(100));
        for bad in ["0s", "5", "-1s", "s", "1y"] {
            assert!(interval(Some(bad)).is_err(), "{bad}");
        }
    }
}
