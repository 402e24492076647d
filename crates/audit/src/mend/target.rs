//! The root that is written to: everything below its descriptor, links followed inside of it only.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// A host's root, running or at rest.
pub(super) struct Target {
    root: OwnedFd,
    resolve: ResolveFlags,
}

impl Target {
    pub(super) fn open(root: &Path, running: bool) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let more = if running { ResolveFlags::empty() } else { ResolveFlags::NO_XDEV };
        let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
        Ok(Self { root, resolve: ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more })
    }

    fn opened(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), self.resolve)
    }

    /// The folder, made where it is missing.
    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.opened(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let above = self.folder(above)?;
        match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(self.opened(path, OFlags::PATH | OFlags::DIRECTORY)?)
    }

    /// Puts a file in its place whole: a name of its own first, on the disk, then renamed.
    pub(super) fn write(&self, path: &str, text: &str, mode: u32) -> io::Result<()> {
        let path = Path::new(path);
        let folder = self.folder(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary = std::ffi::OsString::from(".cofferdam-");
        temporary.push(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::unlinkat(&folder, &temporary, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut file: std::fs::File =
            rustix::fs::openat(&folder, &temporary, flags, Mode::from_raw_mode(mode))?.into();
        file.write_all(text.as_bytes())?;
        // The umask took from it.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        file.sync_all()?;
        Ok(rustix::fs::renameat(&folder, &temporary, &folder, name)?)
    }

    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let path = Path::new(path);
        let folder = self.folder(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(rustix::fs::unlinkat(&folder, name, rustix::fs::AtFlags::empty())?)
    }

    /// Sets a parameter of the running kernel.
    pub(super) fn set(&self, name: &str, value: &str) -> io::Result<()> {
        let path = parameter_path(name);
        let fd = self.opened(Path::new(&path), OFlags::WRONLY)?;
        std::fs::File::from(fd).write_all(value.as_bytes())
    }
}

/// Where the kernel shows a parameter.
pub(super) fn parameter_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
