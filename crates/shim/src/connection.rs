//! The sockets between clients and a shim.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, socket_with, socketpair,
};

use crate::frame::{Frame, MAX_PACKET};

/// One end of a connection. Packets keep their borders (unix(7), SOCK_SEQPACKET).
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl Connection {
    /// Two connected ends, both blocking.
    ///
    /// # Errors
    /// socketpair(2)'s.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// Connects to a shim.
    ///
    /// # Errors
    /// connect(2)'s: `ConnectionRefused` if the shim has gone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = seqpacket(SocketFlags::CLOEXEC)?;
        with_short_path(path, |address| Ok(connect(&socket, address)?))?;
        Ok(Self { socket })
    }

    /// An end that was handed over.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Makes sends and receives fail with `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// fcntl(2)'s.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.socket, true)?)
    }

    /// Sends an encoded packet.
    ///
    /// # Errors
    /// send(2)'s; `BrokenPipe` if the other end has gone (no signal is raised).
    pub fn send_packet(&self, packet: &[u8]) -> io::Result<()> {
        loop {
            match send(&self.socket, packet, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Encodes and sends a message.
    ///
    /// # Errors
    /// As [`Connection::send_packet`].
    pub fn send(&self, frame: &Frame<'_>) -> io::Result<()> {
        let mut packet = Vec::new();
        frame.encode(&mut packet);
        self.send_packet(&packet)
    }

    /// Receives one message into `buffer`; none at the end of the connection.
    ///
    /// # Errors
    /// recv(2)'s; `InvalidData` for what is no message.
    pub fn receive<'b>(&self, buffer: &'b mut [u8; MAX_PACKET]) -> io::Result<Option<Frame<'b>>> {
        let length = loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) => break length,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let packet = buffer.get(..length).and_then(Frame::decode);
        packet.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no message of a shim"))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Connection> for OwnedFd {
    fn from(connection: Connection) -> Self {
        connection.socket
    }
}

fn seqpacket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// An address holds 107 bytes of path only: a longer one goes through the descriptor of its folder.
fn with_short_path<T>(path: &Path, work: impl FnOnce(&SocketAddrUnix) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= 100 {
        return work(&SocketAddrUnix::new(path)?);
    }
    use std::os::fd::AsRawFd;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket's path has a folder and a name"));
    };
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    work(&SocketAddrUnix::new(&short)?)
}

/// The socket that a shim listens on.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Listens at a path. It is in a folder that only its owner can enter, and is a path and not an abstract name,
    /// which every container on the host's network could connect to (CVE-2020-15257).
    ///
    /// # Errors
    /// Those of socket(2), bind(2), listen(2). What was at the path goes: the caller holds the container's lock.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let socket = seqpacket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        match with_short_path(path, |address| Ok(bind(&socket, address)?)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                rustix::fs::unlink(path)?;
                with_short_path(path, |address| Ok(bind(&socket, address)?))?;
            }
            other => other?,
        }
        listen(&socket, 64)?;
        Ok(Self { socket })
    }

    /// A listening socket that was handed over.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The next client: none if none waits. A client that is neither this user nor root is turned away.
    ///
    /// # Errors
    /// accept(2)'s.
    pub fn accept(&self) -> io::Result<Option<Connection>> {
        let socket = match accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let peer = rustix::net::sockopt::socket_peercred(&socket)?;
        let allowed = peer.uid.is_root() || peer.uid == rustix::process::geteuid();
        Ok(allowed.then_some(Connection { socket }))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_borders_and_long_paths_work() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("shim.sock");
        let listener = Listener::bind(&path).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let client = Connection::open(&path).unwrap();
        client.send(&Frame::Wait).unwrap();
        client.send(&Frame::Stdin(b"x")).unwrap();
        let server = listener.accept().unwrap().unwrap();
        let mut buffer = [0; MAX_PACKET];
        assert_eq!(server.receive(&mut buffer).unwrap(), Some(Frame::Wait));
        assert_eq!(server.receive(&mut buffer).unwrap(), Some(Frame::Stdin(b"x")));
        let empty = server.receive(&mut buffer).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        drop(client);
        assert_eq!(server.receive(&mut buffer).unwrap(), None);
        drop(listener);
        Listener::bind(&path).unwrap();
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let (one, other) = Connection::pair().unwrap();
        let mut buffer = [0; MAX_PACKET];
        one.send_packet(&[200, 1, 2]).unwrap();
        assert_eq!(other.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::InvalidData);
        one.send_packet(&[35; MAX_PACKET + 1]).unwrap();
        assert_eq!(other.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
