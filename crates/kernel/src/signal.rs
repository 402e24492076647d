//! Signals (signal(7)): their names and numbers, the mask, and reading them from a descriptor (signalfd(2)).
#![allow(unsafe_code, reason = "the mask and signalfd have no safe wrapper in rustix")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The names in the kernel's order from 1 (`<asm-generic/signal.h>`, the same on x86, Arm and RISC-V).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same signals.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
/// `SIGRTMIN` as the C library counts it: 32 and 33 are its own.
const RT_MIN: u8 = 34;
const RT_MAX: u8 = 64;

/// One signal, known to be one that the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(u8);

/// A word that names no signal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown signal {0:?}: it is a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 64")]
pub struct UnknownSignal(pub String);

#[allow(missing_docs, reason = "the names are signal(7)'s")]
impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const KILL: Self = Self(9);
    pub const USR1: Self = Self(10);
    pub const USR2: Self = Self(12);
    pub const PIPE: Self = Self(13);
    pub const ALRM: Self = Self(14);
    pub const TERM: Self = Self(15);
    pub const CHLD: Self = Self(17);
    pub const CONT: Self = Self(18);
    pub const STOP: Self = Self(19);
    pub const TSTP: Self = Self(20);
    pub const TTIN: Self = Self(21);
    pub const TTOU: Self = Self(22);
    pub const URG: Self = Self(23);
    pub const WINCH: Self = Self(28);
}

impl Signal {
    /// The signal with this number, 1 to 64.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=RT_MAX).contains(number)).map(Self)
    }

    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// All signals.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=RT_MAX).map(Self)
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSignal(text.chars().take(40).collect());
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().and_then(Self::from_number).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = (1u8..).zip(NAMES).find(|(_, name)| *name == bare).map(|(number, _)| number);
        named
            .or_else(|| ALIASES.iter().find(|(name, _)| *name == bare).map(|(_, number)| *number))
            .or_else(|| real_time(bare))
            .map(Self)
            .ok_or_else(unknown)
    }
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn real_time(name: &str) -> Option<u8> {
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RT_MIN.checked_add(offset(rest, '+')?)?
    } else {
        RT_MAX.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (RT_MIN..=RT_MAX).contains(&number).then_some(number)
}

fn offset(rest: &str, sign: char) -> Option<u8> {
    if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse().ok() }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= RT_MIN => write!(f, "SIGRTMIN+{}", self.0 - RT_MIN),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> String {
        signal.to_string()
    }
}

/// A set of signals: bit n-1 for signal n, as the kernel keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal (the kernel leaves KILL and STOP alone).
    pub const FULL: Self = Self(u64::MAX);

    /// Whether the signal is in the set.
    #[must_use]
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.0 - 1)) != 0
    }

    /// The set without one signal.
    #[must_use]
    pub fn without(self, signal: Signal) -> Self {
        Self(self.0 & !(1 << (signal.0 - 1)))
    }
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        Self(signals.into_iter().fold(0, |bits, signal| bits | 1 << (signal.0 - 1)))
    }
}

/// The kernel's sigset_t has 8 bytes, the C library's more: these calls go to the kernel directly.
const SET_BYTES: usize = size_of::<u64>();

fn change_mask(how: libc::c_int, set: SignalSet) -> io::Result<SignalSet> {
    let mut old = 0u64;
    // SAFETY: both sets are live u64 values of the size that is passed; the kernel reads one and writes the other.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const set.0, &raw mut old, SET_BYTES) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(SignalSet(old)) }
}

/// Adds signals to the calling thread's mask; answers the mask as it was (sigprocmask(2)).
///
/// # Errors
/// None that the kernel documents for valid arguments.
pub fn block(set: SignalSet) -> io::Result<SignalSet> {
    change_mask(libc::SIG_BLOCK, set)
}

/// Replaces the calling thread's mask; answers the mask as it was.
///
/// # Errors
/// As [`block`].
pub fn set_mask(set: SignalSet) -> io::Result<SignalSet> {
    change_mask(libc::SIG_SETMASK, set)
}

