//! Passes the container's output to its log and to the clients, and the clients' input to the container.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::{Keeper, Source, Supervisor};
use crate::frame::{Frame, MAX_DATA};
use crate::log_writer::Stream;

/// One packet of output that not all clients have taken yet. No more is read meanwhile: as with a pipe, a reader who is
/// slow slows the writer down, and the shim's memory stays as it is.
#[derive(Debug, Default)]
pub(super) struct Output {
    packet: Vec<u8>,
    is_stderr: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.packet.is_empty()
    }
}

impl<K: Keeper> Supervisor<'_, K> {
    /// The stream of a source of output.
    pub(super) fn stream(&mut self, source: Source) -> &mut Option<OwnedFd> {
        match source {
            Source::Stderr => &mut self.streams.stderr,
            Source::Terminal => &mut self.streams.terminal,
            _ => &mut self.streams.stdout,
        }
    }

    /// Reads one stream once, and says how many bytes it gave. At its end the stream is closed.
    pub(super) fn pump(&mut self, source: Source) -> io::Result<usize> {
        let stream = self.stream(source);
        let Some(fd) = stream else { return Ok(0) };
        let mut buffer = [0u8; MAX_DATA];
        let length = match rustix::io::read(fd.as_fd(), &mut buffer) {
            // A terminal whose other side nobody has open gives EIO; it may be opened again while the container lives.
            Ok(0) | Err(Errno::IO) => {
                *stream = None;
                return Ok(0);
            }
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let bytes = &buffer[..length];
        let stderr = source == Source::Stderr;
        if let Some(log) = &mut self.log {
            // A full disk must not end a container: what cannot be logged still reaches the clients.
            let _ = log.write(if stderr { Stream::Stderr } else { Stream::Stdout }, bytes);
        }
        if self.clients.iter().any(|client| client.wants(stderr)) {
            let frame = if stderr { Frame::Stderr(bytes) } else { Frame::Stdout(bytes) };
            frame.encode(&mut self.output.packet);
            self.output.is_stderr = stderr;
            for client in &mut self.clients {
                client.owed = client.wants(stderr);
            }
            self.deliver();
        }
        Ok(length)
    }

    /// Sends the packet to those who have not got it. Once all have, there is none.
    pub(super) fn deliver(&mut self) {
        let mut left = false;
        for client in self.clients.iter_mut().filter(|client| client.owed) {
            match client.connection.send_packet(&self.output.packet) {
                Ok(()) => client.owed = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => left = true,
                Err(_) => {
                    client.owed = false;
                    client.gone = true;
                }
            }
        }
        if !left {
            self.output.packet.clear();
        }
    }

    /// Whether a client still has to take the packet.
    pub(super) fn is_owed(&self) -> bool {
        self.clients.iter().any(|client| client.owed)
    }

    /// Takes input from a client.
    pub(super) fn take_input(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending_input.extend_from_slice(bytes);
        self.feed()
    }

    /// Writes pending input as far as the container takes it.
    pub(super) fn feed(&mut self) -> io::Result<()> {
        while !self.pending_input.is_empty() {
            let Some(input) = self.streams.input() else {
                self.pending_input.clear();
                break;
            };
            match rustix::io::write(input, &self.pending_input) {
                Ok(length) => {
                    self.pending_input.drain(..length);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // The container has closed its input.
                Err(Errno::PIPE | Errno::IO) => {
                    self.pending_input.clear();
                    self.streams.stdin = None;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if std::mem::take(&mut self.input_ends) {
            // A terminal has no end: ctrl-d is a byte like others.
            self.streams.stdin = None;
        }
        Ok(())
    }
}
