//! `stats` and `top`: what a container uses, and its processes.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use cofferdam_confinement::IdMaps;
use cofferdam_confinement::resources::Limit;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::{ContainerId, Timestamp};
use rustix::process::Pid;

use crate::error::{Error, Result};
use crate::live::Live;
use crate::options::{ProcessRow, StatsSample};
use crate::paths::Paths;

/// Clock ticks in a second: `USER_HZ` of every architecture that this runs on.
const TICKS: u64 = 100;

/// One reading of the container's counters.
pub(crate) fn stats(paths: &Paths, id: &ContainerId) -> Result<StatsSample> {
    let live = Live::find(paths, id)?;
    let Some(group) = live.group()? else { return Err(Error::NoCgroup { id: id.clone() }) };
    let stats = group.stats().map_err(|source| Error::Cgroup { id: id.clone(), source: source.into() })?;
    let machine = rustix::system::sysinfo();
    let machine_memory = u64::from(machine.mem_unit).saturating_mul(machine.totalram);
    let limit = stats.memory.memory.limit.and_then(Limit::value);
    let online = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(StatsSample {
        time: Some(Timestamp::from(SystemTime::now())),
        cpu_ns: stats.cpu.usage,
        online_cpus: u32::try_from(online).unwrap_or(u32::MAX),
        memory: stats.memory.working_set(),
        memory_limit: limit.map_or(machine_memory, |limit| limit.min(machine_memory)),
        pids: stats.pids.current,
        pids_limit: stats.pids.limit.and_then(Limit::value),
        block_read: stats.block_io.total_bytes("Read"),
        block_written: stats.block_io.total_bytes("Write"),
        // A container has its loopback alone, which Docker does not count.
        net_received: 0,
        net_sent: 0,
    })
}

/// The container's processes, as the host sees them.
pub(crate) fn top(paths: &Paths, id: &ContainerId) -> Result<Vec<ProcessRow>> {
    let live = Live::find(paths, id)?;
    let proc = ProcFs::open().map_err(|error| Error::io("list the processes of", id, error.into()))?;
    let pids: BTreeSet<i32> = match live.group()? {
        Some(group) => {
            let found = group.processes();
            found
                .map_err(|source| Error::Cgroup { id: id.clone(), source: source.into() })?
                .into_iter()
                .map(|pid| pid.as_raw_nonzero().get())
                .collect()
        }
        None => BTreeSet::from([live.pid.as_raw_nonzero().get()]),
    };
    let maps = live.plan.namespaces.id_maps.as_ref();
    let boot = boot_time();
    // A process that ends while it is looked at is left out.
    Ok(pids.into_iter().filter_map(|pid| row(&proc, Pid::from_raw(pid)?, maps, boot)).collect())
}

fn row(proc: &ProcFs, pid: Pid, maps: Option<&IdMaps>, boot: SystemTime) -> Option<ProcessRow> {
    let dir = proc.process(pid).ok()?;
    let stat = dir.stat().ok()?;
    let status = dir.status().ok()?;
    let args: Vec<String> =
        dir.cmdline().ok()?.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let uid = status.uid.effective;
    let started = boot + Duration::from_millis(stat.start_time.saturating_mul(1000 / TICKS));
    let age = SystemTime::now().duration_since(started).unwrap_or_default().as_millis().max(1);
    let ticks = stat.user_ticks.saturating_add(stat.system_ticks);
    let share = u128::from(ticks) * u128::from(1000 / TICKS) * 10_000 / age;
    Some(ProcessRow {
        pid: pid.as_raw_nonzero().get(),
        ppid: stat.ppid,
        uid,
        container_uid: container_id(maps, uid),
        cpu_per_10k: u32::try_from(share).unwrap_or(u32::MAX),
        started: Timestamp::from(started),
        tty: stat.terminal,
        ticks,
        command: if args.is_empty() { format!("[{}]", stat.name) } else { args.join(" ") },
    })
}

/// The container's number of a host user.
fn container_id(maps: Option<&IdMaps>, host: u32) -> Option<u32> {
    let Some(maps) = maps else { return Some(host) };
    maps.uids.iter().find_map(|line| {
        let offset = host.checked_sub(line.host).filter(|offset| *offset < line.size)?;
        line.container.checked_add(offset)
    })
}

/// When the machine started: now less the time since (clock_gettime(2), `CLOCK_BOOTTIME`).
fn boot_time() -> SystemTime {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since = Duration::new(since.tv_sec.unsigned_abs(), u32::try_from(since.tv_nsec).unwrap_or(0));
    SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH)
}
