//! Socket options that have no safe wrapper elsewhere (socket(7)).
#![allow(unsafe_code, reason = "setsockopt(2) with bytes has no safe wrapper")]

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
    // It needs no NUL.
    set_option(socket, (libc::SOL_SOCKET, libc::SO_BINDTODEVICE), link.as_bytes())
}

/// Sets an option, named by its level and number, whose value is nothing but these bytes.
pub(crate) fn set_option(
    socket: impl AsFd,
    (level, option): (libc::c_int, libc::c_int),
    value: &[u8],
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads at most `length` bytes, which live through the call.
    let result =
        unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, value.as_ptr().cast(), length) };
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
