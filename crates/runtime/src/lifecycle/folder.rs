//! Where containers are written down: one folder for all, one below it for each.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cofferdam_names::ContainerId;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, fcntl_lock, fstat, openat, renameat, stat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::error::LifecycleError;
use super::record::Record;

const STATE: &str = "state.json";
const NEW_STATE: &str = "state.json.new";
const SOCKET: &str = "start.sock";
const LOCK: &str = "lock";

/// The folder of all containers of one caller.
#[derive(Debug, Clone)]
pub struct StateRoot(PathBuf);

impl StateRoot {
    /// The root at that path, which is made when the first container is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The containers, in alphabetical order.
    pub fn ids(&self) -> Result<Vec<ContainerId>, LifecycleError> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LifecycleError::file("cannot list", &self.0, error)),
        };
        let mut ids: Vec<ContainerId> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok()?.parse().ok())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// Makes the folder of a new container, locked; an id is given once.
    pub(super) fn make(&self, id: &ContainerId) -> Result<Folder, LifecycleError> {
        let path = self.0.join(id.as_str());
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        let made = match builder.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.0)
                .and_then(|()| builder.create(&path)),
            other => other,
        };
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LifecycleError::Exists(id.clone()));
            }
            Err(error) => return Err(LifecycleError::file("cannot make", path, error)),
        }
        let folder = Folder::open(path, id)?;
        folder.lock(id)?;
        Ok(folder)
    }

    /// The folder of a container that exists.
    pub(super) fn open(&self, id: &ContainerId) -> Result<Folder, LifecycleError> {
        Folder::open(self.0.join(id.as_str()), id)
    }
}

/// One container's folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    fd: OwnedFd,
    lock: OnceCell<OwnedFd>,
}

impl Folder {
    fn open(path: PathBuf, id: &ContainerId) -> Result<Self, LifecycleError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { path, fd, lock: OnceCell::new() }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(LifecycleError::Missing(id.clone())),
            Err(error) => Err(LifecycleError::file("cannot open", path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open_lock(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.fd, LOCK, flags, Mode::RUSR | Mode::WUSR)?)
    }

    /// Waits for the container's lock, held until this value is dropped; an error if it was deleted meanwhile.
    ///
    /// A lock of the process (fcntl(2)) and not of the open file: the container's first process is a clone of this one
    /// with all its descriptors, waits for hours perhaps, and must not hold the lock meanwhile.
    pub(super) fn lock(&self, id: &ContainerId) -> Result<(), LifecycleError> {
        let failed = |error: io::Error| LifecycleError::file("cannot lock", &self.path, error);
        let file = match self.open_lock() {
            // The folder was removed while it was open here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LifecycleError::Missing(id.clone()));
            }
            other => other.map_err(failed)?,
        };
        rustix::io::retry_on_intr(|| fcntl_lock(&file, FlockOperation::LockExclusive))
            .map_err(|error| failed(error.into()))?;
        let held = fstat(&self.fd).map(|stat| (stat.st_dev, stat.st_ino));
        let named = stat(&self.path).map(|stat| (stat.st_dev, stat.st_ino));
        let _ = self.lock.set(file);
        if held.is_ok() && held == named { Ok(()) } else { Err(LifecycleError::Missing(id.clone())) }
    }

    /// Whether another command holds the lock.
    pub(super) fn is_locked(&self) -> bool {
        // Closing any descriptor of the file would end a lock of this process's own.
        if self.lock.get().is_some() {
            return false;
        }
        let Ok(file) = self.open_lock() else { return false };
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// The record, or none where a command died before it wrote one.
    pub(super) fn read(&self) -> Result<Option<Record>, LifecycleError> {
        let path = || self.path.join(STATE);
        let file = match openat(&self.fd, STATE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(LifecycleError::file("cannot open", path(), error)),
        };
        let text =
            io::read_to_string(file).map_err(|error| LifecycleError::file("cannot read", path(), error))?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| LifecycleError::Record { path: path(), source })
    }

    /// Replaces the record at once: a reader sees the old one or the new one.
    pub(super) fn write(&self, record: &Record) -> Result<(), LifecycleError> {
        let failed = |error: io::Error| LifecycleError::file("cannot write", self.path.join(STATE), error);
        let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = openat(&self.fd, NEW_STATE, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed(error.into()))?;
        std::fs::File::from(file).write_all(&bytes).map_err(failed)?;
        renameat(&self.fd, NEW_STATE, &self.fd, STATE).map_err(|error| failed(error.into()))
    }

    /// The socket's address through the folder's descriptor: an id of 1,024 characters would not fit one.
    fn socket_address(&self) -> io::Result<SocketAddrUnix> {
        Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", self.fd.as_fd().as_raw_fd()))?)
    }

    fn socket(
        &self,
        act: impl FnOnce(&OwnedFd, &SocketAddrUnix) -> Result<(), Errno>,
    ) -> io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        act(&socket, &self.socket_address()?)?;
        Ok(socket)
    }

    /// Makes the socket on which the first process waits to be started.
    pub(super) fn listen(&self) -> Result<OwnedFd, LifecycleError> {
        self.socket(|socket, address| {
            bind(socket, address)?;
            listen(socket, 1)
        })
        .map_err(|error| LifecycleError::file("cannot make", self.path.join(SOCKET), error))
    }

    /// Connects to the first process, which waits to be started.
    pub(super) fn connect(&self) -> Result<OwnedFd, LifecycleError> {
        self.socket(|socket, address| connect(socket, address))
            .map_err(|error| LifecycleError::file("cannot connect to", self.path.join(SOCKET), error))
    }

    /// Whether the container waits to be started.
    pub(super) fn waits(&self) -> bool {
        rustix::fs::statat(&self.fd, SOCKET, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Notes that the container does not wait any more.
    pub(super) fn end_waiting(&self) -> Result<(), LifecycleError> {
        match unlinkat(&self.fd, SOCKET, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(LifecycleError::file("cannot remove", self.path.join(SOCKET), error)),
        }
    }

    /// Removes the folder: from here on the container does not exist.
    pub(super) fn remove(&self) -> Result<(), LifecycleError> {
        match std::fs::remove_dir_all(&self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LifecycleError::file("cannot remove", &self.path, error)),
        }
    }
}
