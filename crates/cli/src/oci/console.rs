//! Hands descriptors and process ids to the program that called.

use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};

use super::error::CommandError;

/// Sends one descriptor over a Unix stream socket, with a name beside it (`--console-socket`, `--pidfd-socket`).
pub(super) fn send_fd(path: &Path, name: &str, fd: BorrowedFd<'_>) -> Result<(), CommandError> {
    let send = || -> io::Result<()> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        let fds = [fd.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(&socket, &[IoSlice::new(name.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    };
    send().map_err(|source| CommandError::File {
        what: "cannot send a descriptor to the socket",
        path: path.to_owned(),
        source,
    })
}

/// Writes a process id so that a reader finds the whole number or no file.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<(), CommandError> {
    let failed = |source| CommandError::File { what: "cannot write", path: path.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}"));
    let mut file = std::fs::File::create(&new).map_err(failed)?;
    file.write_all(pid.to_string().as_bytes()).and_then(|()| std::fs::rename(&new, path)).map_err(|error| {
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}
