//! Waiting for descriptors (poll(2)), each with what it stands for.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

/// Waits until something can be done with one of the descriptors, at most for so long. What those stand for, in their order; nothing when
/// the time is over or a signal came.
///
/// # Errors
/// The system call's, and for a time that it cannot be told.
pub fn ready<'f, S>(
    watched: impl IntoIterator<Item = (S, PollFd<'f>)>,
    at_most: Option<Duration>,
) -> io::Result<Vec<S>> {
    let (sources, mut fds): (Vec<S>, Vec<PollFd<'f>>) = watched.into_iter().unzip();
    let at_most = at_most.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
    match poll(&mut fds, at_most.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let ready = sources.into_iter().zip(fds).filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(source, _)| source).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use rustix::event::PollFlags;

    use super::*;

    #[test]
    fn those_with_something_to_read_are_told() {
        let (one, _other) = UnixStream::pair().unwrap();
        let (two, mut writer) = UnixStream::pair().unwrap();
        let look = |at_most| {
            let watched = [("one", &one), ("two", &two)];
            ready(watched.map(|(name, stream)| (name, PollFd::new(stream, PollFlags::IN))), Some(at_most))
        };
        assert_eq!(look(Duration::ZERO).unwrap(), [""; 0]);
        writer.write_all(b"x").unwrap();
        assert_eq!(look(Duration::from_secs(10)).unwrap(), ["two"]);
    }
}
