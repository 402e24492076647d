//! The label of a security module, and the paths that `systempaths=unconfined` would open.

use super::{Planner, PolicyError};
use crate::zone::LsmRules;
use crate::{LabelOption, SecurityOption};

const APPARMOR_ADVICE: &str =
    "start the host with AppArmor, or take the profile out of the zone or the command";

impl Planner<'_> {
    /// The AppArmor profile to change to.
    pub(super) fn apparmor_profile(&self) -> Result<Option<String>, PolicyError> {
        let rule = &self.zone.process.lsm;
        let mut wanted = match &rule.value {
            LsmRules::AppArmor(profile) => Some(profile.clone()),
            _ => None,
        };
        for option in &self.request.security_options {
            let SecurityOption::AppArmor(profile) = option else { continue };
            match &wanted {
                Some(floor) if floor != profile => {
                    let asked = format!("--security-opt apparmor={profile}");
                    let ceiling = format!(
                        "process.lsm is apparmor:{floor}, and no other profile is known to be stricter"
                    );
                    return Err(self.beyond(asked, &rule.place, ceiling));
                }
                Some(_) => {}
                // The zone has no profile, so this takes nothing away.
                None if profile == "unconfined" => {}
                None => wanted = Some(profile.clone()),
            }
        }
        if let Some(profile) = &wanted {
            self.needs_module("apparmor", &format!("AppArmor profile {profile}"), APPARMOR_ADVICE)?;
        }
        Ok(wanted)
    }

    /// The SELinux label to change to.
    pub(super) fn selinux_label(&self) -> Result<Option<String>, PolicyError> {
        let rule = &self.zone.process.lsm;
        let label = match &rule.value {
            LsmRules::Selinux(label) => Some(label),
            _ => None,
        };
        for option in &self.request.security_options {
            match (option, label) {
                (SecurityOption::SystemPathsUnconfined, _) => {
                    let asked = "--security-opt systempaths=unconfined";
                    let ceiling = "no zone leaves the kernel's own files open";
                    return Err(self.never(asked, &self.zone.name.place, ceiling, "leave it out"));
                }
                (SecurityOption::Label(LabelOption::Disable), Some(label)) => {
                    let asked = "--security-opt label=disable";
                    return Err(self.beyond(asked, &rule.place, format!("process.lsm is selinux:{label}")));
                }
                (SecurityOption::Label(LabelOption::Disable), None) => {}
                (SecurityOption::Label(_), _) => {
                    let why = "a label is set as a whole, by the zone's process.lsm";
                    return Err(PolicyError::not_built("--security-opt label=...", why));
                }
                _ => {}
            }
        }
        if let Some(label) = label {
            let advice = "start the host with SELinux, or take the label out of the zone";
            self.needs_module("selinux", &format!("SELinux label {label}"), advice)?;
        }
        Ok(label.cloned())
    }

    fn needs_module(&self, module: &str, control: &str, advice: &str) -> Result<(), PolicyError> {
        if self.context.host.lsms.iter().any(|active| active == module) {
            return Ok(());
        }
        let lack = format!("active security modules are {}", self.context.host.lsms.join(", "));
        Err(PolicyError::lacks(control, lack, advice))
    }
}
