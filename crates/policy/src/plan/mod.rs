//! A zone and a request become a plan. Total and without I/O: the same three inputs give the same plan or the same refusal.

mod accounts;
mod capabilities;
mod dev;
mod error;
mod etc_files;
mod filter;
mod identity;
mod images;
mod label;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod outlet;
mod process;
mod rlimits;
mod sysctls;
mod unbuilt;
mod volumes;

use cofferdam_confinement::{Cgroup, CgroupPath, Hooks, Plan, Process, SCHEMA_VERSION};
use cofferdam_names::ContainerPath;

pub use error::PolicyError;
pub use etc_files::EtcFiles;
pub use identity::id_maps;
pub use images::{ImageOrigin, admit_image, check_pull};
pub use outlet::{common_outlet, has_own_outlet};
pub use process::{ExecOptions, plan_exec};

use crate::zone::{Place, matches_pattern};
use crate::{ContainerRequest, HostDevices, HostFacts, PlanContext, Zone};

/// A plan that a zone allows. Only [`plan()`] makes one, so whoever demands it knows that policy was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    plan: Plan,
}

impl Admitted {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, to be carried out.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// Makes the complete plan of a container.
///
/// # Errors
/// [`PolicyError`]: the zone forbids it, this host cannot enforce it, Cofferdam cannot do it yet, or it is not valid.
pub fn plan(zone: &Zone, request: &ContainerRequest, context: &PlanContext) -> Result<Admitted, PolicyError> {
    let planner = Planner { zone, request, context };
    planner.admit_image()?;
    planner.refuse_unbuilt()?;
    // Nothing of it is confinement: a probe is one more process of the container. It is refused here so that no container is made.
    request
        .health_check(&context.image)
        .map_err(|error| PolicyError::invalid(format!("{} {:?}", error.what, error.text), error.rule))?;
    let namespaces = planner.namespaces()?;
    let maps = planner.maps_in_force(&namespaces)?;
    let (cgroup, task_limit) = planner.cgroup()?;
    let capabilities = planner.capabilities()?;
    let user = planner.user(maps)?;
    let hostname = planner.hostname(&namespaces)?;
    let mut process = Process {
        args: planner.args()?,
        env: planner.env(&user, hostname.as_deref())?,
        cwd: planner.cwd()?,
        create_cwd: true,
        terminal: request.tty,
        window: if request.tty { context.window } else { None },
        capabilities: capabilities::for_user(capabilities, user.ids.uid),
        user: user.ids,
        no_new_privileges: planner.no_new_privileges()?,
        rlimits: planner.rlimits(task_limit)?,
        oom_score_adj: Some(planner.oom_score_adj()?),
        apparmor_profile: planner.apparmor_profile()?,
        selinux_label: planner.selinux_label()?,
        scheduler: None,
        io_priority: None,
        cpu_affinity: None,
        seccomp: Some(planner.filter(capabilities)?),
        signals_wait: false,
        interpreter: context.interpreter.clone(),
    };
    let mut mounts = planner.mounts(maps, &namespaces)?;
    planner.add_init(&mut process, &mut mounts)?;
    let mut root = context.root.clone();
    root.readonly = root.readonly || request.read_only || !zone.process.writable.value;
    planner.refuse_remountable(capabilities, &mounts, &root)?;
    let plan = Plan {
        schema: SCHEMA_VERSION,
        container: context.container.clone(),
        zone: Some(zone.name.value.clone()),
        root,
        mounts,
        devices: planner.devices()?,
        masked_paths: dev::masked_paths(context.host.cpus)?,
        readonly_paths: dev::readonly_paths()?,
        hostname,
        domainname: planner.domainname(&namespaces)?,
        sysctls: planner.sysctls(maps, &namespaces)?,
        loopback_up: namespaces.network.is_new(),
        network: planner.network(&namespaces)?,
        net_devices: std::collections::BTreeMap::new(),
        session_keyring: true,
        personality: None,
        memory_policy: None,
        cgroup,
        process,
        hooks: Hooks::default(),
        annotations: request.annotations.clone(),
        namespaces,
    };
    Ok(Admitted { plan })
}

/// The limits that a container has after `update`: `request` is the stored request with the changes in it.
///
/// # Errors
/// As [`plan()`].
pub fn plan_limits(
    zone: &Zone,
    request: &ContainerRequest,
    host: &HostFacts,
    devices: &HostDevices,
    current: &Cgroup,
) -> Result<Cgroup, PolicyError> {
    let rules = limits::LimitPlanner { zone, request, host, devices };
    Ok(Cgroup { resources: rules.resources(current.path.is_some())?.0, ..current.clone() })
}

/// What the parts of a plan are made from.
#[derive(Clone, Copy)]
struct Planner<'a> {
    zone: &'a Zone,
    request: &'a ContainerRequest,
    context: &'a PlanContext,
}

