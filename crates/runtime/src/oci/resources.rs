//! `linux.resources`: of a configuration, or on its own for `update`.

use cofferdam_confinement::resources::devices::default_rules;
use cofferdam_confinement::resources::{
    BlockIo, BlockIoWeight, Cpu, CpuShares, DeviceAccess, DeviceNumber, DeviceRate, DeviceRule,
    DeviceRuleKind, DeviceWeight, HugePageSize, InterfaceName, Limit, Memory, Network, NumberList,
    RdmaDevice, RdmaLimit, Resources, Swappiness, UnifiedFile,
};
use cofferdam_wire_oci as wire;

use super::devices::device_number;
use super::error::{ConfigError, at};

/// Converts limits. `field` is where they stand in their document (`linux.resources`). In several of them 0 means "not
/// set", as in every runtime: the programs that write these documents fill the gaps with it.
///
/// # Errors
/// If a value is one that no kernel takes; with its path, the reason and what to do.
pub fn resources(
    field: &str,
    wire: &wire::Resources,
    warnings: &mut Vec<String>,
) -> Result<Resources, ConfigError> {
    let of = |name: &str| format!("{field}.{name}");
    let mut converted =
        Resources { devices: device_rules(&of("devices"), &wire.devices, warnings)?, ..Resources::default() };
    if let Some(memory) = &wire.memory {
        converted.memory = self::memory(&of("memory"), memory, warnings)?;
    }
    if let Some(cpu) = &wire.cpu {
        converted.cpu = self::cpu(&of("cpu"), cpu)?;
    }
    if let Some(block_io) = &wire.block_io {
        converted.block_io = self::block_io(&of("blockIO"), block_io)?;
    }
    converted.pids = wire.pids.as_ref().and_then(|pids| pids.limit).and_then(set);
    for (index, limit) in wire.hugepage_limits.iter().enumerate() {
        let size = HugePageSize::try_from(limit.page_size.as_str())
            .map_err(at(format!("{field}.hugepageLimits[{index}].pageSize")))?;
        converted.huge_pages.insert(size, Limit::Value(limit.limit));
    }
    for (device, limit) in &wire.rdma {
        let place = format!("{field}.rdma[{device:?}]");
        if limit.hca_handles.is_none() && limit.hca_objects.is_none() {
            return Err(ConfigError::new(place, "at least one of hcaHandles and hcaObjects is set"));
        }
        let name = RdmaDevice::try_from(device.as_str()).map_err(at(place))?;
        converted
            .rdma
            .insert(name, RdmaLimit { hca_handles: limit.hca_handles, hca_objects: limit.hca_objects });
    }
    if let Some(network) = &wire.network {
        converted.network = self::network(&of("network"), network)?;
    }
    for (file, value) in &wire.unified {
        let place = format!("{field}.unified[{file:?}]");
        if value.contains('\0') {
            return Err(ConfigError::new(place, "the value holds a NUL byte"));
        }
        let file = UnifiedFile::try_from(file.as_str()).map_err(at(place))?;
        converted.unified.insert(file, value.clone());
    }
    Ok(converted)
}

/// Converts the document of `update`: what it says of devices replaces what was said before, the nodes that every
/// container has excepted.
///
/// # Errors
/// As [`resources`].
pub fn resources_update(
    wire: &wire::Resources,
    warnings: &mut Vec<String>,
) -> Result<Resources, ConfigError> {
    let mut change = resources("resources", wire, warnings)?;
    if !change.devices.is_empty() {
        change.devices = with_default_devices(change.devices);
    }
    Ok(change)
}

/// The device rules of a whole configuration: nothing, then what its author allows, then the nodes that the
/// specification gives every container, which rules cannot take away.
pub(super) fn with_default_devices(mut rules: Vec<DeviceRule>) -> Vec<DeviceRule> {
    let defaults = default_rules();
    rules.insert(0, DeviceRule::DENY_ALL);
    rules.extend(defaults.into_iter().filter(|rule| rule.allow));
    rules
}

/// A limit, unless it is 0.
fn set(number: i64) -> Option<Limit> {
    (number != 0).then(|| Limit::from_oci(number))
}

fn device_rules(
    field: &str,
    wire: &[wire::DeviceRule],
    warnings: &mut Vec<String>,
) -> Result<Vec<DeviceRule>, ConfigError> {
    wire.iter()
        .enumerate()
        .map(|(index, rule)| {
            let field = format!("{field}[{index}]");
            let kind = match rule.kind.as_str() {
                "" | "a" => DeviceRuleKind::All,
                "b" => DeviceRuleKind::Block,
                "c" => DeviceRuleKind::Character,
                other => {
                    return Err(ConfigError::new(
                        format!("{field}.type"),
                        format!("invalid cgroup device type {other:?}: it is a, b or c"),
                    ));
                }
            };
            if rule.access.is_empty() {
                return Err(ConfigError::new(
                    format!("{field}.access"),
                    format!("device access at {index} field cannot be empty: it is letters of rwm"),
                ));
            }
            let access = device_access(&format!("{field}.access"), rule, warnings)?;
            let number = |name: &str, number: Option<i64>| match number {
                None | Some(-1) => Ok(None),
                Some(number) => device_number(&format!("{field}.{name}"), number).map(Some),
            };
            Ok(DeviceRule {
                allow: rule.allow,
                kind,
                major: number("major", rule.major)?,
                minor: number("minor", rule.minor)?,
                access,
            })
        })
        .collect()
}

