//! Signals to a container.

use cofferdam_confinement::NamespaceSource;
use cofferdam_kernel::signal::{Signal, send};
use cofferdam_wire_oci::Status;
use rustix::process::{PidfdFlags, Signal as RawSignal, pidfd_open};

use super::container::Container;
use super::error::LifecycleError;

impl Container {
    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self, signal: Signal) -> Result<(), LifecycleError> {
        // Without a pid namespace of its own, the other processes do not end with the first one.
        let shares_pids = !self.record.plan.namespaces.pid.is_new();
        if self.status()? == Status::Stopped {
            return match self.group()? {
                Some(group) if shares_pids && !group.processes()?.is_empty() => Ok(group.kill_all()?),
                _ => Err(LifecycleError::NotRunning),
            };
        }
        if signal == Signal::KILL
            && self.record.plan.namespaces.pid == NamespaceSource::Host
            && let Some(group) = self.group()?
        {
            return Ok(group.kill_all()?);
        }
        let (_, pidfd) = self.init().ok_or(LifecycleError::NotRunning)?;
        let failed = |source: std::io::Error| LifecycleError::Signal { signal: signal.number(), source };
        send(&pidfd, signal).map_err(failed)?;
        // A frozen process of cgroup v1 takes no signal until it is thawed, not even this one.
        if signal == Signal::KILL
            && let Some(group) = self.group()?
            && group.is_frozen()?
        {
            group.thaw()?;
        }
        Ok(())
    }

    /// Sends a signal to every process of the container.
    pub fn kill_all(&self, signal: Signal) -> Result<(), LifecycleError> {
        match self.group()? {
            Some(group) if signal == Signal::KILL => Ok(group.kill_all()?),
            Some(group) => match RawSignal::from_named_raw(signal.number()) {
                Some(named) => Ok(group.signal_all(named)?),
                // A real-time signal: once to each, which cannot be outrun by forking as SIGKILL could.
                None => {
                    for pid in group.processes()? {
                        if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
                            let _ = send(&pidfd, signal);
                        }
                    }
                    Ok(())
                }
            },
            None if self.record.plan.cgroup.path.is_some() => Ok(()),
            None => self.kill(signal),
        }
    }
}
