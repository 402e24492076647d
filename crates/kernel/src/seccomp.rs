//! System call filters (seccomp(2)): install one, read one back.

#![allow(unsafe_code, reason = "seccomp(2) and ptrace(2)'s seccomp requests have no safe wrapper")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::Pid;
use thiserror::Error;

/// `BPF_MAXINSNS`: no program is longer.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One classic BPF instruction, as the kernel lays it out (`struct sock_filter`, `<linux/filter.h>`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Class, mode and operation.
    pub code: u16,
    /// How many instructions are skipped where the test holds.
    pub jt: u8,
    /// How many are skipped where it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// How a filter is installed (`SECCOMP_FILTER_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilterFlags {
    /// Log every action but "allow".
    pub log: bool,
    /// Leave speculative store bypass on.
    pub spec_allow: bool,
    /// Put the process's other threads under it too.
    pub tsync: bool,
    /// Return a descriptor that gets the calls with `SECCOMP_RET_USER_NOTIF`.
    pub new_listener: bool,
    /// Once the listener has read a call, only a fatal signal ends the caller's wait; needs `new_listener`.
    pub wait_killable_recv: bool,
}

impl FilterFlags {
    fn bits(self) -> libc::c_ulong {
        /// Not in the crate `libc`: thread synchronisation reports failure as ESRCH, so that it can go with a listener.
        const TSYNC_ESRCH: libc::c_ulong = 1 << 4;
        /// Not in the crate `libc`.
        const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
        let tsync = libc::SECCOMP_FILTER_FLAG_TSYNC | TSYNC_ESRCH;
        [
            (self.log, libc::SECCOMP_FILTER_FLAG_LOG),
            (self.spec_allow, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
            (self.tsync, tsync),
            (self.new_listener, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
            (self.wait_killable_recv, WAIT_KILLABLE_RECV),
        ]
        .into_iter()
        .filter_map(|(set, bit)| set.then_some(bit))
        .fold(0, |bits, bit| bits | bit)
    }
}

/// A filter could not be installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The program is empty or longer than [`MAX_INSTRUCTIONS`].
    #[error("install system call filter: it has {0} instructions, the kernel takes 1 to 4096")]
    Length(usize),
    /// The kernel refused it: EACCES without `no_new_privs` and CAP_SYS_ADMIN, EINVAL for a program or flag it does not
    /// take, EBUSY where another listener is installed already, ESRCH where a thread could not be synchronised.
    #[error("install system call filter of {instructions} instructions")]
    Refused {
        /// How long the program is.
        instructions: usize,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A filter laid out as the kernel takes it, in one piece: `struct sock_fprog` (`<linux/filter.h>`), and right behind it the
/// instructions that it points at. So whoever is given these bytes and their address can tell what seccomp(2) gets there.
#[derive(Debug)]
pub struct FilterImage {
    /// Count and pointer, then one word for each instruction. Never changed, so it stays where it is.
    words: Vec<u64>,
}

/// `struct sock_fprog` of a 64-bit kernel: a count in the first two bytes, the address of the instructions in the last eight.
const HEADER: usize = 16;
const INSTRUCTION: usize = size_of::<Instruction>();

impl FilterImage {
    /// The largest one's bytes.
    pub const MAX_SIZE: usize = HEADER + MAX_INSTRUCTIONS * INSTRUCTION;

    /// Lays a program out.
    ///
    /// # Errors
    /// [`InstallError::Length`].
    pub fn of(program: &[Instruction]) -> Result<Self, InstallError> {
        let count = u16::try_from(program.len())
            .ok()
            .filter(|_| (1..=MAX_INSTRUCTIONS).contains(&program.len()))
            .ok_or(InstallError::Length(program.len()))?;
        let [low, high] = count.to_ne_bytes();
        let mut words = Vec::with_capacity(program.len() + 2);
        words.extend([u64::from_ne_bytes([low, high, 0, 0, 0, 0, 0, 0]), 0]);
        words.extend(program.iter().map(|instruction| {
            let [code0, code1] = instruction.code.to_ne_bytes();
            let [k0, k1, k2, k3] = instruction.k.to_ne_bytes();
            u64::from_ne_bytes([code0, code1, instruction.jt, instruction.jf, k0, k1, k2, k3])
        }));
        let instructions = words.as_ptr().addr() + HEADER;
        if let Some(pointer) = words.get_mut(1) {
            *pointer = instructions as u64;
        }
        Ok(Self { words })
    }

    /// All of it, where it is.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `words` is one allocation of so many initialised bytes, borrowed for as long as the result; bytes need no
        // alignment.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), size_of_val(self.words.as_slice())) }
    }

    /// The bytes of the instructions in an image that stood at this address; none if these bytes are no whole image from there.
    #[must_use]
    pub fn instructions_at(bytes: &[u8], address: u64) -> Option<&[u8]> {
        let (header, instructions) = bytes.split_first_chunk::<HEADER>()?;
        let [low, high, _, _, _, _, _, _, pointer @ ..] = header;
        let whole = instructions.len() == usize::from(u16::from_ne_bytes([*low, *high])) * INSTRUCTION;
        let behind = u64::from_ne_bytes(*pointer) == address.checked_add(HEADER as u64)?;
        (whole && behind && !instructions.is_empty()).then_some(instructions)
    }

    /// Puts the calling thread (with `tsync`: the process) under the filter. There is no way back.
    ///
    /// Gives the listener's descriptor (close-on-exec) where `new_listener` asks for it.
    ///
    /// # Errors
    /// [`InstallError::Refused`].
    pub fn install(&self, flags: FilterFlags) -> Result<Option<OwnedFd>, InstallError> {
        // SAFETY: `words` begins with a struct sock_fprog that points at its own rest, as many instructions as it says, and
        // outlives the call; the kernel only reads them, and checks the program itself.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
                flags.bits(),
                self.words.as_ptr(),
            )
        };
        let refused = |source| InstallError::Refused { instructions: self.words.len() - 2, source };
        if result < 0 {
            return Err(refused(io::Error::last_os_error()));
        }
        if !flags.new_listener {
            return Ok(None);
        }
        let fd = i32::try_from(result).map_err(|_| refused(io::Error::from_raw_os_error(libc::EBADF)))?;
        // SAFETY: with SECCOMP_FILTER_FLAG_NEW_LISTENER a result that is not negative is a new descriptor, owned by no one else.
        Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// Puts the calling thread (with `tsync`: the process) under a filter: [`FilterImage::install`].
///
/// # Errors
/// [`InstallError`].
pub fn install(program: &[Instruction], flags: FilterFlags) -> Result<Option<OwnedFd>, InstallError> {
    FilterImage::of(program)?.install(flags)
}

/// Whether the kernel knows a filter's return value (`SECCOMP_RET_*`, without its data).
///
/// # Errors
/// The kernel has no seccomp(2), or could not say.
pub fn action_available(action: u32) -> io::Result<bool> {
    // SAFETY: the kernel reads one u32 at the address of `action`, which lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_ulong::from(libc::SECCOMP_GET_ACTION_AVAIL),
            0 as libc::c_ulong,
            ptr::from_ref(&action),
        )
    };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EOPNOTSUPP) { Ok(false) } else { Err(error) }
}

