//! The privileged steps of a start, each with a name: what an error names, and where a fault can be injected.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)+) => {
        /// One step of a start, an exec or a clean-up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Step {
            $($(#[$doc])* $variant,)+
        }

        impl Step {
            /// All steps, in the order in which a start meets them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The step's name as messages and fault injection use it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

steps! {
    /// Opening the channel between the two sides.
    Channel => "open channel",
    /// Opening the namespaces that are joined.
    OpenNamespace => "open namespace",
    /// Making the cgroup.
    Cgroup => "make cgroup",
    /// Setting one limit of the cgroup.
    CgroupLimit => "set cgroup limit",
    /// Cloning the init process.
    Clone => "clone process",
    /// Joining namespaces.
    JoinNamespace => "join namespace",
    /// Writing uid_map, gid_map and setgroups.
    IdMaps => "write id maps",
    /// Writing oom_score_adj.
    OomScore => "set oom_score_adj",
    /// Becoming root of the new user namespace.
    BecomeRoot => "become namespace root",
    /// Joining the cgroup.
    JoinCgroup => "join cgroup",
    /// Making the cgroup namespace.
    CgroupNamespace => "unshare cgroup namespace",
    /// Making the time namespace and writing its offsets.
    TimeNamespace => "set up time namespace",
    /// Bringing up the loopback link.
    Loopback => "bring up loopback",
    /// Making the host ready for links: its addresses, and that it passes packets on.
    HostNetwork => "prepare host network",
    /// Setting the packet rules.
    PacketRules => "set packet rules",
    /// Making the container's link.
    Link => "make link",
    /// Giving the link addresses and routes.
    Address => "set address",
    /// Making the container known to its zone's resolver.
    NameServer => "join name server",
    /// Moving network devices in.
    NetDevice => "move network device",
    /// Setting host and domain name.
    Hostname => "set hostname",
    /// Writing kernel parameters.
    Sysctl => "write sysctl",
    /// Cutting the propagation of the host's mounts.
    Propagation => "set mount propagation",
    /// Making the root file system.
    Root => "prepare root",
    /// Opening or making what is mounted.
    MountSource => "prepare mount",
    /// Attaching mounts.
    Mount => "mount",
    /// Making device nodes.
    Device => "make device",
    /// Hiding paths.
    MaskPath => "mask path",
    /// Making paths read-only.
    ReadonlyPath => "make path read-only",
    /// Running a hook.
    Hook => "run hook",
    /// Switching the root.
    Pivot => "switch root",
    /// Opening the terminal.
    Terminal => "open terminal",
    /// Making a session keyring.
    Keyring => "join session keyring",
    /// Setting resource limits.
    Rlimit => "set resource limit",
    /// Scheduling policy.
    Scheduler => "set scheduler",
    /// I/O priority.
    IoPriority => "set io priority",
    /// Processor affinity.
    Affinity => "set cpu affinity",
    /// Execution domain.
    Personality => "set personality",
    /// set_mempolicy(2)
    MemoryPolicy => "set memory policy",
    /// Entering the working directory.
    WorkingDirectory => "change to working directory",
    /// Groups, user and capabilities.
    Credentials => "set credentials",
    /// The AppArmor profile or SELinux label.
    LsmLabel => "set LSM label",
    /// no_new_privs.
    NoNewPrivileges => "set no_new_privs",
    /// Compiling or installing the system call filter.
    Seccomp => "install seccomp filter",
    /// Tracing the init process up to its exec.
    Gate => "hold at the gate",
    /// Executing the program.
    Exec => "exec",
    /// Waiting for the other side.
    Handshake => "wait for the other side",
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A step that failed, on either side of the clone.
#[derive(Debug, Error)]
#[error("{step} {subject}")]
pub struct StepError {
    /// Which step.
    pub step: Step,
    /// What it was done to: a path, a namespace, a program.
    pub subject: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl StepError {
    /// The kernel's error number, or the one for what was found out without the kernel: not there, not allowed.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error().or(match self.source.kind() {
            io::ErrorKind::NotFound => Some(libc::ENOENT),
            io::ErrorKind::PermissionDenied => Some(libc::EACCES),
            _ => None,
        })
    }
}

impl Step {
    /// Runs the work of this step; a failure carries the step's name and the subject.
    pub fn run<T>(
        self,
        subject: impl fmt::Display,
        work: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StepError> {
        fault::before(self, &subject).and_then(|()| work()).map_err(|source| self.failed(subject, source))
    }

    /// As [`Step::run`], for work that applies one control of the plan and gives nothing back. In builds for tests it can
    /// be left out (`COFFERDAM_SKIP`), which the gate must notice: that is the mutation test of the control.
    pub fn apply(
        self,
        subject: impl fmt::Display,
        work: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StepError> {
        if fault::leaves_out(self, &subject) { Ok(()) } else { self.run(subject, work) }
    }

    /// Whether a build for tests leaves out what this step applies, where that is no work of its own but a value in another
    /// step's.
    #[must_use]
    pub fn is_left_out(self, subject: impl fmt::Display) -> bool {
        fault::leaves_out(self, &subject)
    }

    /// A failure of this step.
    #[must_use]
    pub fn failed(self, subject: impl fmt::Display, source: io::Error) -> StepError {
        StepError { step: self, subject: subject.to_string(), source }
    }

    /// A failure of this step that has a reason in words only.
    #[must_use]
    pub fn refused(self, subject: impl fmt::Display, reason: impl Into<String>) -> StepError {
        self.failed(subject, io::Error::other(reason.into()))
    }
}

/// The descriptor that a build for tests records steps to, if it does: not to be closed with what is not needed.
pub(crate) use fault::descriptor as recording;

#[cfg(feature = "fault-injection")]
mod fault;

/// Without the feature, no step fails or is left out on demand.
#[cfg(not(feature = "fault-injection"))]
mod fault {
    use std::fmt::Display;
    use std::io;

    use super::Step;

    pub(super) fn before(_: Step, _: &impl Display) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn leaves_out(_: Step, _: &impl Display) -> bool {
        false
    }

    pub(crate) fn descriptor() -> Option<std::os::fd::RawFd> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_own_name() {
        let mut names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Step::ALL.len());
    }
}
