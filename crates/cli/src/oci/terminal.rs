//! Joins the caller's terminal, or its plain streams, with the terminal of a container.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// Bytes that are on their way in one direction.
#[derive(Debug, Default)]
struct Pending(Vec<u8>);

/// The two ends. Dropping it gives the caller's terminal its own behaviour back.
#[derive(Debug)]
pub(super) struct Proxy {
    master: OwnedFd,
    /// What the caller's terminal was like, if its standard input is one.
    before: Option<Termios>,
    input_open: bool,
    output_open: bool,
    to_container: Pending,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// Lets the container's terminal end lines with a line feed alone: where the output is a file or a pipe, the carriage
/// returns of a terminal would end up in it, and where it is a terminal, that one adds its own. To be called before the
/// container's program runs.
pub(super) fn end_lines_plainly(master: &OwnedFd) -> io::Result<()> {
    let mut container = tcgetattr(master)?;
    container.output_modes -= OutputModes::ONLCR;
    Ok(tcsetattr(master, OptionalActions::Now, &container)?)
}

impl Proxy {
    /// Joins standard input and output with the master side of a container's terminal.
    pub(super) fn new(master: OwnedFd) -> io::Result<Self> {
        let before = if isatty(stdin()) { Some(tcgetattr(stdin())?) } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // The caller's terminal goes on turning line feeds into new lines, as the container's no longer does.
            raw.output_modes |= before.output_modes & OutputModes::OPOST;
            raw.output_modes |= before.output_modes & OutputModes::ONLCR;
            tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        }
        // Never to be stuck in a write to a container that does not read.
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let proxy =
            Self { master, before, input_open: true, output_open: true, to_container: Pending::default() };
        proxy.resize()?;
        Ok(proxy)
    }

    /// Gives the container's terminal the size of the caller's.
    pub(super) fn resize(&self) -> io::Result<()> {
        if self.before.is_some() {
            tcsetwinsize(&self.master, tcgetwinsize(stdin())?)?;
        }
        Ok(())
    }

    /// What to wait for: the container's output, then the caller's input.
    pub(super) fn poll_fds(&self) -> [PollFd<'_>; 2] {
        let mut master = if self.output_open { PollFlags::IN } else { PollFlags::empty() };
        if !self.to_container.0.is_empty() {
            master |= PollFlags::OUT;
        }
        // Input is read only when the input before it is gone: a container that reads slowly slows its user down.
        let input = self.input_open && self.to_container.0.is_empty();
        [
            PollFd::new(&self.master, master),
            PollFd::from_borrowed_fd(stdin(), if input { PollFlags::IN } else { PollFlags::empty() }),
        ]
    }

    /// Copies what is there in both directions.
    pub(super) fn copy(&mut self, ready: &[bool]) -> io::Result<()> {
        let [master, input] = ready else { return Ok(()) };
        if *master && self.output_open {
            self.copy_output()?;
        }
        if *input && self.input_open && self.to_container.0.is_empty() {
            let mut bytes = [0_u8; 4096];
            match rustix::io::read(stdin(), &mut bytes) {
                Ok(0) => self.input_open = false,
                Ok(count) => self.to_container.0.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => self.input_open = false,
            }
        }
        self.flush_input();
        Ok(())
    }

    fn flush_input(&mut self) {
        if self.to_container.0.is_empty() {
            return;
        }
        match rustix::io::write(&self.master, &self.to_container.0) {
            Ok(count) => drop(self.to_container.0.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.to_container.0.clear(),
        }
    }

    /// One round of output; false if there is none at the moment.
    fn copy_output(&mut self) -> io::Result<bool> {
        let mut bytes = [0_u8; 16 * 1024];
        match rustix::io::read(&self.master, &mut bytes) {
            // EIO: no process has the terminal open any more.
            Ok(0) | Err(Errno::IO) => {
                self.output_open = false;
                Ok(false)
            }
            Ok(count) => {
                let mut rest = &bytes[..count];
                while !rest.is_empty() {
                    match rustix::io::write(stdout(), rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(Errno::INTR | Errno::AGAIN) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(true)
            }
            Err(Errno::INTR) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies what the container left in its terminal when it ended.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while self.output_open && self.copy_output()? {}
        Ok(())
    }
}