/// A filter could not be read back.
#[derive(Debug, Error)]
#[error("read system call filter {index} of process {}", pid.as_raw_nonzero())]
pub struct ReadError {
    /// Whose filter.
    pub pid: Pid,
    /// Which one, from the oldest.
    pub index: usize,
    /// EACCES without CAP_SYS_ADMIN in the first user namespace or for a reader that is itself filtered, ESRCH for a task
    /// that is not stopped under the reader, EINVAL for a task without any filter and for a kernel without
    /// checkpoint/restore.
    #[source]
    pub source: io::Error,
}

/// Not in the crate `libc` for all targets (`<linux/ptrace.h>`).
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;
/// Not in the crate `libc` for all targets (`<linux/ptrace.h>`).
const PTRACE_SECCOMP_GET_METADATA: libc::c_uint = 0x420d;

/// Reads a filter of a task that the caller has stopped with ptrace(2), as it was installed (ptrace(2),
/// `PTRACE_SECCOMP_GET_FILTER`). Number 0 is the oldest one. `None` where the task has no filter of that number.
///
/// # Errors
/// [`ReadError`].
pub fn read_filter(pid: Pid, index: usize) -> Result<Option<Vec<Instruction>>, ReadError> {
    let failed = |source| ReadError { pid, index, source };
    let Some(count) = get_filter(pid, index, ptr::null_mut()).map_err(failed)? else {
        return Ok(None);
    };
    let mut program = vec![Instruction { code: 0, jt: 0, jf: 0, k: 0 }; MAX_INSTRUCTIONS.max(count)];
    // The task is stopped and filters never change, so the second answer is as long as the first; the buffer also holds
    // the longest program that exists.
    let copied = get_filter(pid, index, program.as_mut_ptr()).map_err(failed)?.unwrap_or(0);
    if copied != count {
        return Err(failed(io::Error::from_raw_os_error(libc::EAGAIN)));
    }
    program.truncate(copied);
    Ok(Some(program))
}

/// One `PTRACE_SECCOMP_GET_FILTER`; `into` is null, or has room for [`MAX_INSTRUCTIONS`].
fn get_filter(pid: Pid, index: usize, into: *mut Instruction) -> io::Result<Option<usize>> {
    // SAFETY: with a null address the kernel writes nothing and returns the length; otherwise it writes at most
    // BPF_MAXINSNS instructions, for which both callers' buffers have room.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            libc::c_ulong::from(PTRACE_SECCOMP_GET_FILTER),
            libc::c_long::from(pid.as_raw_nonzero().get()),
            index,
            into,
        )
    };
    if let Ok(count) = usize::try_from(result) {
        return Ok(Some(count));
    }
    let error = io::Error::last_os_error();
    // A task without any filter answers EINVAL, as a kernel without the feature does: `Seccomp:` in its status tells.
    if error.raw_os_error() == Some(libc::ENOENT) { Ok(None) } else { Err(error) }
}

/// `struct seccomp_metadata`.
#[repr(C)]
struct Metadata {
    filter_off: u64,
    flags: u64,
}

/// Whether a filter of a stopped task was installed with [`FilterFlags::log`], the one flag that the kernel gives back.
/// `None` where the task has no filter of that number.
///
/// # Errors
/// [`ReadError`].
pub fn read_log_flag(pid: Pid, index: usize) -> Result<Option<bool>, ReadError> {
    let mut metadata = Metadata { filter_off: index as u64, flags: 0 };
    // SAFETY: the kernel is told the structure's size and reads and writes no more than that.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            libc::c_ulong::from(PTRACE_SECCOMP_GET_METADATA),
            libc::c_long::from(pid.as_raw_nonzero().get()),
            size_of::<Metadata>(),
            ptr::from_mut(&mut metadata),
        )
    };
    if result >= 0 {
        return Ok(Some(metadata.flags & libc::SECCOMP_FILTER_FLAG_LOG != 0));
    }
    let source = io::Error::last_os_error();
    if source.raw_os_error() == Some(libc::ENOENT) { Ok(None) } else { Err(ReadError { pid, index, source }) }
}
