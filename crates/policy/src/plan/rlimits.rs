//! Resource limits of the first process: the zone's, changed by `--ulimit` within the zone's ceilings.

use std::collections::BTreeMap;

use cofferdam_confinement::Rlimit;
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::rlimit::Resource;

use super::{Planner, PolicyError};
use crate::SoftHard;

fn written(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() }
}

impl Planner<'_> {
    /// In the kernel's order. `task_limit` stands in for a cgroup's limit of tasks.
    pub(super) fn rlimits(&self, task_limit: Option<u64>) -> Result<Vec<Rlimit>, PolicyError> {
        let rules = &self.zone.limits;
        let mut limits: BTreeMap<Resource, SoftHard> = rules.ulimits.value.clone();
        for ulimit in &self.request.ulimits {
            let short = ulimit.resource.name().trim_start_matches("RLIMIT_").to_ascii_lowercase();
            let asked = format!("--ulimit {short}={}:{}", written(ulimit.soft), written(ulimit.hard));
            if ulimit.soft > ulimit.hard {
                return Err(PolicyError::invalid(asked, "the soft limit is at most the hard one"));
            }
            let (max, place) = match rules.ulimits_max.value.get(&ulimit.resource) {
                Some(max) => (*max, &rules.ulimits_max.place),
                None => match rules.ulimits.value.get(&ulimit.resource) {
                    Some(own) => (own.hard, &rules.ulimits.place),
                    None => {
                        let ceiling = "limits.ulimits_max does not name it";
                        return Err(self.beyond(asked, &rules.ulimits_max.place, ceiling));
                    }
                },
            };
            if ulimit.hard > max {
                let ceiling = format!("limits.ulimits_max allows {} for {short}", written(max));
                return Err(self.beyond(asked, place, ceiling));
            }
            self.check_host_limit(&asked, ulimit.resource, ulimit.hard)?;
            limits.insert(ulimit.resource, SoftHard { soft: ulimit.soft, hard: ulimit.hard });
        }
        if let Some(tasks) = task_limit {
            let nproc = resource("nproc")?;
            let own = limits.get(&nproc).copied().unwrap_or(SoftHard { soft: tasks, hard: tasks });
            limits.insert(nproc, SoftHard { soft: own.soft.min(tasks), hard: own.hard.min(tasks) });
        }
        self.keep_below_host(&mut limits)?;
        Ok(limits
            .into_iter()
            .map(|(resource, limit)| Rlimit { resource, soft: limit.soft, hard: limit.hard })
            .collect())
    }

    fn may_raise(&self) -> bool {
        self.context.host.capabilities.contains(Capability::SYS_RESOURCE) && !self.context.host.rootless
    }

    fn check_host_limit(&self, asked: &str, limited: Resource, hard: u64) -> Result<(), PolicyError> {
        let most = self.context.host.nofile_hard;
        if limited == resource("nofile")? && hard > most && !self.may_raise() {
            let lack =
                format!("the engine's own hard limit is {most}, and raising it needs CAP_SYS_RESOURCE");
            return Err(PolicyError::lacks(
                asked,
                lack,
                "ask for less, or start the engine with a higher limit",
            ));
        }
        Ok(())
    }

    /// The zone's default for open files is at most what this host can give: it is a default, not a promise.
    fn keep_below_host(&self, limits: &mut BTreeMap<Resource, SoftHard>) -> Result<(), PolicyError> {
        let most = self.context.host.nofile_hard;
        if let Some(limit) = limits.get_mut(&resource("nofile")?)
            && !self.may_raise()
        {
            *limit = SoftHard { soft: limit.soft.min(most), hard: limit.hard.min(most) };
        }
        Ok(())
    }
}

fn resource(name: &str) -> Result<Resource, PolicyError> {
    name.parse().map_err(|error| PolicyError::invalid(name, format!("{error}")))
}
