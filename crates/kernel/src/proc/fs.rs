//! `/proc` itself: opened once, known to be the kernel's, and files below it that are known to be its own.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use thiserror::Error;

use super::ParseError;
use super::dir::ProcDir;

/// A file larger than this is not read to its end: 100,000 mounts (the default `fs.mount-max`) are about 20 MB.
const MAX_SIZE: usize = 64 << 20;

/// The inode of a procfs's own root; any folder below it has another (`PROC_ROOT_INO`).
const ROOT_INODE: u64 = 1;

/// Why something of `/proc` could not be had.
#[derive(Debug, Error)]
pub enum ProcError {
    /// The file could not be opened, or a mount or a link stands in its place (`EXDEV`, `ELOOP`).
    #[error("cannot open /proc/{path}")]
    Open {
        /// Relative to `/proc`, or to `/proc/PID`.
        path: String,
        /// openat2(2)'s error.
        source: io::Error,
    },
    /// What stands at `/proc` is no whole procfs.
    #[error("{path} is not the kernel's procfs: {why}")]
    NotProcfs {
        /// What was opened.
        path: String,
        /// What it is instead.
        why: &'static str,
    },
    /// Reading failed.
    #[error("cannot read /proc/{path}")]
    Read {
        /// Relative to `/proc`, or to `/proc/PID`.
        path: String,
        /// The error; `ESRCH` where the process is gone.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write /proc/{path}")]
    Write {
        /// Relative to `/proc`, or to `/proc/PID`.
        path: String,
        /// The error.
        source: io::Error,
    },
    /// The text is not what it should be.
    #[error("cannot understand /proc/{path}")]
    Malformed {
        /// Relative to `/proc`, or to `/proc/PID`.
        path: String,
        /// What is wrong with it.
        source: ParseError,
    },
}

impl ProcError {
    /// Whether the file does not exist (an older kernel, or a process that is gone).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether this process may not look.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            _ => false,
        }
    }

    /// Whether the process is gone: nothing of it can be found, or it ended while its files were open (`ESRCH`).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let ended = |source: &io::Error| source.raw_os_error() == Some(Errno::SRCH.raw_os_error());
        self.is_absent()
            || matches!(self, Self::Open { source, .. } | Self::Read { source, .. } if ended(source))
    }
}

impl From<ProcError> for io::Error {
    /// Keeps the kernel's error number, which decides exit codes; what has none keeps its words.
    fn from(error: ProcError) -> Self {
        match error {
            ProcError::Open { source, .. }
            | ProcError::Read { source, .. }
            | ProcError::Write { source, .. }
                if source.raw_os_error().is_some() =>
            {
                source
            }
            other => Self::other(other),
        }
    }
}

/// A procfs whose root is held open.
#[derive(Debug)]
pub struct ProcFs {
    root: OwnedFd,
}

impl ProcFs {
    /// Opens this mount namespace's `/proc`.
    pub fn open() -> Result<Self, ProcError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, c"/proc", flags, Mode::empty())
            .map_err(|errno| ProcError::Open { path: String::new(), source: errno.into() })?;
        Self::from_fd(root)
    }

    /// Takes a descriptor of a procfs's root, such as a detached mount (fsmount(2)) or one opened in a container.
    ///
    /// Refused unless it is a procfs (fstatfs(2)) and its own root: a folder of a procfs bound to `/proc` would show
    /// one process as another.
    pub fn from_fd(root: OwnedFd) -> Result<Self, ProcError> {
        require_procfs(root.as_fd(), "/proc")?;
        let stat = rustix::fs::fstat(&root)
            .map_err(|errno| ProcError::Open { path: String::new(), source: errno.into() })?;
        if stat.st_ino != ROOT_INODE {
            return Err(ProcError::NotProcfs { path: "/proc".to_owned(), why: "it is a folder of a procfs" });
        }
        Ok(Self { root })
    }

    /// The folder of one process. It stays that process's: when it is gone, reads fail, also if its number is used
    /// again.
    pub fn process(&self, pid: Pid) -> Result<ProcDir, ProcError> {
        self.process_at(pid.as_raw_nonzero().to_string())
    }

    /// The numbers of all processes that it shows, in no order.
    pub fn processes(&self) -> Result<Vec<Pid>, ProcError> {
        let failed = |errno: Errno| ProcError::Read { path: String::new(), source: errno.into() };
        let root = rustix::fs::openat(&self.root, c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(failed)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(root).map_err(failed)? {
            let name = entry.map_err(failed)?;
            let number = name.file_name().to_str().ok().and_then(|name| name.parse().ok());
            found.extend(number.and_then(Pid::from_raw));
        }
        Ok(found)
    }

    /// The folder of the calling process.
    pub fn this_process(&self) -> Result<ProcDir, ProcError> {
        self.process_at(self.own_link("self")?)
    }

    /// The folder of the calling thread (`PID/task/TID`): what `attr/exec` must be written through.
    pub fn this_thread(&self) -> Result<ProcDir, ProcError> {
        self.process_at(self.own_link("thread-self")?)
    }

    fn process_at(&self, path: String) -> Result<ProcDir, ProcError> {
        let dir = self.open_file(&path, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(ProcDir::new(dir, path))
    }

    /// Where `self` or `thread-self` lead: the caller's number in this procfs's own pid namespace.
    fn own_link(&self, name: &str) -> Result<String, ProcError> {
        let link = rustix::fs::readlinkat(&self.root, name, Vec::new())
            .map_err(|errno| ProcError::Read { path: name.to_owned(), source: errno.into() })?;
        Ok(CStr::to_string_lossy(&link).into_owned())
    }

    /// Opens a file below, as `open_below` does.
    pub fn open_file(&self, path: &str, flags: OFlags) -> Result<OwnedFd, ProcError> {
        open_below(self.root.as_fd(), path, flags)
    }

    /// The text of a file below.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, ProcError> {
        read_below(self.root.as_fd(), path)
    }

    /// Writes a whole value to a file below with one write(2), as `/proc/sys` wants it.
    pub fn write(&self, path: &str, value: &[u8]) -> Result<(), ProcError> {
        write_below(self.root.as_fd(), path, value)
    }

    /// The text of a kernel parameter (sysctl(8)), named with dots: `net.ipv4.ip_forward`. Parameters that belong to
    /// a namespace are the calling process's.
    pub fn sysctl(&self, name: &str) -> Result<Vec<u8>, ProcError> {
        self.read(&sysctl_path(name))
    }

    /// Sets a kernel parameter, named with dots.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<(), ProcError> {
        self.write(&sysctl_path(name), value.as_bytes())
    }

    /// The descriptor of its root.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// The path of a kernel parameter below `/proc`. As in sysctl(8), a name with a slash before its first dot is
