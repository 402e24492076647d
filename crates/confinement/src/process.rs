//! A process of a container: its first one, or one that `exec` adds.

use std::path::PathBuf;

use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::rlimit::Resource;
use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use crate::seccomp::Profile;

/// Who the process runs as, in the container's own ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
    /// umask(2); absent to keep 0022.
    pub umask: Option<u32>,
}

/// The five capability sets (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub struct Capabilities {
    pub bounding: CapSet,
    pub effective: CapSet,
    pub permitted: CapSet,
    pub inheritable: CapSet,
    pub ambient: CapSet,
}

impl Capabilities {
    /// What a container gets that may use `set`: nothing inheritable (CVE-2022-29162) and nothing ambient.
    #[must_use]
    pub fn bounded(set: CapSet) -> Self {
        Self {
            bounding: set,
            effective: set,
            permitted: set,
            inheritable: CapSet::EMPTY,
            ambient: CapSet::EMPTY,
        }
    }
}

/// One resource limit; `u64::MAX` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are getrlimit(2)'s")]
pub struct Rlimit {
    pub resource: Resource,
    pub soft: u64,
    pub hard: u64,
}

/// Terminal size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "plain")]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
}

/// Scheduling policies (sched(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum SchedulerPolicy {
    Other,
    Fifo,
    Rr,
    Batch,
    Idle,
    Deadline,
}

/// What sched_setattr(2) is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are sched_setattr(2)'s")]
pub struct Scheduler {
    pub policy: SchedulerPolicy,
    pub nice: i32,
    pub priority: u32,
    /// `SCHED_FLAG_*` bits.
    pub flags: u64,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// Class of ioprio_set(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum IoClass {
    RealTime,
    BestEffort,
    Idle,
}

/// What ioprio_set(2) is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoPriority {
    /// Class.
    pub class: IoClass,
    /// 0 (first) to 7.
    pub level: u8,
}

/// Processors an exec'd process may use, as lists such as `0-3,7` (OCI `execCPUAffinity`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuAffinity {
    /// While it is being set up, before it enters the container's cgroup.
    pub initial: Option<String>,
    /// After it has entered.
    pub last: Option<String>,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Program and arguments; the program is looked up in `PATH` of `env`, inside the container. Never empty.
    pub args: Vec<String>,
    /// The whole environment, `NAME=value`.
    pub env: Vec<String>,
    /// Working directory; made where it is missing if `create_cwd`.
    pub cwd: ContainerPath,
    /// Whether a missing working directory is made (Docker does, OCI does not ask for it).
    pub create_cwd: bool,
    /// Whether it has a terminal of its own.
    pub terminal: bool,
    /// The terminal's first size.
    pub window: Option<WindowSize>,
    /// Who it runs as.
    pub user: User,
    /// Its capabilities.
    pub capabilities: Capabilities,
    /// prctl(2) `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// Its resource limits.
    pub rlimits: Vec<Rlimit>,
    /// `/proc/PID/oom_score_adj`, -1000 to 1000; absent to inherit it.
    pub oom_score_adj: Option<i32>,
    /// AppArmor profile it changes to at exec.
    pub apparmor_profile: Option<String>,
    /// SELinux label it changes to at exec.
    pub selinux_label: Option<String>,
    /// Scheduling.
    pub scheduler: Option<Scheduler>,
    /// I/O priority.
    pub io_priority: Option<IoPriority>,
    /// Processors (exec only).
    pub cpu_affinity: Option<CpuAffinity>,
    /// The system call filter; none is "unconfined".
    pub seccomp: Option<Profile>,
    /// Whether it begins with all signals blocked, because it takes them from there itself (`--init`): the kernel drops a
    /// signal that comes before a first process handles it, but keeps one that is blocked (pid_namespaces(7)).
    pub signals_wait: bool,
    /// The interpreter of the host that the kernel hands programs of another processor to (binfmt_misc, flag F). Such a process's own
    /// program is this one file of the host's, and no other.
    #[serde(default)]
    pub interpreter: Option<PathBuf>,
}
