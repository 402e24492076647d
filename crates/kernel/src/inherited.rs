//! Descriptors that a program was executed with, by their numbers.
#![allow(unsafe_code, reason = "a number becomes an owner")]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

/// The numbers that have an owner already.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// The owner of an inherited descriptor, which becomes close-on-exec. Each number can be taken once, from 3 on, and only
/// while the program has opened nothing itself: called first thing in `main`, no number can belong to anything else.
///
/// # Errors
/// The number is below 3, was taken before, or is not open.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    let invalid =
        |text: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("descriptor {number} {text}"));
    if number < 3 {
        return Err(invalid("is a standard stream"));
    }
    let mut taken = TAKEN.lock().map_err(|_| invalid("cannot be taken"))?;
    if !taken.insert(number) {
        return Err(invalid("was taken before"));
    }
    // SAFETY: F_SETFD takes no pointer; a number that is not open gives EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is open (just checked), and this is its only owner: it was inherited over the exec, the
    // program has opened nothing that could have got it (documented), and TAKEN lets nobody in twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
