//! What the process waits for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::resolver::Ticket;

/// What is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Control,
    Listener(u32),
    Datagrams(u32),
    Stream(u32),
    Exchange(Ticket),
}

impl Source {
    fn mark(self) -> u64 {
        match self {
            Self::Control => 0,
            Self::Listener(number) => 1 << 32 | u64::from(number),
            Self::Datagrams(number) => 2 << 32 | u64::from(number),
            Self::Stream(number) => 3 << 32 | u64::from(number),
            Self::Exchange(ticket) => 4 << 32 | u64::from(ticket),
        }
    }

    fn from_mark(mark: u64) -> Option<Self> {
        let number = u32::try_from(mark & u64::from(u32::MAX)).ok()?;
        match mark >> 32 {
            0 => Some(Self::Control),
            1 => Some(Self::Listener(number)),
            2 => Some(Self::Datagrams(number)),
            3 => Some(Self::Stream(number)),
            4 => Some(Self::Exchange(number)),
            _ => None,
        }
    }
}

/// epoll(7), level-triggered: what is ready takes turns.
#[derive(Debug)]
pub(super) struct Poller(OwnedFd);

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Waits for input from now on. A descriptor that is closed is no longer waited for.
    pub(super) fn add(&self, fd: impl AsFd, source: Source) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(source.mark()), epoll::EventFlags::IN)?)
    }

    /// Waits for room to write as well, or no longer.
    pub(super) fn want_room(&self, fd: impl AsFd, source: Source, wanted: bool) -> io::Result<()> {
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, wanted);
        Ok(epoll::modify(&self.0, fd, epoll::EventData::new_u64(source.mark()), flags)?)
    }

    /// What is ready, after at most so many milliseconds.
    pub(super) fn wait(&self, milliseconds: u64) -> io::Result<Vec<Source>> {
        let milliseconds = milliseconds.min(60_000);
        let timeout = Timespec {
            tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(60),
            tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
        };
        let mut space = [MaybeUninit::uninit(); 64];
        match epoll::wait(&self.0, &mut space, Some(&timeout)) {
            Ok((events, _)) => {
                Ok(events.iter().filter_map(|event| Source::from_mark(event.data.u64())).collect())
            }
            Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a descriptor can be written to, for a second at most.
    pub(super) fn wait_writable(&self, fd: impl AsFd) -> io::Result<()> {
        let timeout = Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&timeout)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
