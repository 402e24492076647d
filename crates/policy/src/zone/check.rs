//! `zone check`: what is valid and still worth a second look.

use cofferdam_confinement::resources::Limit;
use cofferdam_kernel::capability::{CapSet, Capability};

use super::{LsmRules, MountAccess, Place, SyscallRules, Zone};
use crate::HostFacts;

/// Capabilities that are dangerous even inside a user namespace: they open large parts of the kernel.
const WIDE: [&str; 7] =
    ["NET_ADMIN", "SYS_ADMIN", "SYS_MODULE", "BPF", "PERFMON", "SYS_RAWIO", "DAC_READ_SEARCH"];

/// Folders from which the host is run: who may write there, or read the keys, is the host's root.
const HOST_OWN: [&str; 8] = ["/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var/lib/cofferdam"];

/// Something that a zone's owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneWarning {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl Zone {
    /// What is valid and weak, in the order of the sections. With the host's facts, also what this host lacks: a
    /// container in the zone would be refused there.
    #[must_use]
    pub fn warnings(&self, host: Option<&HostFacts>) -> Vec<ZoneWarning> {
        let mut warnings = Vec::new();
        let mut warn = |place: &Place, message: String| {
            warnings.push(ZoneWarning { place: place.clone(), message });
        };
        let max = &self.process.capabilities_max;
        let wide: CapSet = WIDE.iter().filter_map(|name| name.parse::<Capability>().ok()).collect();
        let open = max.value.intersection(wide);
        if !open.is_empty() {
            warn(
                &max.place,
                format!("capabilities_max holds {open:?}: each opens large parts of the kernel"),
            );
        }
        if self.process.new_privileges.value {
            let message = "new_privileges = true lets set-user-id programs of the image give rights";
            warn(&self.process.new_privileges.place, message.to_owned());
        }
        if self.process.syscalls.value == SyscallRules::Strict && !max.value.is_empty() {
            let message = "the strict filter blocks most of what these capabilities are for";
            warn(&max.place, message.to_owned());
        }
        if self.limits.pids_max.value == Limit::Max {
            let message = "pids_max is unlimited: a fork bomb takes the host's process table";
            warn(&self.limits.pids_max.place, message.to_owned());
        }
        if self.limits.oom_score_adj_min.value < 0 {
            let message = "oom_score_adj_min below 0: the kernel may kill the host's programs first";
            warn(&self.limits.oom_score_adj_min.place, message.to_owned());
        }
        for folder in HOST_OWN {
            let (access, place) = self.mounts.access_to(folder.as_ref());
            if access == MountAccess::Write {
                warn(place, format!("{folder} may be mounted writable: who writes there is the host's root"));
            }
        }
        super::network::warnings(&self.network, &mut warn);
        if self.images.allowed.value.is_empty() {
            warn(
                &self.images.allowed.place,
                "images.allowed is empty: nothing can run in this zone".to_owned(),
            );
        }
        if let Some(host) = host {
            let (module, name) = match &self.process.lsm.value {
                LsmRules::None => return warnings,
                LsmRules::AppArmor(profile) => ("apparmor", profile),
                LsmRules::Selinux(label) => ("selinux", label),
            };
            if !host.lsms.iter().any(|lsm| lsm == module) {
                let message = format!("this host does not run {module}, so a start with {name:?} is refused");
                warnings.push(ZoneWarning { place: self.process.lsm.place.clone(), message });
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BUILTIN_ZONES, builtin_zone, parse_zone};

    #[test]
    fn built_in_zones_are_without_warnings() {
        for name in BUILTIN_ZONES {
            assert_eq!(builtin_zone(name).unwrap().warnings(None), [], "{name}");
        }
    }

    #[test]
    fn weak_settings_are_named_with_their_line() {
        let text = "zone = \"x\"\n[process]\ncapabilities_max = [\"SYS_ADMIN\"]\nnew_privileges = true\n\
                    [limits]\npids_max = \"unlimited\"\noom_score_adj_min = -5\n[mounts.access]\n\"/\" = \"write\"\n";
        let warnings = parse_zone("x.toml", text).unwrap().warnings(None);
        let mut lines: Vec<usize> = warnings.iter().map(|warning| warning.place.line).collect();
        lines.dedup();
        assert_eq!(lines, [3, 4, 6, 7, 9]);
    }
}
