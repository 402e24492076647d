//! The system call filter: the zone's, or a stricter one.

use cofferdam_confinement::seccomp::Profile;
use cofferdam_kernel::capability::CapSet;

use super::{Planner, PolicyError};
use crate::syscalls::profile_for;
use crate::zone::SyscallRules;
use crate::{SeccompChoice, SecurityOption};

impl Planner<'_> {
    /// The filter for a container with these capabilities. Of several options the last one counts, as with Docker.
    pub(super) fn filter(&self, capabilities: CapSet) -> Result<Profile, PolicyError> {
        let floor = &self.zone.process.syscalls;
        let asked = self.request.security_options.iter().rev().find_map(|option| match option {
            SecurityOption::Seccomp(choice) => Some(choice),
            _ => None,
        });
        let kind = match asked {
            None | Some(SeccompChoice::Builtin) => &floor.value,
            Some(SeccompChoice::Strict) => &SyscallRules::Strict,
            Some(SeccompChoice::Unconfined) => {
                let ceiling = match floor.value {
                    SyscallRules::Default => "process.syscalls is \"default\": every container has a filter",
                    SyscallRules::Strict => "process.syscalls is \"strict\": every container has that filter",
                };
                return Err(self.beyond("--security-opt seccomp=unconfined", &floor.place, ceiling));
            }
            Some(SeccompChoice::File { path, .. }) => {
                let asked = format!("--security-opt seccomp={}", path.display());
                let why =
                    "only the built-in profiles are known to be as strict as the zone (builtin, strict)";
                return Err(PolicyError::not_built(asked, why));
            }
        };
        Ok(profile_for(kind, capabilities))
    }
}
