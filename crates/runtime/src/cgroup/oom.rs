//! Being told that a group has no memory left.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;

use super::error::ControlError;
use super::{Controller, Group};

/// A descriptor to wait on for a group's lack of memory, with [`OomWatch::events`].
#[derive(Debug)]
pub enum OomWatch {
    /// v1: an event descriptor that the kernel counts up; also when the group is removed.
    Event(OwnedFd),
    /// v2: `memory.events`, of which the kernel tells changes.
    File(OwnedFd),
}

impl OomWatch {
    /// What to poll(2) the descriptor for.
    #[must_use]
    pub fn events(&self) -> PollFlags {
        match self {
            Self::Event(_) => PollFlags::IN,
            Self::File(_) => PollFlags::PRI,
        }
    }

    /// Takes note of what happened so far, so that the next wait is for the next event. [`Group::oom_kills`] tells
    /// whether a process was killed: a group may also have found memory again.
    pub fn acknowledge(&self) -> io::Result<()> {
        let result = match self {
            Self::Event(event) => rustix::io::read(event, &mut [0u8; 8]),
            Self::File(file) => rustix::io::pread(file, &mut [0u8; 512], 0),
        };
        match result {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Event(descriptor) | Self::File(descriptor) => descriptor.as_fd(),
        }
    }
}

impl Group {
    /// Begins to watch the group for a lack of memory.
    pub fn watch_oom(&self) -> Result<OomWatch, ControlError> {
        let place = self.place_of(Controller::Memory).ok_or(ControlError::NoMemoryController)?;
        place.version().watch_oom(&place.folder)
    }

    /// How many processes of the group the kernel killed for a lack of memory.
    pub fn oom_kills(&self) -> Result<u64, ControlError> {
        let place = self.place_of(Controller::Memory).ok_or(ControlError::NoMemoryController)?;
        Ok(place.version().oom_kills(&place.folder)?)
    }
}
