//! What this host is and has, as far as containers depend on it: for `info`.

use std::fs::read_to_string;
use std::path::Path;

use cofferdam_policy::{CgroupMode, HostFacts, IdAllocation, IdRange};

use crate::error::Result;
use crate::store::Slot;
use crate::{Engine, facts};

/// What containers depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// As a plan is made with them.
    pub facts: HostFacts,
    /// The distribution, as it names itself.
    pub system: String,
    /// The actions of system call filters that this kernel has; empty without filters.
    pub seccomp_actions: Vec<String>,
    /// How many user namespaces a user may make; none if the kernel does not say.
    pub max_user_namespaces: Option<u64>,
    /// The host's user ids that containers get their own from.
    pub uid_ranges: Vec<IdRange>,
    /// The host's group ids.
    pub gid_ranges: Vec<IdRange>,
    /// What a person should know of all this.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Looks at the host.
    ///
    /// # Errors
    /// Its limits cannot be read.
    pub fn host(&self) -> Result<HostInfo> {
        let facts = facts::gather()?;
        let (uid_ranges, gid_ranges) = id_ranges(&facts);
        let seccomp_actions = words("/proc/sys/kernel/seccomp/actions_avail");
        let mut warnings = Vec::new();
        let mut warn = |holds: bool, text: &str| {
            if holds {
                warnings.push(text.to_owned());
            }
        };
        warn(facts.cgroup_mode == CgroupMode::None, "no cgroups are mounted: nothing can be limited");
        warn(
            facts.rootless && !facts.cgroup_delegated,
            "no cgroup is delegated to this user: limits are refused",
        );
        warn(
            facts.rootless && uid_ranges.iter().map(|range| u64::from(range.size)).sum::<u64>() <= 1,
            "this user has no subordinate ids: a container has one user",
        );
        warn(
            !Path::new("/sys/kernel/security/lsm").exists(),
            "/sys/kernel/security is not mounted: the list of security modules may not be whole",
        );
        warn(seccomp_actions.is_empty(), "this kernel has no system call filters: no container can start");
        Ok(HostInfo {
            facts,
            system: system_name(),
            seccomp_actions,
            max_user_namespaces: words("/proc/sys/user/max_user_namespaces")
                .first()
                .and_then(|number| number.parse().ok()),
            uid_ranges,
            gid_ranges,
            warnings,
        })
    }
}

fn id_ranges(facts: &HostFacts) -> (Vec<IdRange>, Vec<IdRange>) {
    if !facts.rootless {
        return (vec![Slot::whole()], vec![Slot::whole()]);
    }
    let own = |first| vec![IdRange { first, size: 1 }];
    match facts::own_ids(facts) {
        IdAllocation::Subordinate { uids, gids } => {
            ([own(facts.uid), uids].concat(), [own(facts.gid), gids].concat())
        }
        _ => (own(facts.uid), own(facts.gid)),
    }
}

fn words(path: &str) -> Vec<String> {
    let text = read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// os-release(5)
fn system_name() -> String {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| read_to_string(path).ok());
    let text = text.unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches(['"', '\'']).to_owned())
}
