//! The system call filter: the zone's, or a stricter one.

use std::error::Error;
use std::iter::successors;
use std::path::Path;

use cofferdam_confinement::seccomp::{Arch, Profile, compile};
use cofferdam_kernel::capability::CapSet;

use super::{Planner, PolicyError};
use crate::syscalls::{DockerContext, is_at_least_as_strict, parse_docker_profile, profile_for};
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
            Some(SeccompChoice::File { path, json }) => {
                return self.filter_of_file(path, json.as_deref(), capabilities);
            }
        };
        Ok(profile_for(kind, capabilities))
    }
    /// A profile in Docker's format, for a container with these capabilities. It may refuse more than the zone's profile.
    fn filter_of_file(
        &self,
        path: &Path,
        json: Option<&str>,
        capabilities: CapSet,
    ) -> Result<Profile, PolicyError> {
        let asked = format!("--security-opt seccomp={}", path.display());
        let invalid = |rule: String| PolicyError::invalid(asked.clone(), rule);
        let json = json.ok_or_else(|| invalid("the file has not been read".to_owned()))?;
        let native = Arch::native().ok_or_else(|| {
            PolicyError::lacks(&asked, "no filters can be compiled for this processor", "leave it out")
        })?;
        let context = DockerContext { native, capabilities, kernel: self.context.host.kernel };
        let profile = parse_docker_profile(json, &context).map_err(|error| invalid(with_causes(&error)))?;
        if profile.notifies() {
            return Err(PolicyError::not_built(asked, "only `cofferdam oci` hands a listener to an agent"));
        }
        let floor = &self.zone.process.syscalls;
        is_at_least_as_strict(&profile, &profile_for(&floor.value, capabilities))
            .map_err(|looser| self.beyond(asked.clone(), &floor.place, looser.to_string()))?;
        compile(&profile, native).map_err(|error| invalid(error.to_string()))?;
        Ok(profile)
    }
}

/// An error with what it comes from, in one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = successors(error.source(), |error| (*error).source()).map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}
