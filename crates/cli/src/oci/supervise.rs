//! Stands between a caller and a process of a container while it runs: passes signals and its terminal through, and
//! takes its exit status.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_kernel::children::ended;
use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, send};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, set_child_subreaper, waitid, waitpid};

use super::error::CommandError;
use super::terminal::Proxy;

/// Makes processes that the container leaves behind this process's children, to be reaped.
pub(super) fn reap_orphans() -> Result<(), CommandError> {
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| CommandError::System { what: "cannot become a subreaper", source: error.into() })
}

/// The signals of this process, held back for the container.
#[derive(Debug)]
pub(super) struct Supervisor {
    signals: SignalFd,
}

/// All signals but those that tell of a fault of this process itself.
fn forwarded() -> SignalSet {
    let own = ["SEGV", "BUS", "FPE", "ILL", "ABRT", "TRAP", "SYS"];
    own.iter().filter_map(|name| name.parse().ok()).fold(SignalSet::FULL, SignalSet::without)
}

impl Supervisor {
    /// Holds signals back from now on.
    pub(super) fn prepare() -> Result<Self, CommandError> {
        let make = || {
            block(forwarded())?;
            SignalFd::new(forwarded())
        };
        Ok(Self { signals: make().map_err(CommandError::system("cannot hold signals back"))? })
    }

    /// Waits for the process's end; gives its exit status as a shell has it (128 and the signal's number if one killed
    /// it).
    pub(super) fn wait(
        self,
        pidfd: &OwnedFd,
        pid: Pid,
        terminal: Option<OwnedFd>,
    ) -> Result<u8, CommandError> {
        let failed =
            |source: io::Error| CommandError::System { what: "cannot wait for the container", source };
        let mut proxy = terminal.map(Proxy::new).transpose().map_err(failed)?;
        loop {
            self.pass_on(pidfd, pid, proxy.as_mut()).map_err(failed)?;
            if let Some(code) = exit_code(pidfd, pid).map_err(failed)? {
                if let Some(proxy) = &mut proxy {
                    proxy.drain().map_err(failed)?;
                }
                return Ok(code);
            }
        }
    }

    /// Waits until something happens, and passes it on.
    fn pass_on(&self, pidfd: &OwnedFd, pid: Pid, proxy: Option<&mut Proxy>) -> io::Result<()> {
        let mut polled = vec![
            PollFd::new(pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        if let Some(proxy) = &proxy {
            polled.extend(proxy.poll_fds());
        }
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        let mut resized = false;
        while let Some(arrived) = self.signals.read()? {
            match arrived.signal {
                Signal::CHLD => reap(pid),
                // Go's runtime sends it to itself, and terminals need no forwarding of their size by signal.
                Signal::URG => {}
                Signal::WINCH => resized = true,
                other => {
                    let _ = send(pidfd, other);
                }
            }
        }
        match proxy {
            Some(proxy) => {
                if resized {
                    proxy.resize()?;
                }
                proxy.copy(&ready[2..])
            }
            None => Ok(()),
        }
    }
}

/// Reaps orphans of the container that became this process's children, but not the container's process itself: each is
/// looked at before it is reaped, since that one may end at any moment.
fn reap(container: Pid) {
    while let Ok(Some(ended)) = ended() {
        if ended == container {
            return;
        }
        let _ = waitpid(Some(ended), WaitOptions::NOHANG);
    }
}

/// The exit status once the process has ended.
fn exit_code(pidfd: &OwnedFd, pid: Pid) -> io::Result<Option<u8>> {
    let status = match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(None) => return Ok(None),
        Ok(Some(status)) => status,
        Err(rustix::io::Errno::INTR) => return Ok(None),
        Err(error) => {
            return Err(io::Error::new(io::Error::from(error).kind(), format!("process {pid}: {error}")));
        }
    };
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    Ok(Some(u8::try_from(code).unwrap_or(u8::MAX)))
}
