//! `stop`, `kill`, `restart` and `wait`, through the container's shim.

use std::io;
use std::time::Duration;

use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerId;
use cofferdam_shim::{Connection, ExitStatus, Frame, MAX_PACKET};

use crate::error::{Error, Result};
use crate::{Engine, StopOptions, WaitCondition};

/// How often a container that nobody tells of is looked at: one that has to be started, or removed, first.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A connection to a container's shim on which its next end is awaited.
struct Watch<'a> {
    id: &'a ContainerId,
    shim: Connection,
}

impl Engine {
    /// Ends its first process with a signal, then with SIGKILL. A container that does not run is fine.
    ///
    /// # Errors
    /// Its shim cannot be asked.
    pub fn stop(&self, id: &ContainerId, options: &StopOptions) -> Result<()> {
        if !self.settle(id)?.state.has_shim() {
            return Ok(());
        }
        let request = Frame::Stop { signal: options.signal, timeout: options.timeout };
        match self.watch(id, &request)? {
            Some(watch) => watch.next_end().map(drop),
            None => Ok(()),
        }
    }

    /// Sends a signal to its first process; returns after its end if that is SIGKILL.
    ///
    /// # Errors
    /// It does not run, or the kernel refuses.
    pub fn kill(&self, id: &ContainerId, signal: Signal) -> Result<()> {
        let not_running = || Error::NotRunning { id: id.clone() };
        if !self.settle(id)?.state.has_shim() {
            return Err(not_running());
        }
        // The end is asked for first: it must not come before somebody waits for it.
        let watch = self.watch(id, &Frame::Wait)?.ok_or_else(not_running)?;
        let sent = watch.shim.send(&Frame::Signal(signal)).map_err(|source| watch.failed(source));
        sent.and_then(|()| watch.signal_sent(signal == Signal::KILL))
    }

    /// Kills a container whose end is all that matters.
    pub(crate) fn kill_for_good(&self, id: &ContainerId) -> Result<()> {
        match self.kill(id, Signal::KILL) {
            Err(Error::NotRunning { .. }) => Ok(()),
            other => other,
        }
    }

    /// Stops it if it runs, and starts it.
    ///
    /// # Errors
    /// Those of a stop and of a start.
    pub fn restart(&self, id: &ContainerId, options: &StopOptions) -> Result<()> {
        let definition = self.definition(id)?;
        if definition.request.rm && self.settle(id)?.state.has_shim() {
            // As with Docker: what `--rm` says counts for the end that nobody restarts.
            self.ask_shim(id, "keep", &Frame::Keep)?;
        }
        self.stop(id, options)?;
        self.forget_volatile(id)?;
        self.start(id, None)?;
        definition.tell(&self.paths, "restart", &[]);
        Ok(())
    }

    /// A root whose writes are not synced must not be mounted twice, in case the machine went down in between (kernel:
    /// overlayfs.rst, "Volatile mount"). It did not: the container ended before our eyes.
    fn forget_volatile(&self, id: &ContainerId) -> Result<()> {
        crate::removal::remove_work(&self.paths.container(id))
    }

    /// Waits until the condition holds; answers how the container ended.
    ///
    /// # Errors
    /// There is no such container, or its shim cannot be asked.
    pub fn wait(&self, id: &ContainerId, condition: WaitCondition) -> Result<ExitStatus> {
        let mut status = self.settle(id)?;
        if condition == WaitCondition::NextExit {
            while !status.state.has_shim() {
                std::thread::sleep(LOOK_AGAIN);
                status = self.settle(id)?;
            }
        }
        let mut exit = status.exit;
        if status.state.has_shim() {
            exit = self.next_end(id)?.or(exit);
        }
        if condition == WaitCondition::Removed {
            loop {
                match self.settle(id) {
                    Ok(status) => exit = status.exit.or(exit),
                    Err(Error::NoContainer { .. }) => break,
                    Err(error) => return Err(error),
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        Ok(exit.unwrap_or_default())
    }

    /// Waits for the end of what runs now. None if the container has gone without telling how.
    fn next_end(&self, id: &ContainerId) -> Result<Option<ExitStatus>> {
        if let Some(watch) = self.watch(id, &Frame::Wait)?
            && let Some(exit) = watch.next_end()?
        {
            return Ok(Some(exit));
        }
        // The shim ended before it could tell, or was killed.
        match self.settle(id) {
            Ok(status) => Ok(status.exit),
            Err(Error::NoContainer { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Connects to the shim and asks; none if it has gone.
    fn watch<'a>(&self, id: &'a ContainerId, request: &Frame<'_>) -> Result<Option<Watch<'a>>> {
        let failed = |source| Error::io("ask the shim of", id.short(), source);
        let shim = match Connection::open(&self.paths.run_dir(id).socket()) {
            Ok(shim) => shim,
            Err(error) if has_left(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match shim.send(request) {
            Ok(()) => Ok(Some(Watch { id, shim })),
            Err(error) if has_left(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether the other end of a connection has gone, or is not there.
fn has_left(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound)
}

impl Watch<'_> {
    fn failed(&self, source: io::Error) -> Error {
        Error::io("ask the shim of", self.id.short(), source)
    }

    /// Waits until the shim lets go of this client, which it does at the process's end: how that was, if the shim could
    /// still tell.
    fn next_end(&self) -> Result<Option<ExitStatus>> {
        let mut buffer = [0; MAX_PACKET];
        let mut exit = None;
        loop {
            match self.shim.receive(&mut buffer) {
                Ok(Some(Frame::Exited(status))) => exit = Some(status),
                Ok(Some(Frame::Failed { messages, .. })) => {
                    return Err(self.failed(io::Error::other(messages.to_owned())));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(exit),
                Err(error) if has_left(&error) => return Ok(exit),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Waits until the shim has sent a signal, or until the end that the signal brings.
    fn signal_sent(&self, until_end: bool) -> Result<()> {
        let mut buffer = [0; MAX_PACKET];
        match self.shim.receive(&mut buffer) {
            Ok(Some(Frame::Done)) if until_end => self.next_end().map(drop),
            Ok(Some(Frame::Done)) => Ok(()),
            Ok(Some(Frame::Failed { messages, .. })) => {
                Err(self.failed(io::Error::other(messages.to_owned())))
            }
            // It ended by itself at the same moment.
            Ok(Some(Frame::Exited(_)) | None) => Err(Error::NotRunning { id: self.id.clone() }),
            Ok(Some(other)) => Err(self.failed(io::Error::other(format!("it answered {other:?}")))),
            Err(error) if has_left(&error) => Err(Error::NotRunning { id: self.id.clone() }),
            Err(error) => Err(self.failed(error)),
        }
    }
}