/// already separated by slashes (`net/ipv4/conf/eth0.1/forwarding`).
fn sysctl_path(name: &str) -> String {
    let slashed =
        matches!((name.find('/'), name.find('.')), (Some(slash), dot) if dot.is_none_or(|dot| slash < dot));
    if slashed {
        return format!("sys/{name}");
    }
    let swapped = name.chars().map(|letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    format!("sys/{}", swapped.collect::<String>())
}

fn require_procfs(fd: BorrowedFd<'_>, path: &str) -> Result<(), ProcError> {
    let stat = rustix::fs::fstatfs(fd)
        .map_err(|errno| ProcError::Open { path: path.to_owned(), source: errno.into() })?;
    if stat.f_type == rustix::fs::PROC_SUPER_MAGIC {
        Ok(())
    } else {
        Err(ProcError::NotProcfs { path: path.to_owned(), why: "it is another file system" })
    }
}

/// Opens a file below a folder of a procfs.
///
/// CVE-2025-52881, CVE-2019-19921: without `RESOLVE_NO_XDEV` a file mounted over this one would be opened, without
/// `RESOLVE_NO_SYMLINKS` a link put in its place; then fstatfs(2) confirms that it is a procfs's.
pub(super) fn open_below(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, ProcError> {
    let fd = open_same_mount(folder, path, flags)?;
    require_procfs(fd.as_fd(), path)?;
    Ok(fd)
}

/// The first half of [`open_below`]. It is enough for reading: the folder is a procfs's, and no other mount is entered.
fn open_same_mount(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, ProcError> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_XDEV
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_SYMLINKS;
    loop {
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(fd) => return Ok(fd),
            // EAGAIN: a rename or a mount somewhere raced with the look-up (openat2(2)); the kernel asks to try again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(ProcError::Open { path: path.to_owned(), source: errno.into() }),
        }
    }
}

pub(super) fn read_below(folder: BorrowedFd<'_>, path: &str) -> Result<Vec<u8>, ProcError> {
    let fd = open_same_mount(folder, path, OFlags::RDONLY)?;
    let failed = |source: io::Error| ProcError::Read { path: path.to_owned(), source };
    let mut text = Vec::with_capacity(4096);
    loop {
        if text.len() > MAX_SIZE {
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB")));
        }
        if text.capacity() - text.len() < 1024 {
            text.reserve(text.capacity());
        }
        match rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut text)) {
            Ok(0) => return Ok(text),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
    }
}

pub(super) fn write_below(folder: BorrowedFd<'_>, path: &str, value: &[u8]) -> Result<(), ProcError> {
    let fd = open_below(folder, path, OFlags::WRONLY)?;
    let failed = |source: io::Error| ProcError::Write { path: path.to_owned(), source };
    match rustix::io::retry_on_intr(|| rustix::io::write(&fd, value)) {
        Ok(written) if written == value.len() => Ok(()),
        Ok(_) => Err(failed(io::Error::new(io::ErrorKind::WriteZero, "written in part"))),
        Err(errno) => Err(failed(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctl_names_follow_sysctl_8() {
        assert_eq!(sysctl_path("net.ipv4.ip_forward"), "sys/net/ipv4/ip_forward");
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "sys/net/ipv4/conf/eth0.1/forwarding");
        assert_eq!(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "sys/net/ipv4/conf/eth0.1/forwarding");
    }
}
