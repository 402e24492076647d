//! `--device HOST[:CONTAINER][:rwm]`.

use std::path::PathBuf;
use std::str::FromStr;

use cofferdam_confinement::resources::DeviceAccess;
use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// A device of the host that the container gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// Its file on the host.
    pub host: PathBuf,
    /// Where it appears.
    pub container: ContainerPath,
    /// What may be done with it.
    pub access: DeviceAccess,
}

impl FromStr for DeviceRequest {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("device", text, rule);
        let mut parts = text.split(':');
        let host = parts.next().unwrap_or_default();
        if !host.starts_with('/') {
            return Err(refuse("the host's device is an absolute path"));
        }
        let (mut container, mut access) = (host, DeviceAccess::ALL);
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => {}
            (Some(second), None, _) => match DeviceAccess::try_from(second) {
                Ok(given) => access = given,
                Err(_) => container = second,
            },
            (Some(second), Some(third), None) => {
                container = second;
                access = DeviceAccess::try_from(third).map_err(|_| refuse("access is made of r, w and m"))?;
            }
            _ => return Err(refuse("its form is HOST[:CONTAINER][:rwm]")),
        }
        let container = container.parse().map_err(|_| refuse("the container's path is absolute"))?;
        Ok(Self { host: host.into(), container, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_docker() {
        let device: DeviceRequest = "/dev/sda:/dev/xvda:r".parse().unwrap();
        assert_eq!((device.host.to_str(), device.container.as_str()), (Some("/dev/sda"), "/dev/xvda"));
        assert_eq!(device.access, DeviceAccess::READ);
        let device: DeviceRequest = "/dev/fuse:rw".parse().unwrap();
        assert_eq!(device.container.as_str(), "/dev/fuse");
        assert!(!device.access.contains(DeviceAccess::MKNOD));
        assert_eq!("/dev/fuse".parse::<DeviceRequest>().unwrap().access, DeviceAccess::ALL);
        for bad in ["dev/fuse", "/dev/a:/dev/b:x", "/dev/a:b", "/a:/b:r:w"] {
            assert!(bad.parse::<DeviceRequest>().is_err(), "{bad}");
        }
    }
}