/// The letters of a rule. Some that there are not make a rule that allows invalid; one that denies is taken to deny
/// everything, which is more than its author can have meant.
fn device_access(
    field: &str,
    rule: &wire::DeviceRule,
    warnings: &mut Vec<String>,
) -> Result<DeviceAccess, ConfigError> {
    match DeviceAccess::try_from(rule.access.as_str()) {
        Ok(access) => Ok(access),
        Err(error) if !rule.allow => {
            warnings.push(format!("{field}: {error}; the rule denies all access"));
            Ok(DeviceAccess::ALL)
        }
        Err(error) => Err(at(field.to_owned())(error)),
    }
}

fn memory(field: &str, wire: &wire::Memory, warnings: &mut Vec<String>) -> Result<Memory, ConfigError> {
    if wire.kernel.is_some_and(|limit| limit > 0) || wire.kernel_tcp.is_some_and(|limit| limit > 0) {
        warnings.push(format!(
            "{field}: kernel memory limits are ignored, as the specification says: Linux dropped them"
        ));
    }
    let (limit, swap) = (wire.limit.and_then(set), wire.swap.and_then(set));
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap < limit
    {
        return Err(ConfigError::new(
            format!("{field}.swap"),
            format!("memory and swap together ({swap}) cannot be less than memory alone ({limit})"),
        ));
    }
    Ok(Memory {
        limit,
        reservation: wire.reservation.and_then(set),
        swap,
        kernel: None,
        kernel_tcp: None,
        swappiness: wire
            .swappiness
            .map(Swappiness::try_from)
            .transpose()
            .map_err(at(format!("{field}.swappiness")))?,
        disable_oom_killer: wire.disable_oom_killer,
        use_hierarchy: wire.use_hierarchy,
        check_before_update: wire.check_before_update.unwrap_or(false),
    })
}

fn cpu(field: &str, wire: &wire::Cpu) -> Result<Cpu, ConfigError> {
    let list = |name: &str, text: &str| match text {
        "" => Ok(None),
        text => NumberList::try_from(text).map(Some).map_err(at(format!("{field}.{name}"))),
    };
    let nonzero = |number: Option<u64>| number.filter(|number| *number != 0);
    // The kernel clamps shares to its range and OCI callers count on that: 1 becomes 2.
    let clamp = |shares: u64| shares.clamp(CpuShares::MIN.get().into(), CpuShares::MAX.get().into());
    Ok(Cpu {
        shares: nonzero(wire.shares)
            .map(|shares| CpuShares::try_from(clamp(shares)))
            .transpose()
            .map_err(at(format!("{field}.shares")))?,
        quota: wire.quota.and_then(set),
        burst: wire.burst,
        period: nonzero(wire.period),
        realtime_runtime: wire.realtime_runtime.and_then(set),
        realtime_period: nonzero(wire.realtime_period),
        cpus: list("cpus", &wire.cpus)?,
        mems: list("mems", &wire.mems)?,
        idle: match wire.idle {
            None => None,
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(other) => {
                return Err(ConfigError::new(format!("{field}.idle"), format!("{other}: it is 0 or 1")));
            }
        },
    })
}

fn block_io(field: &str, wire: &wire::BlockIo) -> Result<BlockIo, ConfigError> {
    let weight = |field: String, number: Option<u16>| {
        number.filter(|number| *number != 0).map(BlockIoWeight::try_from).transpose().map_err(at(field))
    };
    let number = |field: &str, major: i64, minor: i64| -> Result<DeviceNumber, ConfigError> {
        Ok(DeviceNumber {
            major: device_number(&format!("{field}.major"), major)?,
            minor: device_number(&format!("{field}.minor"), minor)?,
        })
    };
    let rates = |name: &str, wire: &[wire::ThrottleDevice]| -> Result<Vec<DeviceRate>, ConfigError> {
        wire.iter()
            .enumerate()
            .map(|(index, limit)| {
                let device = number(&format!("{field}.{name}[{index}]"), limit.major, limit.minor)?;
                Ok(DeviceRate { device, rate: limit.rate })
            })
            .collect()
    };
    let mut weight_device = Vec::with_capacity(wire.weight_device.len());
    for (index, device) in wire.weight_device.iter().enumerate() {
        let field = format!("{field}.weightDevice[{index}]");
        weight_device.push(DeviceWeight {
            device: number(&field, device.major, device.minor)?,
            weight: weight(format!("{field}.weight"), device.weight)?,
            leaf_weight: weight(format!("{field}.leafWeight"), device.leaf_weight)?,
        });
    }
    Ok(BlockIo {
        weight: weight(format!("{field}.weight"), wire.weight)?,
        leaf_weight: weight(format!("{field}.leafWeight"), wire.leaf_weight)?,
        weight_device,
        read_bps: rates("throttleReadBpsDevice", &wire.throttle_read_bps_device)?,
        write_bps: rates("throttleWriteBpsDevice", &wire.throttle_write_bps_device)?,
        read_iops: rates("throttleReadIOPSDevice", &wire.throttle_read_iops_device)?,
        write_iops: rates("throttleWriteIOPSDevice", &wire.throttle_write_iops_device)?,
    })
}

fn network(field: &str, wire: &wire::Network) -> Result<Network, ConfigError> {
    let mut network = Network { class_id: wire.class_id.filter(|class| *class != 0), ..Network::default() };
    for (index, priority) in wire.priorities.iter().enumerate() {
        let name = InterfaceName::try_from(priority.name.as_str())
            .map_err(at(format!("{field}.priorities[{index}].name")))?;
        network.priorities.insert(name, priority.priority);
    }
    Ok(network)
}
