//! Cgroup limits: the zone's, changed by the request within the zone's ceilings, checked against the host.

use cofferdam_confinement::DeviceKind;
use cofferdam_confinement::resources::devices::default_rules;
use cofferdam_confinement::resources::{
    BlockIo, BlockIoWeight, Cpu, CpuShares, DeviceNumber, DeviceRate, DeviceRule, DeviceRuleKind,
    DeviceWeight, Limit, Memory, NumberList, Resources, Swappiness,
};

use super::{PolicyError, beyond};
use crate::zone::{Place, Setting};
use crate::{
    ByteSize, Ceiling, CgroupMode, ContainerRequest, CpuCount, DeviceRuleRequest, HostDevices, HostFacts,
    ResourceRequest, Zone,
};

/// The length of a period for `--cpus`, in microseconds: the kernel's own.
const PERIOD: u64 = 100_000;

/// Docker's least memory limit: below it, no program can be loaded.
const MEMORY_MIN: u64 = 6 << 20;

pub(super) const NO_CGROUP: &str =
    "run as root, or let systemd delegate cgroup v2 controllers to your user (Delegate=yes)";

/// What limits are made from.
#[derive(Clone, Copy)]
pub(super) struct LimitPlanner<'a> {
    pub zone: &'a Zone,
    pub request: &'a ContainerRequest,
    pub host: &'a HostFacts,
    pub devices: &'a HostDevices,
}

impl From<Ceiling> for Limit {
    fn from(ceiling: Ceiling) -> Self {
        match ceiling {
            Ceiling::Unlimited => Self::Max,
            Ceiling::Max(max) => Self::Value(max),
        }
    }
}

