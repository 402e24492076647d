//! Passes bytes, sizes and signals between a client and a process that `exec` started.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use cofferdam_kernel::fork;
use cofferdam_kernel::signal::{Signal, SignalFd, SignalSet, block, send, set_mask};
use cofferdam_kernel::tty::{RawMode, set_size, size};
use cofferdam_shim::ExitStatus;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::detach::DetachFilter;
use crate::error::{Error, Result};
use crate::exec_events::ExecEvents;
use crate::interrupts::Interrupts;
use crate::options::{RelayEnd, RelayOptions};

/// The client's ends of the process's streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) terminal: Option<OwnedFd>,
}

/// A process that `exec` started.
#[derive(Debug)]
pub struct ExecSession {
    process: OwnedFd,
    streams: Streams,
    told: Option<ExecEvents>,
}

/// Bytes that are moved at a time.
const CHUNK: usize = 16 * 1024;

impl ExecSession {
    pub(crate) fn new(process: OwnedFd, streams: Streams) -> Self {
        Self { process, streams, told: None }
    }

    /// Its process, and its output and errors, for who follows it without a client.
    pub(crate) fn into_output(self) -> (OwnedFd, Option<OwnedFd>, Option<OwnedFd>) {
        (self.process, self.streams.stdout, self.streams.stderr)
    }

    /// The same, whose end is told of.
    pub(crate) fn telling(self, told: ExecEvents) -> Self {
        Self { told: Some(told), ..self }
    }

    /// Passes bytes, sizes and signals until the process ends or the client detaches. The terminal is as before
    /// afterwards, whatever happens.
    ///
    /// # Errors
    /// A stream failed.
    pub fn relay(mut self, options: &RelayOptions<'_>) -> Result<RelayEnd> {
        let before =
            block(SignalSet::FULL).map_err(|source| Error::io("block signals for", "exec", source))?;
        let told = self.told.take();
        let end = Relay::new(self, options).and_then(Relay::run);
        if let (Ok(end), Some(told)) = (&end, told) {
            told.end(end);
        }
        // The client goes on as it was; a failure here would leave it deaf to signals, so it is told.
        set_mask(before).and(end).map_err(|source| Error::io("relay the streams of", "exec", source))
    }
}

struct Relay<'a> {
    session: ExecSession,
    options: &'a RelayOptions<'a>,
    signals: SignalFd,
    raw: Option<RawMode<'a>>,
    detach: DetachFilter,
    interrupts: Interrupts,
    client_input: Option<BorrowedFd<'a>>,
    ended: bool,
}

impl<'a> Relay<'a> {
    fn new(session: ExecSession, options: &'a RelayOptions<'a>) -> io::Result<Self> {
        let raw = match options.stdin {
            Some(stdin) if options.tty && rustix::termios::isatty(stdin) => Some(RawMode::enter(stdin)?),
            _ => None,
        };
        let takes_input = session.streams.stdin.is_some() || session.streams.terminal.is_some();
        Ok(Self {
            signals: SignalFd::new(SignalSet::FULL)?,
            detach: DetachFilter::new(options.detach_keys.clone()),
            interrupts: Interrupts::default(),
            client_input: options.stdin.filter(|_| takes_input),
            raw,
            options,
            session,
            ended: false,
        })
    }

