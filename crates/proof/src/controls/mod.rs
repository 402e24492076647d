//! The controls: each compares one part of the plan with what was read. Pure.
//!
//! A control gives no finding only where the plan leaves that part alone (no seccomp label planned, no host name
//! planned); where the plan says something, there is a finding, and [`Verdict::Unknown`](crate::Verdict) where it
//! could not be read.

mod capabilities;
mod clocks;
mod credentials;
mod descriptors;
mod devices;
mod id_maps;
mod labels;
mod mounts;
mod namespaces;
mod network;
mod paths;
mod placement;
pub(crate) mod population;
mod privileges;
mod program;
mod rlimits;
mod root;
mod scheduling;
mod seccomp;
mod uts;

pub use placement::compare_group;

use cofferdam_confinement::Plan;

use crate::finding::Finding;
use crate::judge::Judge;
use crate::mount_roles::MountRoles;
use crate::observation::{Observation, Scope, Unreadable};
use crate::planned_filter::PlannedFilter;

/// One control.
#[derive(Clone, Copy)]
pub struct Control {
    /// Its name, as findings carry it.
    pub name: &'static str,
    /// What is read to compare it.
    pub reads: &'static str,
    /// The container's as a whole, or each process's own.
    pub of: Scope,
    compare: fn(&View<'_>, &mut Judge),
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("name", &self.name).field("reads", &self.reads).finish()
    }
}

macro_rules! controls {
    ($($scope:ident $name:literal, $reads:literal, $compare:path;)*) => {
        &[$(Control { name: $name, reads: $reads, of: Scope::$scope, compare: $compare }),*]
    };
}

/// All controls, in the order in which a receipt lists them. Those of `Entered` are compared for every process, those of
/// `Container` for the first one alone, which stands for all.
pub const CONTROLS: &[Control] = controls! {
    Entered "namespaces", "/proc/PID/ns", namespaces::compare;
    Container "first-process", "/proc/PID/status NSpid", namespaces::first_process;
    Container "uid-map", "/proc/PID/uid_map", id_maps::uid_map;
    Container "gid-map", "/proc/PID/gid_map", id_maps::gid_map;
    Container "setgroups", "/proc/PID/setgroups", id_maps::setgroups;
    Container "clock-offsets", "/proc/PID/timens_offsets", clocks::compare;
    Entered "user", "/proc/PID/status Uid", credentials::user;
    Entered "group", "/proc/PID/status Gid", credentials::group;
    Entered "supplementary-groups", "/proc/PID/status Groups", credentials::groups;
    Entered "umask", "/proc/PID/status Umask", credentials::umask;
    Entered "capabilities-bounding", "/proc/PID/status CapBnd", capabilities::bounding;
    Entered "capabilities-permitted", "/proc/PID/status CapPrm", capabilities::permitted;
    Entered "capabilities-effective", "/proc/PID/status CapEff", capabilities::effective;
    Entered "capabilities-inheritable", "/proc/PID/status CapInh", capabilities::inheritable;
    Entered "capabilities-ambient", "/proc/PID/status CapAmb", capabilities::ambient;
    Entered "no-new-privileges", "/proc/PID/status NoNewPrivs", privileges::no_new_privileges;
    Entered "seccomp", "/proc/PID/status Seccomp, Seccomp_filters", seccomp::mode;
    Entered "seccomp-filter", "PTRACE_SECCOMP_GET_FILTER", seccomp::filter;
    Entered "apparmor", "/proc/PID/attr/apparmor/current", labels::apparmor;
    Entered "selinux", "/proc/PID/attr/current", labels::selinux;
    Entered "root", "/proc/PID/root, mountinfo", root::compare;
    Container "mounts", "/proc/PID/mountinfo, statx through /proc/PID/root", mounts::planned;
    Container "extra-mounts", "/proc/PID/mountinfo", mounts::extra;
    Container "masked-paths", "statx through /proc/PID/root, mountinfo", paths::masked;
    Container "readonly-paths", "statx through /proc/PID/root, mountinfo", paths::readonly;
    Container "devices", "statx through /proc/PID/root", devices::planned;
    Container "extra-devices", "listing of /dev through /proc/PID/root", devices::extra;
    Container "hostname", "uname in the UTS namespace", uts::hostname;
    Container "domainname", "uname in the UTS namespace", uts::domainname;
    Container "sysctls", "/proc/sys in the namespaces", uts::sysctls;
    Container "loopback", "/proc/PID/net/fib_trie", network::loopback;
    Container "network", "rtnetlink in both namespaces, nf_tables", network::connection;
    Container "net-devices", "/proc/PID/net/dev", network::devices;
    Container "extra-links", "/proc/PID/net/dev", network::extra_links;
    Entered "rlimits", "/proc/PID/limits", rlimits::compare;
    Entered "oom-score-adj", "/proc/PID/oom_score_adj", scheduling::oom_score_adj;
    Entered "scheduler", "sched_getattr", scheduling::scheduler;
    Entered "io-priority", "ioprio_get", scheduling::io_priority;
    Entered "personality", "/proc/PID/personality", scheduling::personality;
    Entered "memory-policy", "/proc/PID/numa_maps", scheduling::memory_policy;
    Entered "cpu-affinity", "sched_getaffinity", scheduling::affinity;
    Entered "cgroup", "/proc/PID/cgroup", placement::membership;
    Container "cgroup-limits", "the group's control files", placement::limits;
    Container "entered-processes", "cgroup.procs, /proc/PID/status PPid", population::entered;
    Container "other-processes", "/proc/PID/status, cgroup, ns of all of them", population::confined;
    Entered "descriptors", "/proc/PID/fd, fdinfo", descriptors::compare;
    Entered "working-directory", "/proc/PID/cwd", program::working_directory;
    Entered "program", "/proc/PID/exe", program::program;
};

