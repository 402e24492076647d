//! Locks of whole files that belong to the open file and not to the process (fcntl(2), "Open file description locks"):
//! they pass to the children that inherit the descriptor, outlive an exec, and end when its last copy is closed.
//! Unlike flock(2), they can be looked at without being taken.
#![allow(unsafe_code, reason = "the fcntl commands have no safe wrapper in rustix")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

fn whole_file(kind: libc::c_int) -> libc::flock {
    // SAFETY: flock is plain numbers, for which all zeroes is a value: from the start, to the end, process 0 (as
    // the OFD commands want it).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    // The constants are 0 to 2; the field is a short.
    lock.l_type = libc::c_short::try_from(kind).unwrap_or(libc::c_short::MAX);
    lock
}

fn command(file: impl AsFd, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed, and `lock` is a live flock, which these commands read and
    // (F_OFD_GETLK) write.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, std::ptr::from_mut(lock)) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the lock for writing, if nobody has it. The file must be open for writing.
///
/// # Errors
/// The system call's, but for "somebody has it", which is `Ok(false)`.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match command(file, libc::F_OFD_SETLK, &mut whole_file(libc::F_WRLCK)) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the lock for writing, and waits until it can.
///
/// # Errors
/// The system call's; `Interrupted` if a signal handler ran.
pub fn lock(file: impl AsFd) -> io::Result<()> {
    command(file, libc::F_OFD_SETLKW, &mut whole_file(libc::F_WRLCK))
}

/// Gives the lock back, for all copies of the descriptor.
///
/// # Errors
/// The system call's.
pub fn unlock(file: impl AsFd) -> io::Result<()> {
    command(file, libc::F_OFD_SETLK, &mut whole_file(libc::F_UNLCK))
}

/// Whether another open file has the lock. The file must be open for reading.
///
/// # Errors
/// The system call's.
pub fn is_locked(file: impl AsFd) -> io::Result<bool> {
    let mut lock = whole_file(libc::F_RDLCK);
    command(file, libc::F_OFD_GETLK, &mut lock)?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_belongs_to_the_open_file_and_ends_with_its_last_descriptor() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || std::fs::OpenOptions::new().read(true).write(true).open(file.path()).unwrap();
        let (first, second) = (open(), open());
        assert!(!is_locked(&second).unwrap());
        assert!(try_lock(&first).unwrap());
        assert!(is_locked(&second).unwrap());
        assert!(!is_locked(&first).unwrap(), "its own lock is no obstacle");
        assert!(!try_lock(&second).unwrap());
        let copy = first.try_clone().unwrap();
        drop(first);
        assert!(is_locked(&second).unwrap());
        drop(copy);
        assert!(try_lock(&second).unwrap());
        unlock(&second).unwrap();
        assert!(!is_locked(open()).unwrap());
    }
}
