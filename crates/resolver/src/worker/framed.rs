//! Messages on a stream: each after its length in two octets (RFC 7766).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A stream socket that does not block, with what is half read and half written.
#[derive(Debug)]
pub(super) struct Framed {
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    longest: usize,
}

/// Octets that may wait to be written; who does not read is not answered further.
const MOST_OUTPUT: usize = 128 << 10;

impl Framed {
    /// Messages that come in are at most `longest` octets.
    pub(super) fn new(socket: OwnedFd, longest: usize) -> Self {
        Self { socket, input: Vec::new(), output: Vec::new(), longest }
    }

    /// Reads what is there. False at the end of the stream.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let room = buffer.len().min(self.longest + 2);
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        match rustix::io::read(&self.socket, &mut *buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.input.extend(buffer.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The next whole message.
    ///
    /// # Errors
    /// It says that it is longer than any may be.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(length) = self.input.first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > self.longest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.input.len() < length + 2 {
            return Ok(None);
        }
        let message = self.input.get(2..length + 2).unwrap_or_default().to_vec();
        self.input.drain(..length + 2);
        Ok(Some(message))
    }

    /// Adds a message to what is to be written.
    pub(super) fn push(&mut self, message: &[u8]) -> io::Result<()> {
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        if self.output.len() + message.len() > MOST_OUTPUT {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.output.extend(length.to_be_bytes());
        self.output.extend(message);
        Ok(())
    }

    /// Writes what can be written. Whether something is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match rustix::net::send(&self.socket, &self.output, rustix::net::SendFlags::NOSIGNAL) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(rustix::io::Errno::INTR) => {}
                // Not connected yet: it can be written to when it is.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOTCONN) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

impl AsFd for Framed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn messages_are_cut_out_of_the_stream() {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let mut framed = Framed::new(here, 100);
        let mut buffer = [0; 4096];
        rustix::io::write(&there, b"\x00\x03abc\x00\x02d").unwrap();
        assert!(framed.fill(&mut buffer).unwrap());
        assert_eq!(framed.next().unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(framed.next().unwrap(), None);
        rustix::io::write(&there, b"e\x00\x65").unwrap();
        framed.fill(&mut buffer).unwrap();
        assert_eq!(framed.next().unwrap().as_deref(), Some(&b"de"[..]));
        assert!(framed.next().is_err(), "101 octets are too many");
        framed.push(b"xyz").unwrap();
        assert!(!framed.flush().unwrap());
        let count = rustix::io::read(&there, &mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"\x00\x03xyz");
        drop(there);
        assert!(!framed.fill(&mut buffer).unwrap());
    }
}
