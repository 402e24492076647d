//! Socket options that have no safe wrapper elsewhere (socket(7)).
#![allow(unsafe_code, reason = "setsockopt(2) with a text has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `IFNAMSIZ`, its NUL included.
const LONGEST_NAME: usize = 16;

/// Binds a socket to a network link: it gets what comes by that link alone, and sends by it alone (`SO_BINDTODEVICE`).
///
/// # Errors
/// No link has that name, or the system call's.
pub fn bind_to_link(socket: impl AsFd, link: &str) -> io::Result<()> {
    // A name that is cut short would be another link's.
    if link.is_empty() || link.len() >= LONGEST_NAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a link's name has 1 to 15 letters"));
    }
    let length = u32::try_from(link.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` bytes, at most IFNAMSIZ, from the text, which lives through the call; it needs no NUL.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            link.as_ptr().cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn only_a_link_that_is_there_can_be_bound_to() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        bind_to_link(&socket, "lo").unwrap();
        assert!(bind_to_link(&socket, "nosuchlink").is_err());
        assert!(
            bind_to_link(&socket, "").is_err() && bind_to_link(&socket, "a-name-that-is-too-long").is_err()
        );
    }
}
