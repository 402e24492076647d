//! The processes of a group: listed, frozen, killed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::control_file::{self, ControlFileError};
use super::error::ControlError;
use super::group::{Group, Place};

impl Group {
    /// The processes in the group and in the groups below it, as the caller's pid namespace numbers them.
    pub fn processes(&self) -> Result<Vec<Pid>, ControlError> {
        Ok(self.process_numbers()?.into_iter().filter_map(Pid::from_raw).collect())
    }

    fn process_numbers(&self) -> Result<BTreeSet<i32>, ControlError> {
        let mut found = BTreeSet::new();
        for place in self.listing_places() {
            collect(&place.folder, &mut found)?;
        }
        Ok(found)
    }

    /// v2 and one v1 hierarchy: a process is in all of them, except while it is joining.
    fn listing_places(&self) -> impl Iterator<Item = &Place> {
        let unified = self.unified();
        let other = self.places().iter().find(|place| place.version().name() == "v1");
        [unified, other].into_iter().flatten()
    }

    /// Stops every process of the group where it is, and waits until they are stopped, at most a few seconds.
    pub fn freeze(&self) -> Result<(), ControlError> {
        self.set_frozen(true)
    }

    /// Lets the processes go on.
    pub fn thaw(&self) -> Result<(), ControlError> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), ControlError> {
        let place = self.freezer().ok_or(ControlError::NoFreezer)?;
        place.version().set_frozen(&place.folder, frozen)
    }

    /// Whether the group is frozen.
    pub fn is_frozen(&self) -> Result<bool, ControlError> {
        let place = self.freezer().ok_or(ControlError::NoFreezer)?;
        place.version().is_frozen(&place.folder)
    }

    /// Sends a signal to every process of the group. They are frozen meanwhile, so that none can fork away from it; a
    /// group that is frozen already stays so, and gets the signal when it is thawed.
    pub fn signal_all(&self, signal: Signal) -> Result<(), ControlError> {
        let was_frozen = self.is_frozen()?;
        if !was_frozen {
            self.freeze()?;
        }
        let sent = self.processes().and_then(|processes| self.signal_members(&processes, signal));
        if !was_frozen {
            self.thaw()?;
        }
        sent
    }

    /// Kills every process of the group, also frozen ones, and waits until none is left that still runs, at most two
    /// seconds. Ended processes that no parent has collected do not count.
    pub fn kill_all(&self) -> Result<(), ControlError> {
        const WAIT: Duration = Duration::from_secs(2);
        let end = Instant::now() + WAIT;
        let mut pause = Duration::from_micros(200);
        let in_one_step = self.kill_in_one_step()?;
        loop {
            let processes = self.processes()?;
            if processes.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                let path = self.places().first().map(|place| place.folder.clone()).unwrap_or_default();
                return Err(ControlError::Timeout { path, wanted: "empty", waited: WAIT });
            }
            // A fork bomb outruns one round of signals, but not from inside the freezer.
            if !in_one_step && self.freezer().is_some() {
                let _ = self.freeze();
            }
            self.signal_members(&processes, Signal::KILL)?;
            // A frozen process of v1 dies only when it is thawed.
            if self.freezer().is_some() {
                self.thaw()?;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// `cgroup.kill` (v2, Linux 5.14): no process escapes it by forking.
    fn kill_in_one_step(&self) -> Result<bool, ControlError> {
        let Some(place) = self.unified() else { return Ok(false) };
        let path = place.folder.join("cgroup.kill");
        match control_file::write(&path, "1") {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ControlFileError::writing("1", &path, error).into()),
        }
    }

    /// Signals processes through descriptors, after checking once more that they are members: a number may have been
    /// given to a process outside since it was listed, but a descriptor that was made before this check names the member.
    fn signal_members(&self, processes: &[Pid], signal: Signal) -> Result<(), ControlError> {
        // Few enough for the usual limit on open files.
        for some in processes.chunks(256) {
            let mut opened = Vec::with_capacity(some.len());
            for pid in some {
                match pidfd_open(*pid, PidfdFlags::empty()) {
                    Ok(process) => opened.push((*pid, process)),
                    Err(Errno::SRCH) => {}
                    Err(errno) => return Err(self.kill_error(*pid, errno)),
                }
            }
            let members = self.process_numbers()?;
            for (pid, process) in opened {
                if !members.contains(&pid.as_raw_nonzero().get()) {
                    continue;
                }
                match pidfd_send_signal(&process, signal) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(self.kill_error(pid, errno)),
                }
            }
        }
        Ok(())
    }

    fn kill_error(&self, pid: Pid, errno: Errno) -> ControlError {
        let path = self.places().first().map(|place| place.folder.clone()).unwrap_or_default();
        ControlError::Kill { pid: pid.as_raw_nonzero().get(), path, source: errno.into() }
    }
}

/// Adds the processes of a group and of those below it. A group that is gone has none.
fn collect(folder: &Path, found: &mut BTreeSet<i32>) -> Result<(), ControlFileError> {
    let Some(text) = control_file::read_if_there(&folder.join("cgroup.procs"))? else { return Ok(()) };
    // 0 stands for a process that the caller's pid namespace has no number for.
    found.extend(text.lines().filter_map(|line| line.trim().parse::<i32>().ok()).filter(|pid| *pid > 0));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ControlFileError::reading(folder, error)),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found)?;
        }
    }
    Ok(())
}
