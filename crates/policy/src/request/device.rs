//! `--device HOST[:CONTAINER][:rwm]` and `--device-cgroup-rule 'TYPE MAJOR:MINOR ACCESS'`.

use std::path::PathBuf;
use std::str::FromStr;

use cofferdam_confinement::resources::{DeviceAccess, DeviceRule, DeviceRuleKind};
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

/// A rule of the device filter, for a device that gets its node later or from elsewhere: `c 10:229 rw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceRuleRequest(pub DeviceRule);

impl FromStr for DeviceRuleRequest {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            let rule =
                "its form is 'TYPE MAJOR:MINOR ACCESS', with a, b or c, numbers or *, and letters of rwm";
            InvalidOption::new("device-cgroup-rule", text, rule)
        };
        let [kind, numbers, access] =
            <[&str; 3]>::try_from(text.split(' ').collect::<Vec<_>>()).map_err(|_| refuse())?;
        let kind = match kind {
            "a" => DeviceRuleKind::All,
            "b" => DeviceRuleKind::Block,
            "c" => DeviceRuleKind::Character,
            _ => return Err(refuse()),
        };
        let number = |text: &str| match text {
            "*" => Ok(None),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| refuse())
            }
            _ => Err(refuse()),
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(refuse)?;
        let access = DeviceAccess::try_from(access).map_err(|_| refuse())?;
        Ok(Self(DeviceRule { allow: true, kind, major: number(major)?, minor: number(minor)?, access }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_it_is_shown() {
        for text in ["c 10:229 rw", "b 8:* rwm", "a *:* m"] {
            let rule: DeviceRuleRequest = text.parse().unwrap();
            assert_eq!(rule.0.to_string(), format!("allow {text}"));
        }
        for bad in [
            "",
            "c 1:3",
            "c 1:3 x",
            "d 1:3 r",
            "c 1 r",
            "c 1:-3 r",
            "c +1:3 r",
            "c 1:3  r",
            "c 99999999999:0 r",
        ] {
            assert!(bad.parse::<DeviceRuleRequest>().is_err(), "{bad}");
        }
    }

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
