//! The lock that says who owns a container: its shim while it runs, a command that changes it otherwise.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use cofferdam_kernel::file_lock;
use rustix::fs::{Mode, OFlags};

use crate::RunDir;

/// The container's lock, held. Dropping the last copy of its descriptor gives it back; a killed process does so too.
#[derive(Debug)]
pub struct Lock(OwnedFd);

fn open(run: &RunDir, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(run.lock(), flags, Mode::RUSR | Mode::WUSR)?)
}

impl Lock {
    /// Makes the run folder (for its owner alone) and takes the lock; none if another process has it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn try_acquire(run: &RunDir) -> io::Result<Option<Self>> {
        match rustix::fs::mkdir(run.path(), Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let file = open(run, OFlags::RDWR | OFlags::CREATE)?;
        if !file_lock::try_lock(&file)? {
            return Ok(None);
        }
        // Whoever removed the container meanwhile held the lock of a file that has no name any more.
        let named = std::fs::metadata(run.lock()).map(|at_path| at_path.ino());
        let inode = rustix::fs::fstat(&file)?.st_ino;
        Ok(named.is_ok_and(|named| named == inode).then_some(Self(file)))
    }

    /// The lock of a descriptor that was handed over and holds it already.
    #[must_use]
    pub fn from_held(file: OwnedFd) -> Self {
        Self(file)
    }

    /// Whether a process holds the container's lock.
    ///
    /// # Errors
    /// Those of the file system, but for a missing file, which nobody holds.
    pub fn is_held(run: &RunDir) -> io::Result<bool> {
        match open(run, OFlags::RDONLY) {
            Ok(file) => file_lock::is_locked(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("c"));
        assert!(!Lock::is_held(&run).unwrap());
        let lock = Lock::try_acquire(&run).unwrap().unwrap();
        assert!(Lock::is_held(&run).unwrap());
        assert!(Lock::try_acquire(&run).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(&run).unwrap());
        let lock = Lock::try_acquire(&run).unwrap().unwrap();
        std::fs::remove_file(run.lock()).unwrap();
        assert!(!Lock::is_held(&run).unwrap());
        assert!(Lock::try_acquire(&run).unwrap().is_some(), "a new file, a new lock");
        drop(lock);
    }
}
