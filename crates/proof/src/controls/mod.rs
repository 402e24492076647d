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
mod privileges;
mod program;
mod rlimits;
mod root;
mod scheduling;
mod seccomp;
mod uts;

use cofferdam_confinement::Plan;

use crate::finding::Finding;
use crate::judge::Judge;
use crate::mount_roles::MountRoles;
use crate::observation::{Observation, Unreadable};
use crate::planned_filter::PlannedFilter;

/// One control.
#[derive(Clone, Copy)]
pub struct Control {
    /// Its name, as findings carry it.
    pub name: &'static str,
    /// What is read to compare it.
    pub reads: &'static str,
    compare: fn(&View<'_>, &mut Judge),
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("name", &self.name).field("reads", &self.reads).finish()
    }
}

macro_rules! controls {
    ($($name:literal, $reads:literal, $compare:path;)*) => {
        &[$(Control { name: $name, reads: $reads, compare: $compare }),*]
    };
}

/// All controls, in the order in which a receipt lists them.
pub const CONTROLS: &[Control] = controls! {
    "namespaces", "/proc/PID/ns", namespaces::compare;
    "first-process", "/proc/PID/status NSpid", namespaces::first_process;
    "uid-map", "/proc/PID/uid_map", id_maps::uid_map;
    "gid-map", "/proc/PID/gid_map", id_maps::gid_map;
    "setgroups", "/proc/PID/setgroups", id_maps::setgroups;
    "clock-offsets", "/proc/PID/timens_offsets", clocks::compare;
    "user", "/proc/PID/status Uid", credentials::user;
    "group", "/proc/PID/status Gid", credentials::group;
    "supplementary-groups", "/proc/PID/status Groups", credentials::groups;
    "umask", "/proc/PID/status Umask", credentials::umask;
    "capabilities-bounding", "/proc/PID/status CapBnd", capabilities::bounding;
    "capabilities-permitted", "/proc/PID/status CapPrm", capabilities::permitted;
    "capabilities-effective", "/proc/PID/status CapEff", capabilities::effective;
    "capabilities-inheritable", "/proc/PID/status CapInh", capabilities::inheritable;
    "capabilities-ambient", "/proc/PID/status CapAmb", capabilities::ambient;
    "no-new-privileges", "/proc/PID/status NoNewPrivs", privileges::no_new_privileges;
    "seccomp", "/proc/PID/status Seccomp, Seccomp_filters", seccomp::mode;
    "seccomp-filter", "PTRACE_SECCOMP_GET_FILTER", seccomp::filter;
    "apparmor", "/proc/PID/attr/apparmor/current", labels::apparmor;
    "selinux", "/proc/PID/attr/current", labels::selinux;
    "root", "/proc/PID/root, mountinfo", root::compare;
    "mounts", "/proc/PID/mountinfo, statx through /proc/PID/root", mounts::planned;
    "extra-mounts", "/proc/PID/mountinfo", mounts::extra;
    "masked-paths", "statx through /proc/PID/root, mountinfo", paths::masked;
    "readonly-paths", "statx through /proc/PID/root, mountinfo", paths::readonly;
    "devices", "statx through /proc/PID/root", devices::planned;
    "extra-devices", "listing of /dev through /proc/PID/root", devices::extra;
    "hostname", "uname in the UTS namespace", uts::hostname;
    "domainname", "uname in the UTS namespace", uts::domainname;
    "sysctls", "/proc/sys in the namespaces", uts::sysctls;
    "loopback", "/proc/PID/net/fib_trie", network::loopback;
    "net-devices", "/proc/PID/net/dev", network::devices;
    "rlimits", "/proc/PID/limits", rlimits::compare;
    "oom-score-adj", "/proc/PID/oom_score_adj", scheduling::oom_score_adj;
    "scheduler", "sched_getattr", scheduling::scheduler;
    "io-priority", "ioprio_get", scheduling::io_priority;
    "personality", "/proc/PID/personality", scheduling::personality;
    "cgroup", "/proc/PID/cgroup", placement::membership;
    "descriptors", "/proc/PID/fd, fdinfo", descriptors::compare;
    "working-directory", "/proc/PID/cwd", program::working_directory;
    "program", "/proc/PID/exe", program::program;
};

/// What the controls look at: the plan, what was read, and what several of them derive from both.
struct View<'a> {
    plan: &'a Plan,
    observation: &'a Observation,
    mounts: Result<MountRoles<'a>, Unreadable>,
    filter: Option<&'a Result<PlannedFilter, String>>,
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
    let view = View { plan, observation, mounts: MountRoles::find(plan, observation), filter };
    let one = |control: &Control| {
        let mut judge = Judge::new(control.name);
        (control.compare)(&view, &mut judge);
        judge.into_findings()
    };
    CONTROLS.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests;