impl Planner<'_> {
    /// A refusal that names the zone and the line.
    fn beyond(&self, asked: impl Into<String>, place: &Place, ceiling: impl Into<String>) -> PolicyError {
        beyond(self.zone, asked, place, ceiling)
    }

    /// A refusal that no other zone would take back.
    fn never(
        &self,
        asked: impl Into<String>,
        place: &Place,
        ceiling: impl Into<String>,
        instead: &str,
    ) -> PolicyError {
        refusal(self.zone, asked, place, ceiling, instead)
    }

    /// Where the container is accounted, and a task limit to be put into the first process's resource limits where no
    /// cgroup can hold it.
    fn cgroup(&self) -> Result<(Cgroup, Option<u64>), PolicyError> {
        let host = &self.context.host;
        let path = self.cgroup_path()?;
        let rules = limits::LimitPlanner {
            zone: self.zone,
            request: self.request,
            host,
            devices: &self.context.host_devices,
        };
        let (resources, task_limit) = rules.resources(path.is_some())?;
        Ok((Cgroup { path, owner: None, resources }, task_limit))
    }
}

impl Planner<'_> {
    /// Its group: below Cofferdam's own, or below the one that was asked for, if the zone has it. The zone's limits hold for
    /// the container's own group wherever that is; a parent can only add others.
    fn cgroup_path(&self) -> Result<Option<CgroupPath>, PolicyError> {
        let asked = self.request.cgroup_parent.as_deref().filter(|parent| !parent.is_empty());
        let flag = |parent: &str| format!("--cgroup-parent {parent}");
        if !self.context.host.cgroup_delegated {
            return match asked {
                Some(parent) => Err(PolicyError::lacks(
                    flag(parent),
                    "the engine may not make cgroups here",
                    limits::NO_CGROUP,
                )),
                None => Ok(None),
            };
        }
        let invalid = |parent: &str, error: &dyn std::fmt::Display| {
            PolicyError::invalid(flag(parent), error.to_string())
        };
        let parent = match asked {
            None => CgroupPath::OWN_PARENT.to_owned(),
            Some(text) => {
                let parent = CgroupPath::try_from(text.to_owned()).map_err(|error| invalid(text, &error))?;
                let allowed = &self.zone.limits.cgroup_parents;
                if !allowed.value.iter().any(|pattern| matches_pattern(pattern, parent.as_str())) {
                    let ceiling = format!("limits.cgroup_parents is [{}]", allowed.value.join(", "));
                    return Err(self.beyond(flag(text), &allowed.place, ceiling));
                }
                parent.as_str().to_owned()
            }
        };
        let path = format!("{parent}/{}", self.context.container);
        CgroupPath::try_from(path).map(Some).map_err(|error| invalid(&parent, &error))
    }
}

fn beyond(zone: &Zone, asked: impl Into<String>, place: &Place, ceiling: impl Into<String>) -> PolicyError {
    refusal(zone, asked, place, ceiling, "leave it out, or run in a zone that allows it (--zone)")
}

fn refusal(
    zone: &Zone,
    asked: impl Into<String>,
    place: &Place,
    ceiling: impl Into<String>,
    advice: &str,
) -> PolicyError {
    PolicyError::BeyondZone {
        asked: asked.into(),
        zone: zone.name.value.clone(),
        place: place.clone(),
        ceiling: ceiling.into(),
        advice: advice.to_owned(),
    }
}

/// A path that this code spells out.
fn path(text: &str) -> Result<ContainerPath, PolicyError> {
    text.parse().map_err(|error| PolicyError::invalid(text, format!("{error}")))
}
