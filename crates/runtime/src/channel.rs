//! The channel between the parent side and the init side of a start: typed messages, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use cofferdam_kernel::clone::exit_now;
use cofferdam_kernel::fork::close_copy;
use cofferdam_kernel::seccomp::FilterImage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::step::{Step, StepError};

/// Most descriptors that one message carries (the kernel allows 253, `SCM_MAX_FD`).
pub const MAX_FDS: usize = 250;
const MAX_MESSAGE: usize = 16 * 1024;

/// What the two sides say to each other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Parent: the id maps are written; the descriptors are what fills these slots of the plan (see
    /// `rootfs::sources::Slot`); more messages of this kind follow if `more`.
    Sources {
        /// Which slot each descriptor fills, in order.
        slots: Vec<u32>,
        /// Whether another message with sources follows.
        more: bool,
    },
    /// Init: the descriptor is a detached mount, the plan's mount of this number, whose ids are to be mapped.
    MapIds {
        /// Its place in the plan's list of mounts.
        mount: usize,
    },
    /// Init: the namespaces and mounts are there; run the hooks of the runtime's side now.
    RuntimeHooks,
    /// Parent: go on.
    Proceed,
    /// Init: the descriptor is the master side of the terminal.
    Terminal,
    /// Init: set up; waiting for `Exec`.
    Ready,
    /// Parent: take on the credentials and execute the program.
    Exec,
    /// Parent: the same, and show the filter before it is installed (`Channel::show`).
    ExecShowing,
    /// Init: the descriptor is the listener of the seccomp filter.
    SeccompListener,
    /// Joiner: the process id of the process it cloned, as the parent numbers it, with its pidfd.
    Cloned {
        /// The process id in the joiner's pid namespace.
        pid: i32,
    },
    /// Who mounts the layers of a root: the descriptor is the overlay, detached.
    Root,
    /// Either: it failed.
    Failed {
        /// Which step.
        step: Step,
        /// What it was done to.
        subject: String,
        /// The error number, or 0.
        errno: i32,
        /// Why, in words, where there is no error number or more than it says.
        reason: String,
    },
}

impl From<&StepError> for Message {
    fn from(error: &StepError) -> Self {
        let errno = error.errno().unwrap_or(0);
        let raw = error.source.raw_os_error().is_some();
        let mut reason = if raw { String::new() } else { error.source.to_string() };
        reason.truncate(4096);
        Self::Failed { step: error.step, subject: error.subject.chars().take(4096).collect(), errno, reason }
    }
}

impl Message {
    /// The failure that the other side reported, if the message is one.
    pub fn into_failure(self) -> Result<Self, StepError> {
        match self {
            Self::Failed { step, subject, errno, reason } => {
                let source = match (errno, reason.is_empty()) {
                    (0, _) => io::Error::other(reason),
                    (errno, true) => io::Error::from_raw_os_error(errno),
                    (errno, false) => io::Error::new(io::Error::from_raw_os_error(errno).kind(), reason),
                };
                Err(step.failed(subject, source))
            }
            other => Ok(other),
        }
    }
}

