//! `update`: other limits for a running container.

use std::path::Path;
use std::process::ExitCode;

use cofferdam_runtime::lifecycle::{Container, Lookup};
use cofferdam_runtime::oci;
use cofferdam_wire_oci::{BlockIo, Cpu, Memory, Pids, Resources};

use super::arguments::{Arguments, Order, option};
use super::error::{CommandError, UsageError};
use super::{Call, Command, Outcome, size};

pub(super) const UPDATE: Command = Command {
    name: "update",
    about: "update container resource constraints",
    usage: "<container-id>",
    flags: &[
        option(
            "resources",
            "r",
            "FILE",
            "path to the file containing the resources to update, or '-' to read from the standard input",
        ),
        option("blkio-weight", "", "N", "specifies per cgroup weight, range is from 10 to 1000"),
        option("cpu-period", "", "US", "CPU CFS period to be used for hardcapping (in usecs)"),
        option("cpu-quota", "", "US", "CPU CFS hardcap limit (in usecs), allowed cpu time in a given period"),
        option("cpu-burst", "", "US", "CPU CFS hardcap burst limit (in usecs)"),
        option("cpu-rt-period", "", "US", "CPU realtime period to be used for hardcapping (in usecs)"),
        option("cpu-rt-runtime", "", "US", "CPU realtime hardcap limit (in usecs)"),
        option("cpu-share", "", "N", "CPU shares (relative weight vs. other containers)"),
        option("cpuset-cpus", "", "LIST", "CPU(s) to use"),
        option("cpuset-mems", "", "LIST", "memory node(s) to use"),
        option("cpu-idle", "", "N", "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
        option("kernel-memory", "", "BYTES", "(ignored: Linux dropped kernel memory limits)"),
        option("kernel-memory-tcp", "", "BYTES", "(ignored: Linux dropped kernel memory limits)"),
        option("memory", "", "BYTES", "memory limit"),
        option("memory-reservation", "", "BYTES", "memory reservation or soft limit"),
        option(
            "memory-swap",
            "",
            "BYTES",
            "total memory usage (memory + swap); set '-1' to enable unlimited swap",
        ),
        option("pids-limit", "", "N", "maximum number of pids allowed in the container"),
        option("l3-cache-schema", "", "TEXT", "(refused: not supported)"),
        option("mem-bw-schema", "", "TEXT", "(refused: not supported)"),
    ],
    order: Order::Mixed,
    run,
};

fn run(call: &Call) -> Outcome {
    let arguments = &call.arguments;
    let id = arguments.only_id("update")?;
    for flag in ["l3-cache-schema", "mem-bw-schema"] {
        if arguments.has(flag) {
            let rule = "limits of cache and memory bandwidth (resctrl) are not supported".to_owned();
            let text = arguments.value(flag).unwrap_or_default().to_owned();
            return Err(UsageError::Value { flag: "l3-cache-schema/mem-bw-schema", text, rule }.into());
        }
    }
    let mut wire = match arguments.value("resources") {
        Some("-") => oci::read_document(Path::new("/dev/stdin"))?,
        Some(path) => oci::read_document(Path::new(path))?,
        None => from_flags(arguments)?,
    };
    lift_swap_with_memory(&mut wire);
    let mut warnings = Vec::new();
    let change = oci::resources_update(&wire, &mut warnings)?;
    for warning in &warnings {
        call.global.log.warning(warning);
    }
    Container::find(&call.global.root, &id, Lookup::Change)?.update(&change)?;
    Ok(ExitCode::SUCCESS)
}

/// Without a limit of memory, one of memory and swap together cannot stay.
fn lift_swap_with_memory(wire: &mut Resources) {
    if let Some(memory) = &mut wire.memory
        && memory.limit == Some(-1)
        && memory.swap.is_none()
    {
        memory.swap = Some(-1);
    }
}

fn from_flags(arguments: &Arguments) -> Result<Resources, CommandError> {
    let bytes = |flag: &'static str| -> Result<Option<i64>, UsageError> {
        let Some(text) = arguments.value(flag).filter(|text| !text.is_empty()) else { return Ok(None) };
        let rule = || "it is a number of bytes such as 512m, or -1".to_owned();
        size::bytes(text).map(Some).ok_or_else(|| UsageError::Value {
            flag,
            text: text.to_owned(),
            rule: rule(),
        })
    };
    let text = |flag| arguments.value(flag).unwrap_or_default().to_owned();
    Ok(Resources {
        memory: Some(Memory {
            limit: bytes("memory")?,
            reservation: bytes("memory-reservation")?,
            swap: bytes("memory-swap")?,
            kernel: bytes("kernel-memory")?,
            kernel_tcp: bytes("kernel-memory-tcp")?,
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: arguments.number("cpu-share")?,
            quota: arguments.number("cpu-quota")?,
            burst: arguments.number("cpu-burst")?,
            period: arguments.number("cpu-period")?,
            realtime_runtime: arguments.number("cpu-rt-runtime")?,
            realtime_period: arguments.number("cpu-rt-period")?,
            cpus: text("cpuset-cpus"),
            mems: text("cpuset-mems"),
            idle: arguments.number("cpu-idle")?,
        }),
        pids: Some(Pids { limit: arguments.number("pids-limit")? }),
        block_io: Some(BlockIo { weight: arguments.number("blkio-weight")?, ..BlockIo::default() }),
        ..Resources::default()
    })
}