    /// One round for each thing that happens. The process's end is acted upon only when its output has been passed on.
    fn run(mut self) -> io::Result<RelayEnd> {
        self.follow_size()?;
        loop {
            let ready = self.wait()?;
            if ready.signals && self.pass_signals()? {
                return Ok(RelayEnd::Interrupted);
            }
            if ready.process {
                self.ended = true;
            }
            if ready.input && self.pass_input()? {
                return self.leave();
            }
            let moved = self.pass_output(&ready)?;
            if self.ended && !moved {
                return self.reap().map(RelayEnd::Exited);
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let streams = &self.session.streams;
        let output = streams.stdout.as_ref().or(streams.terminal.as_ref());
        let sources: [Option<BorrowedFd<'_>>; 5] = [
            Some(self.signals.as_fd()),
            (!self.ended).then(|| self.session.process.as_fd()),
            self.client_input,
            output.map(AsFd::as_fd),
            streams.stderr.as_ref().map(AsFd::as_fd),
        ];
        let mut polled: Vec<PollFd<'_>> =
            sources.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // After the end there may still be output in the pipes; a process left behind may hold them open, and is not
        // waited for.
        let timeout = self.ended.then_some(rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 });
        rustix::io::retry_on_intr(|| poll(&mut polled, timeout.as_ref()))?;
        let mut results = polled.iter().map(|fd| !fd.revents().is_empty());
        let [signals, process, input, stdout, stderr] =
            sources.map(|source| source.is_some() && results.next().unwrap_or(false));
        Ok(Ready { signals, process, input, stdout, stderr })
    }

    /// Passes on what the client was sent; says whether that ends the client.
    fn pass_signals(&mut self) -> io::Result<bool> {
        while let Some(arrived) = self.signals.read()? {
            match arrived.signal {
                Signal::WINCH => self.follow_size()?,
                Signal::CHLD | Signal::PIPE => {}
                // A process that has ended needs no signal.
                signal if self.options.forward_signals || !self.options.tty => {
                    let _ = send(&self.session.process, signal);
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

    /// Gives the process's terminal the size of the client's.
    fn follow_size(&self) -> io::Result<()> {
        let (Some(terminal), Some(client)) = (&self.session.streams.terminal, self.options.stdin) else {
            return Ok(());
        };
        match size(client) {
            Ok(Some((rows, columns))) => set_size(terminal, rows, columns),
            _ => Ok(()),
        }
    }

    /// Moves what the client typed; says whether it typed the detach keys.
    fn pass_input(&mut self) -> io::Result<bool> {
        let Some(client) = self.client_input else { return Ok(false) };
        let mut typed = [0u8; CHUNK];
        let count = match rustix::io::retry_on_intr(|| rustix::io::read(client, &mut typed)) {
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::IO) => 0,
            other => other?,
        };
        if count == 0 {
            self.client_input = None;
            self.session.streams.stdin = None;
            return Ok(false);
        }
        let mut passed = Vec::with_capacity(count);
        let bytes = typed.get(..count).unwrap_or_default();
        let detached = if self.raw.is_some() {
            self.detach.pass(bytes, &mut passed)
        } else {
            passed.extend(bytes);
            false
        };
        let streams = &self.session.streams;
        if let Some(target) = streams.terminal.as_ref().or(streams.stdin.as_ref())
            && write_all(target, &passed).is_err()
        {
            // The process closed its input: the rest of the client's goes nowhere.
            self.client_input = None;
            self.session.streams.stdin = None;
        }
        Ok(detached)
    }

    /// Moves what the process wrote; says whether there was any.
    fn pass_output(&mut self, ready: &Ready) -> io::Result<bool> {
        let streams = &mut self.session.streams;
        let mut moved = false;
        if ready.stdout {
            let source = if streams.stdout.is_some() { &mut streams.stdout } else { &mut streams.terminal };
            moved |= pass(source, self.options.stdout)?;
        }
        if ready.stderr {
            moved |= pass(&mut streams.stderr, self.options.stderr)?;
        }
        Ok(moved)
    }

    /// The process goes on without the client.
    fn leave(mut self) -> io::Result<RelayEnd> {
        if let Some(terminal) = self.session.streams.terminal.take() {
            keep_open(&terminal, &self.session.process)?;
        }
        Ok(RelayEnd::Detached)
    }

    fn reap(&self) -> io::Result<ExitStatus> {
        let id = WaitId::PidFd(self.session.process.as_fd());
        let status = rustix::io::retry_on_intr(|| waitid(id.clone(), WaitIdOptions::EXITED))?;
        let status = status.ok_or_else(|| io::Error::other("the process has not ended"))?;
        let signal = status.terminating_signal();
        let code = status.exit_status().or(signal.map(|number| number + 128)).unwrap_or(255);
        Ok(ExitStatus {
            code: u8::try_from(code).unwrap_or(255),
            signal: signal.and_then(Signal::from_number),
            oom_killed: false,
        })
    }
}

struct Ready {
    signals: bool,
    process: bool,
    input: bool,
    stdout: bool,
    stderr: bool,
}

/// Leaves a process behind that takes what is written to the terminal, until the process that has it ends or nobody has it open any
/// more: without a reader the kernel would hang it up, and who writes would wait.
fn keep_open(terminal: &OwnedFd, process: &OwnedFd) -> io::Result<()> {
    /// It is the container that decides how much there is to read, and not its processor time that is spent: 1.6 MB a second.
    const PAUSE: Duration = Duration::from_millis(10);
    fork::detached(&[terminal.as_raw_fd(), process.as_raw_fd()], |prepared| {
        // Whoever wants it gone can send it what ends any process. What hung up the client's own terminal, which this process may have
        // had for a moment, is not meant for it.
        let prepared = prepared.and_then(|()| set_mask(SignalSet::FULL.without(Signal::TERM)));
        let mut bytes = [0u8; CHUNK];
        while prepared.is_ok() {
            let mut polled = [PollFd::new(terminal, PollFlags::IN), PollFd::new(process, PollFlags::IN)];
            let ready = rustix::io::retry_on_intr(|| poll(&mut polled, None));
            if ready.is_err() || !polled[1].revents().is_empty() {
                break;
            }
            // EIO: nobody has it open.
            if !rustix::io::retry_on_intr(|| rustix::io::read(terminal, &mut bytes))
                .is_ok_and(|count| count > 0)
            {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        i32::from(prepared.is_err())
    })
}

/// Moves one chunk; a stream that has ended is closed.
fn pass(source: &mut Option<OwnedFd>, target: BorrowedFd<'_>) -> io::Result<bool> {
    let Some(open) = source else { return Ok(false) };
    let mut bytes = [0u8; CHUNK];
    let count = match rustix::io::retry_on_intr(|| rustix::io::read(&*open, &mut bytes)) {
        // EIO: the last process that had the terminal open has closed it.
        Err(Errno::IO) => 0,
        other => other?,
    };
    if count == 0 {
        *source = None;
        return Ok(false);
    }
    write_all(target, bytes.get(..count).unwrap_or_default())?;
    Ok(true)
}

/// Writes everything, also to a descriptor that does not block.
pub(crate) fn write_all(target: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&target, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::new(&target, PollFlags::OUT)];
                rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