/// Gives a signal its default action again, for a program that is about to be executed: one that is ignored stays so.
///
/// # Errors
/// EINVAL: its action cannot be changed.
pub fn restore_default(signal: Signal) -> io::Result<()> {
    // SAFETY: the default action runs no code of ours.
    let before = unsafe { libc::signal(signal.number(), libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a signal to the process of a pidfd (pidfd_send_signal(2)): no other process can be meant, whatever became of its
/// number.
///
/// # Errors
/// ESRCH if it has ended and was reaped; EPERM.
pub fn send(process: impl AsFd, signal: Signal) -> io::Result<()> {
    let none: *const libc::siginfo_t = std::ptr::null();
    let (fd, number) = (process.as_fd().as_raw_fd(), signal.number());
    // SAFETY: the descriptor is open while it is borrowed, and a null siginfo asks for that of kill(2).
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, none, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a signal to a child of the caller's that it has not reaped yet (kill(2)): until then its number is its own.
///
/// # Errors
/// EPERM, for a child that has become another user's.
pub fn send_to_child(child: rustix::process::Pid, signal: Signal) -> io::Result<()> {
    // SAFETY: plain numbers only.
    let result = unsafe { libc::kill(child.as_raw_nonzero().get(), signal.number()) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A signal as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Which.
    pub signal: Signal,
    /// Who sent it, or which child changed (0 for the kernel).
    pub pid: i32,
}

/// Blocked signals as a descriptor (signalfd(2)): close-on-exec and not blocking.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Opens one for these signals. They must be blocked ([`block`]), or they act as they would without it.
    ///
    /// # Errors
    /// The system call's (no descriptors left).
    pub fn new(set: SignalSet) -> io::Result<Self> {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the set is a live u64 of the size that is passed; -1 asks for a new descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const set.0, SET_BYTES, flags) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal; none when there is none waiting.
    ///
    /// # Errors
    /// The system call's.
    pub fn read(&self) -> io::Result<Option<Arrived>> {
        // SAFETY: signalfd_siginfo is plain numbers, for which all zeroes is a value.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` is live and has `size` bytes, of which any content is valid.
        let count = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        if count == -1 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        let pid = i32::try_from(info.ssi_pid).unwrap_or(0);
        Ok(Signal::from_number(number).map(|signal| Arrived { signal, pid }))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let number = |text: &str| text.parse::<Signal>().unwrap().number();
        assert_eq!(number("TERM"), 15);
        assert_eq!(number("sigterm"), 15);
        assert_eq!(number("9"), 9);
        assert_eq!(number("SIGSYS"), 31);
        assert_eq!(number("RTMIN+3"), 37);
        assert_eq!(number("SIGRTMAX-1"), 63);
        for bad in ["", "0", "65", "SIG", "SIGTERMX", "RTMIN+31", "RTMAX-31", "-9", "999999999999"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_signal_reads_back_as_written() {
        for signal in Signal::all() {
            assert_eq!(signal.to_string().parse::<Signal>().unwrap(), signal);
        }
    }

    #[test]
    fn a_blocked_signal_arrives_on_the_descriptor() {
        let set: SignalSet = [Signal::USR2].into_iter().collect();
        let before = block(set).unwrap();
        let fd = SignalFd::new(set).unwrap();
        assert_eq!(fd.read().unwrap(), None);
        // To this thread: the others of the test program have it unblocked.
        let thread = rustix::thread::gettid();
        // SAFETY: plain numbers; the signal is blocked in this thread.
        unsafe {
            libc::syscall(libc::SYS_tgkill, std::process::id(), thread.as_raw_nonzero().get(), libc::SIGUSR2)
        };
        let arrived = fd.read().unwrap().unwrap();
        assert_eq!(arrived.signal, Signal::USR2);
        assert_eq!(arrived.pid, i32::try_from(std::process::id()).unwrap());
        set_mask(before).unwrap();
    }
}
