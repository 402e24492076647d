//! Passes bytes, sizes and signals between a client and a container's shim.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, set_mask};
use cofferdam_kernel::tty::{RawMode, size};
use cofferdam_shim::{Connection, ExitStatus, Frame, MAX_DATA, MAX_PACKET};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::detach::DetachFilter;
use crate::error::{Error, Result};
use crate::exec_session::write_all;
use crate::interrupts::Interrupts;
use crate::options::{Attach, RelayEnd, RelayOptions};

/// A connection to the streams of a container's first process.
#[derive(Debug)]
pub struct AttachStream {
    connection: Connection,
    attach: Attach,
}

impl AttachStream {
    pub(crate) fn new(connection: Connection, attach: Attach) -> Self {
        Self { connection, attach }
    }

    /// Passes bytes, sizes and signals until the process ends or the client detaches. The terminal is as before
    /// afterwards, whatever happens.
    ///
    /// # Errors
    /// The connection was lost, or a stream of the client's failed.
    pub fn relay(self, options: &RelayOptions<'_>) -> Result<RelayEnd> {
        let before =
            block(SignalSet::FULL).map_err(|source| Error::io("block signals for", "a relay", source))?;
        let end = Relay::new(self, options).and_then(Relay::run);
        set_mask(before).and(end).map_err(|source| Error::io("relay the streams of", "the container", source))
    }
}

impl AsFd for AttachStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl AttachStream {
    /// Takes one message of the shim's, for a reader that waits for several containers at once (`true`: standard error). How
    /// the process ended, once it has.
    pub(crate) fn next(&self, output: &mut dyn FnMut(bool, &[u8])) -> io::Result<Option<ExitStatus>> {
        let mut buffer = [0; MAX_PACKET];
        match self.connection.receive(&mut buffer)? {
            Some(Frame::Stdout(bytes)) => output(false, bytes),
            Some(Frame::Stderr(bytes)) => output(true, bytes),
            Some(Frame::Exited(status)) => return Ok(Some(status)),
            Some(Frame::Failed { messages, .. }) => return Err(io::Error::other(messages.to_owned())),
            Some(_) => {}
            None => return Err(shim_gone()),
        }
        Ok(None)
    }
}

fn shim_gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the container's shim has gone; the container ends with it")
}

struct Relay<'a> {
    connection: Connection,
    options: &'a RelayOptions<'a>,
    signals: SignalFd,
    raw: Option<RawMode<'a>>,
    detach: DetachFilter,
    interrupts: Interrupts,
    input: Option<BorrowedFd<'a>>,
}

impl<'a> Relay<'a> {
    fn new(stream: AttachStream, options: &'a RelayOptions<'a>) -> io::Result<Self> {
        let raw = match options.stdin {
            Some(stdin) if options.tty && rustix::termios::isatty(stdin) => Some(RawMode::enter(stdin)?),
            _ => None,
        };
        Ok(Self {
            connection: stream.connection,
            signals: SignalFd::new(SignalSet::FULL)?,
            detach: DetachFilter::new(options.detach_keys.clone()),
            interrupts: Interrupts::default(),
            input: options.stdin.filter(|_| stream.attach.stdin),
            raw,
            options,
        })
    }

    fn run(mut self) -> io::Result<RelayEnd> {
        self.send_size()?;
        loop {
            let (shim, signals, input) = self.wait()?;
            if signals && self.pass_signals()? {
                return Ok(RelayEnd::Interrupted);
            }
            if input && self.pass_input()? {
                self.connection.send(&Frame::Detach)?;
                return Ok(RelayEnd::Detached);
            }
            if shim && let Some(end) = self.pass_output()? {
                return Ok(end);
            }
        }
    }

    fn wait(&self) -> io::Result<(bool, bool, bool)> {
        let mut polled = vec![
            PollFd::from_borrowed_fd(self.connection.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        polled.extend(self.input.map(|input| PollFd::from_borrowed_fd(input, PollFlags::IN)));
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        let ready = |index: usize| polled.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok((ready(0), ready(1), ready(2)))
    }

    /// Passes on what the client was sent; says whether that ends the client.
    fn pass_signals(&mut self) -> io::Result<bool> {
        while let Some(arrived) = self.signals.read()? {
            match arrived.signal {
                Signal::WINCH => self.send_size()?,
                Signal::CHLD | Signal::PIPE => {}
                // The container may have ended just now: its end is read next.
                signal if self.options.forward_signals => {
                    let _ = self.connection.send(&Frame::Signal(signal));
                    if self.interrupts.count(signal) {
                        return Ok(true);
                    }
                }
                // Sent by a shell that puts the client in the foreground again.
                Signal::CONT | Signal::URG => {}
                // With a terminal the keys that mean signals arrive as keys; any other signal is for this client.
                signal => return Err(io::Error::other(format!("the client got {signal}"))),
            }
        }
        Ok(false)
    }

    fn send_size(&self) -> io::Result<()> {
        let Some(terminal) = self.options.stdin.filter(|_| self.options.tty) else { return Ok(()) };
        match size(terminal) {
            Ok(Some((rows, columns))) => self.connection.send(&Frame::Resize { rows, columns }),
            _ => Ok(()),
        }
    }

    /// Sends what the client typed; says whether it typed the detach keys.
    fn pass_input(&mut self) -> io::Result<bool> {
        let Some(input) = self.input else { return Ok(false) };
        let mut typed = vec![0u8; MAX_DATA];
        let count = match rustix::io::retry_on_intr(|| rustix::io::read(input, &mut typed)) {
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::IO) => 0,
            other => other?,
        };
        if count == 0 {
            self.input = None;
            // The container may have ended just now: its end is read next.
            let _ = self.connection.send(&Frame::StdinEnd);
            return Ok(false);
        }
        let bytes = typed.get(..count).unwrap_or_default();
        let mut passed = Vec::with_capacity(count);
        let detached = if self.raw.is_some() {
            self.detach.pass(bytes, &mut passed)
        } else {
            passed.extend_from_slice(bytes);
            false
        };
        if !passed.is_empty() && self.connection.send(&Frame::Stdin(&passed)).is_err() {
            self.input = None;
        }
        Ok(detached)
    }

    /// Takes one message of the shim's.
    fn pass_output(&mut self) -> io::Result<Option<RelayEnd>> {
        let mut buffer = [0; MAX_PACKET];
        match self.connection.receive(&mut buffer)? {
            Some(Frame::Stdout(bytes)) => write_all(self.options.stdout, bytes)?,
            Some(Frame::Stderr(bytes)) => write_all(self.options.stderr, bytes)?,
            Some(Frame::Exited(status)) => return Ok(Some(RelayEnd::Exited(status))),
            Some(Frame::Failed { messages, .. }) => return Err(io::Error::other(messages.to_owned())),
            Some(_) => {}
            None => return Err(shim_gone()),
        }
        Ok(None)
    }
}