/// What the controls look at: the plan, what was read, and what several of them derive from both.
struct View<'a> {
    plan: &'a Plan,
    observation: &'a Observation,
    mounts: Result<MountRoles<'a>, Unreadable>,
    filter: Option<&'a Result<PlannedFilter, String>>,
    /// Programs of the plan's author run in the container's namespaces before its own: what they make nobody planned.
    hooked: bool,
}

/// What is said of something that the plan does not know and a hook may have made.
const MADE_BY_HOOK: &str =
    "not in the plan, which has hooks that run before the container's program: one of them may have made it";

fn has_early_hooks(plan: &Plan) -> bool {
    let hooks = &plan.hooks;
    [&hooks.prestart, &hooks.create_runtime, &hooks.create_container, &hooks.start_container]
        .iter()
        .any(|hooks| !hooks.is_empty())
}

/// Compares everything: the findings in the order of [`CONTROLS`].
#[must_use]
pub fn compare(plan: &Plan, observation: &Observation) -> Vec<Finding> {
    let filter = plan.process.seccomp.as_ref().map(PlannedFilter::compile);
    compare_with(plan, observation, filter.as_ref())
}

/// [`compare`] with the plan's filter compiled before.
pub(crate) fn compare_with(
    plan: &Plan,
    observation: &Observation,
    filter: Option<&Result<PlannedFilter, String>>,
) -> Vec<Finding> {
    let view = View {
        plan,
        observation,
        mounts: MountRoles::find(plan, observation),
        filter,
        hooked: has_early_hooks(plan),
    };
    let one = |control: &Control| {
        let mut judge = Judge::new(control.name);
        (control.compare)(&view, &mut judge);
        judge.into_findings()
    };
    let concerns = |control: &&Control| observation.scope == Scope::Container || control.of == Scope::Entered;
    CONTROLS.iter().filter(concerns).flat_map(one).collect()
}

#[cfg(test)]
mod tests;