impl LimitPlanner<'_> {
    /// The limits, and the number of tasks where no cgroup can limit them and the first process's own limit must
    /// (RLIMIT_NPROC counts by user namespace since Linux 5.14).
    pub(super) fn resources(&self, has_cgroup: bool) -> Result<(Resources, Option<u64>), PolicyError> {
        let mut resources = Resources {
            memory: self.memory()?,
            cpu: self.cpu()?,
            pids: self.pids()?,
            block_io: self.block_io()?,
            devices: self.device_rules()?,
            ..Resources::default()
        };
        let mut task_limit = None;
        let no_pids = !has_cgroup || !self.host.cgroup_controllers.contains("pids");
        let asked_for_pids = self.request.resources.pids_limit.is_some();
        if self.host.rootless && no_pids && !asked_for_pids {
            task_limit = resources.pids.take().and_then(Limit::value);
        }
        self.check_host(&resources, has_cgroup)?;
        Ok((resources, task_limit))
    }

    fn asked(&self) -> &ResourceRequest {
        &self.request.resources
    }

    /// The zone's default, or what is asked for if the ceiling is above it.
    fn within(
        &self,
        flag: &str,
        asked: Option<Limit>,
        default: &Setting<Limit>,
        max: &Setting<Limit>,
        write: impl Fn(u64) -> String,
    ) -> Result<Option<Limit>, PolicyError> {
        let write = |limit: Limit| limit.value().map_or_else(|| "unlimited".to_owned(), &write);
        match asked {
            // The zone's "unlimited" is the kernel's own: nothing to write.
            None => Ok(Some(default.value).filter(|limit| *limit != Limit::Max)),
            Some(asked) if asked > max.value => {
                let ceiling = format!("the ceiling is {}", write(max.value));
                Err(beyond(self.zone, format!("{flag} {}", write(asked)), &max.place, ceiling))
            }
            Some(asked) => Ok(Some(asked)),
        }
    }

    fn memory(&self) -> Result<Memory, PolicyError> {
        let (asked, rules) = (self.asked(), &self.zone.limits);
        // Docker's 0 is "not given".
        let given = |size: Option<ByteSize>| size.map(|size| size.0).filter(|bytes| *bytes > 0);
        let bytes = given(asked.memory);
        if let Some(bytes) = bytes.filter(|bytes| *bytes < MEMORY_MIN) {
            return Err(PolicyError::invalid(format!("--memory {bytes}"), "it is at least 6m"));
        }
        let show = |bytes| ByteSize(bytes).to_string();
        let limit =
            self.within("--memory", bytes.map(Limit::Value), &rules.memory, &rules.memory_max, show)?;
        let known = limit.and_then(Limit::value);
        let swap = self.swap(known)?;
        let reservation = given(asked.memory_reservation);
        if let (Some(reservation), Some(limit)) = (reservation, known)
            && reservation > limit
        {
            return Err(PolicyError::invalid("--memory-reservation", "it is at most --memory"));
        }
        if self.host.cgroup_mode == CgroupMode::V2 {
            let v1_only = [
                ("--memory-swappiness", asked.memory_swappiness.is_some()),
                ("--oom-kill-disable", asked.oom_kill_disable),
            ];
            if let Some((flag, _)) = v1_only.into_iter().find(|(_, given)| *given) {
                return Err(PolicyError::lacks(flag, "cgroup v2 has no such control", "leave it out"));
            }
        }
        if asked.oom_kill_disable && known.is_none() {
            return Err(PolicyError::invalid(
                "--oom-kill-disable",
                "it goes with --memory, or the host hangs",
            ));
        }
        let swappiness = asked.memory_swappiness.map(Swappiness::try_from).transpose();
        Ok(Memory {
            limit,
            reservation: reservation.map(Limit::Value),
            swap,
            swappiness: swappiness
                .map_err(|error| PolicyError::invalid("--memory-swappiness", error.to_string()))?,
            disable_oom_killer: asked.oom_kill_disable.then_some(true),
            ..Memory::default()
        })
    }

    /// Memory and swap together: as much swap as memory unless something else is asked for, as with Docker. A memory
    /// ceiling of the zone's holds for both, or swap would be the way around it.
    fn swap(&self, memory: Option<u64>) -> Result<Option<Limit>, PolicyError> {
        let asked = self.asked().memory_swap.map(Limit::from).filter(|limit| *limit != Limit::Value(0));
        let max = &self.zone.limits.memory_max;
        let Some(memory) = memory else {
            return match asked {
                None => Ok(None),
                Some(_) => Err(PolicyError::invalid("--memory-swap", "it goes with --memory")),
            };
        };
        let most = max.value.value().map_or(Limit::Max, |max| Limit::Value(max.saturating_mul(2)));
        match asked {
            None => Ok(Some(Limit::Value(memory.saturating_mul(2)))),
            Some(asked) if asked < Limit::Value(memory) => Err(PolicyError::invalid(
                "--memory-swap",
                "it counts memory and swap, so it is at least --memory",
            )),
            Some(asked) if asked > most => {
                let ceiling = "limits.memory_max is the most swap as well";
                Err(beyond(self.zone, format!("--memory-swap {asked}"), &max.place, ceiling))
            }
            Some(asked) => Ok(Some(asked)),
        }
    }

    fn cpu(&self) -> Result<Cpu, PolicyError> {
        let asked = self.asked();
        if asked.cpu_rt_period.is_some() || asked.cpu_rt_runtime.is_some() {
            let why = "real-time processes can take processors away from the host";
            return Err(PolicyError::not_built("--cpu-rt-period and --cpu-rt-runtime", why));
        }
        let (quota, period) = self.quota()?;
        let list = |flag: &str, text: &Option<String>| {
            let list = text.as_deref().filter(|text| !text.is_empty()).map(NumberList::try_from).transpose();
            list.map_err(|error| PolicyError::invalid(flag, error.to_string()))
        };
        let shares = asked.cpu_shares.filter(|shares| *shares > 0).map(CpuShares::try_from).transpose();
        Ok(Cpu {
            shares: shares.map_err(|error| PolicyError::invalid("--cpu-shares", error.to_string()))?,
            quota,
            period,
            cpus: self.available(
                "--cpuset-cpus",
                list("--cpuset-cpus", &asked.cpuset_cpus)?,
                &self.host.online_cpus,
            )?,
            mems: self.available(
                "--cpuset-mems",
                list("--cpuset-mems", &asked.cpuset_mems)?,
                &self.host.online_mems,
            )?,
            ..Cpu::default()
        })
    }

    /// The set, if the host has all of it.
    fn available(
        &self,
        flag: &str,
        set: Option<NumberList>,
        online: &Option<NumberList>,
    ) -> Result<Option<NumberList>, PolicyError> {
        match (&set, online) {
            (Some(asked), Some(online)) if !asked.is_subset(online) => {
                let rule = format!("this host has {online}");
                Err(PolicyError::invalid(format!("{flag} {asked}"), rule))
            }
            _ => Ok(set),
        }
    }

    /// Processor time per period.
    fn quota(&self) -> Result<(Option<Limit>, Option<u64>), PolicyError> {
        let (asked, rules) = (self.asked(), &self.zone.limits);
        let by_period = asked.cpu_period.is_some() || asked.cpu_quota.is_some();
        if asked.cpus.is_some() && by_period {
            return Err(PolicyError::invalid(
                "--cpus with --cpu-period or --cpu-quota",
                "they say the same twice",
            ));
        }
        let period = asked.cpu_period.filter(|period| *period > 0).unwrap_or(PERIOD);
        if !(1_000..=1_000_000).contains(&period) {
            return Err(PolicyError::invalid("--cpu-period", "it is 1000 to 1000000 microseconds"));
        }
        let wanted = match (asked.cpus, asked.cpu_quota) {
            (Some(cpus), _) if cpus.0 > u64::from(self.host.cpus) * CpuCount::ONE => {
                let rule = format!("this host has {} processors", self.host.cpus);
                return Err(PolicyError::invalid(format!("--cpus {cpus}"), rule));
            }
            (Some(cpus), _) => Some(Limit::Value(cpus.0)),
            (None, Some(0) | None) => None,
            (None, Some(quota)) => match u64::try_from(quota) {
                Err(_) => Some(Limit::Max),
                Ok(quota) if quota < 1_000 => {
                    return Err(PolicyError::invalid(
                        "--cpu-quota",
                        "it is at least 1000 microseconds, or -1",
                    ));
                }
                Ok(quota) => Some(Limit::Value(quota.saturating_mul(CpuCount::ONE) / period)),
            },
        };
        let show = |nano| format!("{} processors", CpuCount(nano));
        let limit = self.within("--cpus", wanted, &rules.cpus, &rules.cpus_max, show)?;
        Ok(match limit {
            None => (None, asked.cpu_period.map(|_| period)),
            Some(Limit::Max) => (Some(Limit::Max), Some(period)),
            // The kernel's least quota is a millisecond.
            Some(Limit::Value(nano)) => {
                (Some(Limit::Value(CpuCount(nano).quota(period).max(1_000))), Some(period))
            }
        })
    }

    fn pids(&self) -> Result<Option<Limit>, PolicyError> {
        let asked = self.asked().pids_limit.map(|limit| match limit {
            // Docker's 0 is "unlimited".
            Ceiling::Max(0) => Limit::Max,
            other => Limit::from(other),
        });
        let rules = &self.zone.limits;
        self.within("--pids-limit", asked, &rules.pids, &rules.pids_max, |count| count.to_string())
    }

    fn block_io(&self) -> Result<BlockIo, PolicyError> {
        let asked = self.asked();
        let weight = |flag: &str, weight: u16| {
            BlockIoWeight::try_from(weight).map_err(|error| PolicyError::invalid(flag, error.to_string()))
        };
        let rates = |list: &[crate::DeviceRate]| {
            let rate = |rate: &crate::DeviceRate| {
                Ok(DeviceRate { device: self.block_device(&rate.device)?, rate: rate.rate })
            };
            list.iter().map(rate).collect::<Result<Vec<_>, PolicyError>>()
        };
        let mut weight_device = Vec::new();
        for entry in &asked.blkio_weight_devices {
            weight_device.push(DeviceWeight {
                device: self.block_device(&entry.device)?,
                weight: Some(weight("--blkio-weight-device", entry.weight)?),
                leaf_weight: None,
            });
        }
        // Docker's 0 is "not given".
        let own = asked.blkio_weight.filter(|weight| *weight > 0);
        Ok(BlockIo {
            weight: own.map(|own| weight("--blkio-weight", own)).transpose()?,
            leaf_weight: None,
            weight_device,
            read_bps: rates(&asked.device_read_bps)?,
            write_bps: rates(&asked.device_write_bps)?,
            read_iops: rates(&asked.device_read_iops)?,
            write_iops: rates(&asked.device_write_iops)?,
        })
    }

    fn block_device(&self, path: &std::path::Path) -> Result<DeviceNumber, PolicyError> {
        match self.devices.get(path) {
            Some(device) if device.kind == DeviceKind::Block => {
                Ok(DeviceNumber { major: device.major, minor: device.minor })
            }
            _ => Err(PolicyError::invalid(path.display().to_string(), "the host has no such block device")),
        }
    }

    /// What the devices controller lets through. An ordinary user cannot load such rules, and cannot make nodes either.
    fn device_rules(&self) -> Result<Vec<DeviceRule>, PolicyError> {
        if self.host.rootless {
            if let Some(DeviceRuleRequest(rule)) = self.request.device_cgroup_rules.first() {
                let lack = "an ordinary user cannot load a device filter";
                return Err(PolicyError::lacks(format!("--device-cgroup-rule {rule}"), lack, "leave it out"));
            }
            return Ok(Vec::new());
        }
        let mut rules = default_rules();
        for request in &self.request.devices {
            let Some(device) = self.devices.get(&request.host) else {
                return Err(PolicyError::invalid(
                    request.host.display().to_string(),
                    "the host has no such device",
                ));
            };
            let kind = match device.kind {
                DeviceKind::Character => DeviceRuleKind::Character,
                DeviceKind::Block => DeviceRuleKind::Block,
                DeviceKind::Fifo => continue,
            };
            rules.push(DeviceRule {
                allow: true,
                kind,
                major: Some(device.major),
                minor: Some(device.minor),
                access: request.access,
            });
        }
        for DeviceRuleRequest(rule) in &self.request.device_cgroup_rules {
            self.admit_device_rule(rule)?;
            rules.push(*rule);
        }
        Ok(rules)
    }

    /// A rule may let through what `--device` could: one device that the zone names, with no more than the access there.
    fn admit_device_rule(&self, rule: &DeviceRule) -> Result<(), PolicyError> {
        let rules = &self.zone.devices;
        let refuse = |place: &Place, ceiling: &str| {
            let asked = rule.to_string();
            let asked = asked.trim_start_matches("allow ");
            Err(beyond(self.zone, format!("--device-cgroup-rule {asked:?}"), place, ceiling))
        };
        let (Some(major), Some(minor)) = (rule.major, rule.minor) else {
            return refuse(
                &rules.place,
                "devices.access names devices one by one, and the rule many at once",
            );
        };
        let kind = match rule.kind {
            DeviceRuleKind::Character => DeviceKind::Character,
            DeviceRuleKind::Block => DeviceKind::Block,
            DeviceRuleKind::All => {
                return refuse(
                    &rules.place,
                    "devices.access names devices one by one, and the rule two at once",
                );
            }
        };
        let mut named = rules.value.iter().filter(|(path, _)| {
            let device = self.devices.get(*path);
            device.is_some_and(|device| (device.kind, device.major, device.minor) == (kind, major, minor))
        });
        match named.clone().find(|(_, access)| access.value.contains(rule.access)).or_else(|| named.next()) {
            None => refuse(&rules.place, "devices.access names no device of this number that the host has"),
            Some((_, access)) if access.value.contains(rule.access) => Ok(()),
            Some((path, access)) => refuse(
                &access.place,
                &format!("devices.access allows {:?} for {}", access.value.to_string(), path.display()),
            ),
        }
    }

    /// Every limit needs its controller.
    fn check_host(&self, resources: &Resources, has_cgroup: bool) -> Result<(), PolicyError> {
        let v2 = self.host.cgroup_mode == CgroupMode::V2;
        let io = if v2 { "io" } else { "blkio" };
        let cpu = &resources.cpu;
        let needs = [
            ("memory limit", "memory", resources.memory != Memory::default()),
            ("processor limit", "cpu", cpu.shares.is_some() || cpu.quota.is_some() || cpu.period.is_some()),
            ("processor set", "cpuset", cpu.cpus.is_some() || cpu.mems.is_some()),
            ("task limit", "pids", resources.pids.is_some()),
            ("block I/O limit", io, resources.block_io != BlockIo::default()),
            // On v2, programs and not a controller decide about devices.
            ("device rules", "devices", !v2 && !resources.devices.is_empty()),
        ];
        for (control, controller, needed) in needs {
            if !needed {
                continue;
            }
            if !has_cgroup {
                let lack = "the engine may not make cgroups here";
                return Err(PolicyError::lacks(control, lack, NO_CGROUP));
            }
            if !self.host.cgroup_controllers.contains(controller) {
                let lack = format!("the cgroup controller {controller:?} is not available to the engine");
                return Err(PolicyError::lacks(
                    control,
                    lack,
                    "mount or delegate it, or leave the limit out",
                ));
            }
        }
        Ok(())
    }
}
