//! Who may change a container that has no shim: whoever holds its lock.

use std::io;
use std::time::{Duration, Instant};

use cofferdam_names::ContainerId;
use cofferdam_shim::{ContainerDir, Lock, Status, StatusError};

use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::paths::Paths;

/// How long another command, or a shim that is about to end, may keep the lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the lock of a container that does not run, and waits a little for one who is about to give it back: a shim tells
/// its clients of the end just before its own.
pub(crate) fn take(paths: &Paths, id: &ContainerId) -> Result<Lock> {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(lock) = try_take(paths, id)? {
            return Ok(lock);
        }
        if status(&paths.container(id), id)?.state.has_shim() {
            return Err(Error::Running { id: id.clone() });
        }
        if Instant::now() > end {
            return Err(Error::Busy { id: id.clone() });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Takes the lock if nobody has it. Taking it makes the run folder, so one who comes too late for the container itself takes
/// that folder away again.
pub(crate) fn try_take(paths: &Paths, id: &ContainerId) -> Result<Option<Lock>> {
    let run = paths.run_dir(id);
    let failed = |source| Error::io("lock", format!("container {}", id.short()), source);
    make_private_folder(paths.run())?;
    let lock = match Lock::try_acquire(&run) {
        Ok(lock) => lock,
        // Its remover took the folder away between its making and its use.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if lock.is_some() && !paths.container(id).path().exists() {
        std::fs::remove_dir_all(run.path()).map_err(failed)?;
        return Err(gone(id));
    }
    Ok(lock)
}

/// A container's status as its owner wrote it. One that has none yet was never started; one without a plan is half made, by a
/// command that is still at it or was killed, or was to be removed at its end and is of before this boot.
pub(crate) fn status(dir: &ContainerDir, id: &ContainerId) -> Result<Status> {
    match Status::read(&dir.status()) {
        Ok(status) => Ok(status),
        Err(StatusError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if dir.plan().exists() { Ok(Status::default()) } else { Err(gone(id)) }
        }
        Err(source) => Err(Error::Status { source }),
    }
}

/// There is no such container any more.
pub(crate) fn gone(id: &ContainerId) -> Error {
    Error::NoContainer { word: id.short().to_owned() }
}

#[cfg(test)]
mod tests {
    use cofferdam_shim::ContainerState;

    use super::*;

    #[test]
    fn the_lock_of_a_container_that_is_gone_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        let id: ContainerId = "abc".parse().unwrap();
        assert!(matches!(take(&paths, &id), Err(Error::NoContainer { .. })));
        assert!(!paths.run_dir(&id).path().exists());
        std::fs::create_dir_all(paths.container(&id).path()).unwrap();
        let lock = take(&paths, &id).unwrap();
        assert!(try_take(&paths, &id).unwrap().is_none());
        let running = Status { state: ContainerState::Running, ..Status::default() };
        running.write(&paths.container(&id).status()).unwrap();
        assert!(matches!(take(&paths, &id), Err(Error::Running { .. })));
        drop(lock);
        assert!(try_take(&paths, &id).unwrap().is_some());
    }
}
