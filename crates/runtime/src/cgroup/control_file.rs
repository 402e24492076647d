//! Reading and writing control files with as few system calls as it takes.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use thiserror::Error;

/// A control file that could not be read or written.
#[derive(Debug, Error)]
#[error("{action} {path}")]
pub struct ControlFileError {
    /// What was tried: `read`, or `write VALUE to`.
    pub action: String,
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

impl ControlFileError {
    pub(super) fn reading(path: &Path, source: io::Error) -> Self {
        Self { action: "read".to_owned(), path: path.to_owned(), source }
    }

    pub(super) fn writing(value: &str, path: &Path, source: io::Error) -> Self {
        Self { action: format!("write {value:?} to"), path: path.to_owned(), source }
    }

    /// Whether the group or the file is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        // ENODEV: the group was removed while its file was open.
        matches!(self.source.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
    }
}

/// The whole text of a control file, usually in one read(2).
///
/// The kernel gives as many whole records as fit; only where the next one did not fit is there more to read. A record of
/// these files (a number, a line, a pid) is far smaller than half of what is asked for, so half or less is all there is.
pub(super) fn read(path: &Path) -> Result<String, ControlFileError> {
    read_while(path, |count| count > CHUNK / 2)
}

/// The whole text of a file of `/proc` whose records can be long.
pub(super) fn read_to_end(path: &Path) -> Result<String, ControlFileError> {
    read_while(path, |count| count > 0)
}

const CHUNK: usize = 4096;

fn read_while(path: &Path, more: impl Fn(usize) -> bool) -> Result<String, ControlFileError> {
    let failed = |source: io::Error| ControlFileError::reading(path, source);
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed(errno.into()))?;
    let mut text = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut chunk))
            .map_err(|errno| failed(errno.into()))?;
        text.extend_from_slice(&chunk[..count]);
        if !more(count) {
            break;
        }
    }
    String::from_utf8(text).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// As [`read`]; none where the file does not exist.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, ControlFileError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `value` in one write(2): a control file takes each write as a whole command. The file is never created.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    let file = open_to_write(path)?;
    rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))?;
    Ok(())
}

fn open_to_write(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
}

/// As [`write()`], one command after another into a file that is opened once.
pub(super) fn write_each(path: &Path, values: &[String]) -> Result<(), ControlFileError> {
    let file = open_to_write(path)
        .map_err(|errno| ControlFileError::writing(&values.join("; "), path, errno.into()))?;
    values.iter().try_for_each(|value| {
        rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))
            .map(drop)
            .map_err(|errno| ControlFileError::writing(value, path, errno.into()))
    })
}

/// As [`write()`], with the file named in the error.
pub(super) fn write_or_name(path: &Path, value: &str) -> Result<(), ControlFileError> {
    write(path, value).map_err(|source| ControlFileError::writing(value, path, source))
}

/// mkdir(2), searchable by everyone as the kernel's own groups are.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o755))?)
}

/// rmdir(2), which is how a group is removed: its files are no obstacle.
pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(CWD, path, rustix::fs::AtFlags::REMOVEDIR)?)
}

/// The value behind `key` in a file of lines `KEY VALUE`.
pub(super) fn keyed_number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_number_is_found_by_its_whole_key() {
        let text = "oom_kill_disable 0\noom_kill 3\n";
        assert_eq!(keyed_number(text, "oom_kill"), Some(3));
        assert_eq!(keyed_number(text, "oom"), None);
    }

    #[test]
    fn long_texts_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cgroup.procs");
        for length in [0, 1, CHUNK / 2, CHUNK / 2 + 1, CHUNK, CHUNK + 1, CHUNK * 3] {
            std::fs::write(&path, "x".repeat(length)).unwrap();
            assert_eq!(read_to_end(&path).unwrap().len(), length);
            assert_eq!(read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn writing_never_makes_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("memory.max"), "1").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