/// One end of the channel: a SOCK_SEQPACKET socket, so that a message arrives whole or not at all.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    /// An end that was connected elsewhere.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Closes the copy of the parent's end that a fresh clone has. While it is open the clone is never told of the parent's
    /// death: the end of the channel would not come, and it would wait for a message for ever. To be called first.
    pub(crate) fn leave_to_parent(&self) {
        if close_copy(self.0.as_raw_fd()).is_err() {
            exit_now(1);
        }
    }

    /// Sends one message with descriptors (at most [`MAX_FDS`]).
    pub fn send(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = vec![MaybeUninit::uninit(); SendAncillaryMessage::ScmRights(fds).size()];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Sends one message as a part of the handshake. If the other side has ended, its reason is the failure and not that it
    /// can be told nothing any more.
    pub fn tell(&self, subject: &str, message: &Message, fds: &[BorrowedFd<'_>]) -> Result<(), StepError> {
        let sent = Step::Handshake.run(subject, || self.send(message, fds));
        let is_gone = |error: &StepError| {
            matches!(error.source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        };
        if let Err(error) = &sent
            && is_gone(error)
        {
            while let Ok((message, _)) = self.receive() {
                message.into_failure()?;
            }
        }
        sent
    }

    /// The failure that the other side has reported by now, if it has.
    pub(crate) fn reported_failure(&self) -> Option<StepError> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
            if !poll(&mut polled, Some(&now)).is_ok_and(|count| count > 0) {
                return None;
            }
            let (message, _) = self.receive().ok()?;
            if let Err(failure) = message.into_failure() {
                return Some(failure);
            }
        }
    }

    /// Receives one message; the end of the channel is `UnexpectedEof`.
    pub fn receive(&self) -> io::Result<(Message, Vec<OwnedFd>)> {
        let mut bytes = vec![0u8; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                // The other side ended without reading all that was sent to it: what it said is still there to be read.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                other => break other?,
            }
        };
        let fds = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect();
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = bytes.get(..received.bytes).unwrap_or_default();
        Ok((serde_json::from_slice(text)?, fds))
    }

    /// Sends bytes as they are, from where they are: with sendto(2), which says to a tracer where that is. Messages are sent
    /// with sendmsg(2).
    pub(crate) fn show(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL)?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives what was shown, which is there already.
    pub(crate) fn receive_shown(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0_u8; FilterImage::MAX_SIZE + 1];
        let (received, _) = rustix::net::recv(&self.0, &mut bytes[..], RecvFlags::DONTWAIT)?;
        bytes.truncate(received);
        Ok(bytes)
    }

    /// Receives the word to execute the program: whether the filter is to be shown.
    pub(crate) fn expect_exec(&self) -> Result<bool, StepError> {
        match self.next()?.0 {
            Message::Exec => Ok(false),
            Message::ExecShowing => Ok(true),
            other => Err(Step::Handshake.refused("", format!("expected the word to start, got {other:?}"))),
        }
    }

    /// Receives a message that must be the expected one; a failure of the other side becomes this side's.
    pub fn expect(&self, expected: &Message) -> Result<Vec<OwnedFd>, StepError> {
        let (message, fds) = self.next()?;
        if message == *expected {
            Ok(fds)
        } else {
            Err(Step::Handshake.refused("", format!("expected {expected:?}, got {message:?}")))
        }
    }

    /// Receives the next message; a failure of the other side becomes this side's.
    pub fn next(&self) -> Result<(Message, Vec<OwnedFd>), StepError> {
        let (message, fds) = self.receive().map_err(|error| Step::Handshake.failed("of the start", error))?;
        Ok((message.into_failure()?, fds))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let message = Message::Sources { slots: vec![0, 17], more: false };
        a.send(&message, &[a.as_fd(), b.as_fd()]).unwrap();
        let (received, fds) = b.receive().unwrap();
        assert_eq!(received, message);
        assert_eq!(fds.len(), 2);
        drop(a);
        drop(fds);
        assert_eq!(b.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_reason_of_a_side_that_has_ended_is_told() {
        let (ours, theirs) = Channel::pair().unwrap();
        // Never read, which makes the kernel reset the connection.
        ours.send(&Message::Proceed, &[]).unwrap();
        let reason = Step::Mount.failed("/proc", io::Error::from_raw_os_error(1));
        theirs.send(&Message::Ready, &[]).unwrap();
        theirs.send(&Message::from(&reason), &[]).unwrap();
        drop(theirs);
        let told = ours.tell("of the exec", &Message::Exec, &[]).unwrap_err();
        assert_eq!((told.step, told.errno()), (Step::Mount, Some(1)));
        let told = ours.tell("of the exec", &Message::Exec, &[]).unwrap_err();
        assert_eq!(told.step, Step::Handshake, "the reason is told once");
    }

    #[test]
    fn a_failure_crosses_with_its_error_number() {
        let error = Step::Mount.failed("/proc", io::Error::from_raw_os_error(1));
        let back = Message::from(&error).into_failure().unwrap_err();
        assert_eq!((back.step, back.subject.as_str(), back.errno()), (Step::Mount, "/proc", Some(1)));
    }
}
