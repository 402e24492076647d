//! What clients ask.

use std::io;
use std::time::{Duration, Instant};

use cofferdam_kernel::signal::{self, Signal};
use cofferdam_kernel::tty;

use super::{Keeper, Supervisor};
use crate::failure::Failure;
use crate::frame::{Frame, MAX_PACKET};
use crate::status::ContainerState;
use crate::{Connection, ExitStatus};

/// One connected client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// It sends input.
    pub(crate) stdin: bool,
    /// It wants output.
    pub(crate) stdout: bool,
    /// It wants errors.
    pub(crate) stderr: bool,
    /// It wants to be told the next end.
    pub(crate) waits: bool,
    /// It has not taken the packet of output that is under way.
    pub(super) owed: bool,
    /// It has left.
    pub(super) gone: bool,
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Self {
        let (stdin, stdout, stderr, waits) = (false, false, false, false);
        Self { connection, stdin, stdout, stderr, waits, owed: false, gone: false }
    }

    /// Whether it wants this stream.
    pub(super) fn wants(&self, stderr: bool) -> bool {
        !self.gone && if stderr { self.stderr } else { self.stdout }
    }

    /// Tells something; a client that cannot take it has left.
    fn tell(&mut self, frame: &Frame<'_>) {
        if self.connection.send(frame).is_err() {
            self.gone = true;
        }
    }

    fn answer(&mut self, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.tell(&Frame::Done),
            Err(failure) => self.gone |= failure.send(&self.connection).is_err(),
        }
    }

    /// Tells the end to a client that waits for it or is attached. Whether it was told.
    pub(super) fn tell_end(&mut self, status: ExitStatus) -> bool {
        let wants = self.waits || self.stdout || self.stderr || self.stdin;
        if wants {
            self.tell(&Frame::Exited(status));
        }
        wants
    }
}

