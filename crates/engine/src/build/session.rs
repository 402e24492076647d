//! The folder of one build: it is there as long as the build, and goes with it, by whatever way the build ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_kernel::file_lock;

use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::own_namespace::remove_own;
use crate::{Engine, Paths, RemoveOptions};

/// What the names of a build's containers begin with; the build's own name follows.
const CONTAINER: &str = "build-";

/// The file whose lock says that a build is under way.
const LOCK: &str = "lock";

/// A build that is under way.
#[derive(Debug)]
pub(super) struct Session {
    name: String,
    folder: PathBuf,
    secrets: Option<PathBuf>,
    _lock: File,
}

impl Paths {
    /// Where the build cache is.
    pub(crate) fn builder(&self) -> PathBuf {
        self.state().join("builder")
    }

    fn sessions(&self) -> PathBuf {
        self.builder().join("sessions")
    }
}

impl Session {
    /// Begins one.
    pub(super) fn begin(paths: &Paths) -> Result<Self> {
        let mut random = [0u8; 8];
        let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
        read.map_err(|source| Error::io("read", "/dev/urandom", source))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = paths.sessions().join(&name);
        let _beginning = lock_sessions(paths)?;
        make_private_folder(&folder)?;
        let failed = |source| Error::io("begin a build in", folder.display(), source);
        // Mounts are made of these paths, and no link is followed then.
        let folder = folder.canonicalize().map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        if !file_lock::try_lock(&lock).map_err(failed)? {
            return Err(failed(io::Error::other("its name is taken")));
        }
        let secrets = secret_folder(paths, &name)?;
        Ok(Self { name, folder, secrets, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder in memory; none where there is none.
    pub(super) fn secrets(&self) -> Option<&Path> {
        self.secrets.as_deref()
    }

    /// The name of its container with this number.
    pub(super) fn container(&self, number: u64) -> String {
        format!("{CONTAINER}{}-{number}", self.name)
    }
}

/// Held while a folder is made and gets its lock: one without a lock is then nobody's.
fn lock_sessions(paths: &Paths) -> Result<File> {
    make_private_folder(&paths.builder())?;
    let path = paths.builder().join("sessions.lock");
    let failed = |source| Error::io("lock", path.display(), source);
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    file_lock::lock(&file).map_err(failed)?;
    Ok(file)
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next command.
        let _ = remove(&self.folder, self.secrets.as_deref());
    }
}

fn remove(folder: &Path, secrets: Option<&Path>) -> Result<()> {
    if let Some(secrets) = secrets {
        remove_own(secrets)?;
    }
    remove_own(folder)
}

/// The places that are in memory on any Linux: the run folder, or where POSIX keeps shared memory.
fn secret_places(paths: &Paths, name: &str) -> [PathBuf; 2] {
    [paths.run().join(format!("build-{name}")), Path::new("/dev/shm").join(format!("cofferdam-build-{name}"))]
}

fn secret_folder(paths: &Paths, name: &str) -> Result<Option<PathBuf>> {
    /// tmpfs (statfs(2)).
    const TMPFS: u64 = 0x0102_1994;
    make_private_folder(paths.run())?;
    for place in secret_places(paths, name) {
        let Some(parent) = place.parent() else { continue };
        let in_memory =
            rustix::fs::statfs(parent).is_ok_and(|found| i128::from(found.f_type) == i128::from(TMPFS));
        if in_memory {
            make_private_folder(&place)?;
            let place = place.canonicalize().map_err(|source| Error::io("use", place.display(), source))?;
            return Ok(Some(place));
        }
    }
    Ok(None)
}

impl Engine {
    /// Removes what builds have left whose process was killed: containers first, then files.
    ///
    /// # Errors
    /// They cannot be listed. One that cannot be removed now stays for the next command.
    pub(crate) fn clean_builds(&self) -> Result<()> {
        let sessions = self.paths.sessions();
        let entries = match std::fs::read_dir(&sessions) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("read", sessions.display(), error)),
        };
        let entries: Vec<_> = entries
            .collect::<io::Result<_>>()
            .map_err(|source| Error::io("read", sessions.display(), source))?;
        if entries.is_empty() {
            return Ok(());
        }
        let _beginning = lock_sessions(&self.paths)?;
        for entry in entries {
            if let Ok(name) = entry.file_name().into_string() {
                let _ = self.clean_build(&name, &entry.path());
            }
        }
        Ok(())
    }

    /// Held while no build begins; none if one is under way.
    pub(super) fn between_builds(&self) -> Result<Option<File>> {
        let locked = lock_sessions(&self.paths)?;
        let none =
            std::fs::read_dir(self.paths.sessions()).map_or(true, |mut sessions| sessions.next().is_none());
        Ok(none.then_some(locked))
    }

    fn clean_build(&self, name: &str, folder: &Path) -> Result<()> {
        let failed = |source| Error::io("remove what a build has left in", folder.display(), source);
        // Writable: the kernel gives an exclusive lock to no other (fcntl(2)).
        let lock = match File::options().read(true).write(true).open(folder.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return remove_own(folder);
            }
            Err(error) => return Err(failed(error)),
        };
        if !file_lock::try_lock(&lock).map_err(failed)? {
            return Ok(());
        }
        let prefix = format!("{CONTAINER}{name}-");
        for record in self.store.containers()? {
            if record.name.as_str().starts_with(&prefix) {
                self.remove(&record.id, &RemoveOptions { force: true, volumes: true })?;
            }
        }
        for place in secret_places(&self.paths, name) {
            if place.exists() {
                remove_own(&place)?;
            }
        }
        remove_own(folder)
    }
}
