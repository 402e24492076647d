//! execveat(2).
#![allow(unsafe_code, reason = "execveat has no safe wrapper")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Text for the kernel: the NUL-ended copies and the array of pointers to them.
#[derive(Debug)]
pub struct CStringArray {
    _texts: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl CStringArray {
    /// Copies the texts; one that holds a NUL byte is an error.
    pub fn new<T: Into<Vec<u8>>>(texts: impl IntoIterator<Item = T>) -> io::Result<Self> {
        let texts: Vec<CString> = texts.into_iter().map(CString::new).collect::<Result<_, _>>()?;
        // A CString's bytes live on the heap: moving it into the struct does not move what is pointed at.
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _texts: texts, pointers })
    }
}

/// Replaces the process's program by the one at `path` (as seen from its root and working directory). It returns
/// only to say why not.
#[must_use]
pub fn execve(path: &CStr, args: &CStringArray, env: &CStringArray) -> io::Error {
    // SAFETY: `path` is NUL-ended, both arrays end with a null pointer and their texts are owned by `args` and
    // `env`, which outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// Replaces the process's program by the open file `program`. It returns only to say why not.
#[must_use]
pub fn fexecve(program: BorrowedFd<'_>, args: &CStringArray, env: &CStringArray) -> io::Error {
    // SAFETY: as for `execve`; the path is the empty text, so that the descriptor itself is meant.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            args.pointers.as_ptr(),
            env.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}
