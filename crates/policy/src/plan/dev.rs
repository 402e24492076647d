//! Device nodes, and the paths of /proc and /sys that are hidden or read-only.

use cofferdam_confinement::Device;
use cofferdam_names::ContainerPath;

use super::{Planner, PolicyError, mounts, path};
use crate::DeviceRequest;

/// What tells of the host or reaches it: Docker 28's list, and how busy the host is, where everybody may make the kernel keep
/// watches (/proc/pressure).
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Hidden paths; those that a kernel does not have are skipped when they are hidden.
pub(super) fn masked_paths(cpus: u32) -> Result<Vec<ContainerPath>, PolicyError> {
    // The heat of a processor tells what others compute on it.
    let thermal = (0..cpus).map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
    MASKED.iter().map(|text| path(text)).chain(thermal.map(|text| path(&text))).collect()
}

pub(super) fn readonly_paths() -> Result<Vec<ContainerPath>, PolicyError> {
    READONLY.iter().map(|text| path(text)).collect()
}

impl Planner<'_> {
    pub(super) fn devices(&self) -> Result<Vec<Device>, PolicyError> {
        let mut devices: Vec<Device> = Device::defaults().collect();
        for request in &self.request.devices {
            let device = self.host_device(request)?;
            devices.retain(|known| known.path != device.path);
            devices.push(device);
        }
        Ok(devices)
    }

    /// A device of the host, if the zone has it.
    fn host_device(&self, request: &DeviceRequest) -> Result<Device, PolicyError> {
        let asked = format!("--device {}:{}", request.host.display(), request.access);
        let rules = &self.zone.devices;
        match rules.value.get(&request.host) {
            Some(rule) if rule.value.contains(request.access) => {}
            Some(rule) => {
                let ceiling = format!("devices.access allows {:?} there", rule.value.to_string());
                return Err(self.beyond(asked, &rule.place, ceiling));
            }
            // Every container has it: another node of the same device opens nothing.
            None if Device::defaults().any(|own| own.host_path == request.host) => {}
            None => return Err(self.beyond(asked, &rules.place, "devices.access does not name it")),
        }
        let found = self.context.host_devices.get(&request.host);
        let found = found.ok_or_else(|| PolicyError::invalid(&asked, "the host has no such device"))?;
        let target = mounts::shortest(request.container.as_str())?;
        if !target.as_str().starts_with("/dev/") {
            return Err(PolicyError::invalid(asked, "it appears below /dev"));
        }
        Ok(Device {
            path: target,
            host_path: request.host.clone(),
            kind: found.kind,
            major: found.major,
            minor: found.minor,
            mode: found.mode & 0o777,
            uid: 0,
            gid: 0,
        })
    }
}
