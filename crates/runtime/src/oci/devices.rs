//! `linux.devices` and `linux.netDevices`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_confinement::resources::InterfaceName;
use cofferdam_confinement::{Device, DeviceKind, Mount, MountKind, NamespaceSource, Namespaces};
use cofferdam_wire_oci as wire;

use super::error::{ConfigError, at};

/// Permissions of a node whose mode is not given.
const DEFAULT_MODE: u32 = 0o666;

/// Converts the device nodes and adds those that every container has, unless the caller brings a whole `/dev`.
pub(super) fn with_defaults(
    devices: &[wire::LinuxDevice],
    mounts: &[Mount],
) -> Result<Vec<Device>, ConfigError> {
    let mut all = self::devices(devices)?;
    let brings_dev = mounts.iter().any(|mount| {
        matches!(mount.kind, MountKind::Bind { .. }) && mount.target.as_str().trim_end_matches('/') == "/dev"
    });
    if !brings_dev {
        let missing: Vec<Device> =
            Device::defaults().filter(|node| all.iter().all(|other| other.path != node.path)).collect();
        all.extend(missing);
    }
    Ok(all)
}

/// Converts the device nodes.
fn devices(devices: &[wire::LinuxDevice]) -> Result<Vec<Device>, ConfigError> {
    let mut converted: Vec<Device> = Vec::with_capacity(devices.len());
    for (index, wire) in devices.iter().enumerate() {
        let field = format!("linux.devices[{index}]");
        let device = device(&field, wire)?;
        if is_link_to_ptmx(&field, &device)? {
            continue;
        }
        match converted.iter().find(|other| other.path == device.path) {
            Some(other) if *other == device => {}
            Some(_) => {
                return Err(ConfigError::new(
                    format!("{field}.path"),
                    format!("{:?} is named twice, as different nodes", wire.path),
                ));
            }
            None => converted.push(device),
        }
    }
    Ok(converted)
}

/// Whether the node is the one that `/dev/ptmx` leads to anyway: a link into the container's own devpts. A node of another
/// kind there would take the container's terminals from the host's devpts, or from nowhere.
fn is_link_to_ptmx(field: &str, device: &Device) -> Result<bool, ConfigError> {
    if device.path.as_str().trim_end_matches('/') != "/dev/ptmx" {
        return Ok(false);
    }
    if (device.kind, device.major, device.minor) == (DeviceKind::Character, 5, 2) {
        return Ok(true);
    }
    Err(ConfigError::new(format!("{field}.path"), "/dev/ptmx is a link to the container's own /dev/pts/ptmx"))
}

fn device(field: &str, wire: &wire::LinuxDevice) -> Result<Device, ConfigError> {
    let kind = match wire.kind.as_str() {
        "c" | "u" => DeviceKind::Character,
        "b" => DeviceKind::Block,
        "p" => DeviceKind::Fifo,
        other => {
            return Err(ConfigError::new(
                format!("{field}.type"),
                format!("invalid device type {other:?}: it is c, u, b or p"),
            ));
        }
    };
    let number = |name: &str, number: i64| match kind {
        DeviceKind::Fifo => Ok(0),
        _ => device_number(&format!("{field}.{name}"), number),
    };
    Ok(Device {
        path: wire.path.parse().map_err(at(format!("{field}.path")))?,
        host_path: PathBuf::from(&wire.path),
        kind,
        major: number("major", wire.major)?,
        minor: number("minor", wire.minor)?,
        mode: wire.file_mode.unwrap_or(DEFAULT_MODE) & 0o7777,
        uid: wire.uid.unwrap_or(0),
        gid: wire.gid.unwrap_or(0),
    })
}

/// A device's major or minor number.
pub(super) fn device_number(field: &str, number: i64) -> Result<u32, ConfigError> {
    // <linux/kdev_t.h>: 12 bits of major, 20 of minor; the larger of the two is enough to keep mknod(2) from
    // cutting bits off, and the kernel refuses the rest itself.
    u32::try_from(number)
        .ok()
        .filter(|number| *number < 1 << 20)
        .ok_or_else(|| ConfigError::new(field, format!("{number} is no device number: it is 0 to 1048575")))
}

/// Converts the network devices that move into the container.
pub(super) fn net_devices(
    devices: &BTreeMap<String, wire::NetDevice>,
    namespaces: &Namespaces,
    rootless: bool,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut taken = BTreeSet::new();
    for (name, device) in devices {
        let field = format!("linux.netDevices[{name:?}]");
        if namespaces.network == NamespaceSource::Host {
            return Err(ConfigError::new(
                field,
                "unable to move network devices without a private NET namespace: add {\"type\": \"network\"}",
            ));
        }
        if rootless {
            return Err(ConfigError::new(field, "network devices are not supported for rootless containers"));
        }
        let new = if device.name.is_empty() { name } else { &device.name };
        for text in [name, new] {
            InterfaceName::try_from(text.as_str()).map_err(at(field.clone()))?;
        }
        if !taken.insert(new) {
            return Err(ConfigError::new(
                field,
                format!("two devices would be called {new:?} in the container: names are unique"),
            ));
        }
    }
    Ok(devices
        .iter()
        .map(|(name, device)| {
            (name.clone(), if device.name.is_empty() { name.clone() } else { device.name.clone() })
        })
        .collect())
}