impl<K: Keeper> Supervisor<'_, K> {
    pub(super) fn on_connect(&mut self) -> io::Result<()> {
        // Too many clients, or one that is turned away, must not end the shim.
        if let Ok(Some(connection)) = self.listener.accept() {
            self.clients.push(Client::new(connection));
        }
        Ok(())
    }

    pub(super) fn on_client(&mut self, number: usize) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(number) else { return Ok(()) };
        if client.owed {
            self.deliver();
        }
        let Some(client) = self.clients.get_mut(number).filter(|client| !client.gone) else { return Ok(()) };
        if !self.pending_input.is_empty() {
            return Ok(());
        }
        let mut buffer = [0; MAX_PACKET];
        match client.connection.receive(&mut buffer) {
            Ok(Some(Frame::Detach)) => {
                client.gone = true;
                self.tell("detach", &[]);
            }
            Ok(Some(frame)) => return self.on_frame(number, &frame),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Its end, or no client of ours. Who gave input and went without a word (a broken pipe, a kill) ends it.
            Ok(None) | Err(_) => {
                client.gone = true;
                if client.stdin {
                    self.end_input()?;
                }
            }
        }
        Ok(())
    }

    fn on_frame(&mut self, number: usize, frame: &Frame<'_>) -> io::Result<()> {
        let result = match *frame {
            Frame::Attach { stdin, stdout, stderr } => {
                if let Some(client) = self.clients.get_mut(number) {
                    (client.stdin, client.stdout, client.stderr) = (stdin, stdout, stderr);
                }
                self.tell("attach", &[]);
                Ok(())
            }
            // These get no answer: they are the stream of an attached client.
            Frame::Stdin(bytes) => return self.take_input(bytes),
            Frame::StdinEnd => return self.end_input(),
            Frame::Resize { rows, columns } => {
                if let Some(terminal) = &self.streams.terminal {
                    tty::set_size(terminal, rows, columns)?;
                    self.tell("resize", &[("height", rows.to_string()), ("width", columns.to_string())]);
                }
                return Ok(());
            }
            Frame::Signal(signal) => self.on_kill(signal),
            Frame::Stop { signal, timeout } => {
                self.on_stop(number, signal, timeout)?;
                return Ok(());
            }
            Frame::Keep => {
                self.spec.keep = true;
                Ok(())
            }
            Frame::Rename(name) => {
                self.spec.attributes.insert("name".to_owned(), name.to_owned());
                Ok(())
            }
            Frame::Pause => self.set_paused(true),
            Frame::Unpause => self.set_paused(false),
            Frame::Wait => {
                if let Some(client) = self.clients.get_mut(number) {
                    client.waits = true;
                }
                return Ok(());
            }
            Frame::Restart(policy) => policy
                .parse()
                .map(|policy| self.spec.restart = policy)
                .map_err(|error| Failure::during("change the restart policy", &error)),
            _ => Err(Failure::plain("a client sent what only a shim sends")),
        };
        if let Some(client) = self.clients.get_mut(number) {
            client.answer(result);
        }
        Ok(())
    }

    fn end_input(&mut self) -> io::Result<()> {
        if self.spec.stdin_once {
            self.input_ends = true;
            return self.feed();
        }
        Ok(())
    }

    /// Sends a signal to the first process. The pidfd is of the process itself: no number that was given to another one
    /// meanwhile can be meant.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<bool> {
        let Some(child) = &self.child else { return Ok(false) };
        match signal::send(&child.pidfd, signal) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn on_kill(&mut self, signal: Signal) -> Result<(), Failure> {
        if self.child.is_none() {
            // Between two starts: there is nothing to kill, and a deadly signal means that there shall be none.
            if signal == Signal::KILL || signal == self.spec.stop_signal {
                self.give_up_restart();
                return Ok(());
            }
            return Err(Failure::plain("the container is not running"));
        }
        if signal == Signal::KILL || signal == self.spec.stop_signal {
            self.status.stopped_by_user = true;
        }
        let sent = self.signal(signal);
        sent.map_err(|error| Failure::during(format!("send {signal}"), &error))?;
        self.tell("kill", &[("signal", signal.number().to_string())]);
        if signal == Signal::KILL {
            self.thaw();
        }
        Ok(())
    }

    fn on_stop(&mut self, number: usize, signal: Option<Signal>, timeout: Option<i32>) -> io::Result<()> {
        if let Some(client) = self.clients.get_mut(number) {
            client.waits = true;
        }
        self.stop(signal, timeout)
    }

    /// Starts to stop: the end comes with the process's own.
    pub(super) fn stop(&mut self, signal: Option<Signal>, timeout: Option<i32>) -> io::Result<()> {
        self.status.stopped_by_user = true;
        if self.child.is_none() {
            self.give_up_restart();
            return Ok(());
        }
        let signal = signal.unwrap_or(self.spec.stop_signal);
        let timeout = timeout.unwrap_or(self.spec.stop_timeout);
        self.signal(signal)?;
        self.stopping = true;
        self.tell("kill", &[("signal", signal.number().to_string())]);
        self.thaw();
        if let Ok(seconds) = u64::try_from(timeout) {
            let at = Instant::now() + Duration::from_secs(seconds);
            self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
        }
        Ok(())
    }

    /// A frozen process takes no signal but when it is let go.
    fn thaw(&mut self) {
        if self.status.state == ContainerState::Paused {
            // The kill that follows reports what is wrong with the group, if something is.
            let _ = self.set_paused(false);
        }
    }

    fn set_paused(&mut self, paused: bool) -> Result<(), Failure> {
        let (from, to, word, event) = if paused {
            (ContainerState::Running, ContainerState::Paused, "pause the container", "pause")
        } else {
            (ContainerState::Paused, ContainerState::Running, "unpause the container", "unpause")
        };
        if self.status.state != from {
            return Err(Failure::plain(format!("cannot {word}: it is {}", self.status.state)));
        }
        if paused {
            self.break_probe_off();
        }
        self.freeze(paused)?;
        self.status.state = to;
        self.write_status().map_err(|error| Failure::during(word, &error))?;
        self.tell(event, &[]);
        Ok(())
    }
}
