//! What the next command does for a container whose shim was killed, and for a command that was.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cofferdam_kernel::signal::Signal;
use cofferdam_names::{ContainerId, Timestamp};
use cofferdam_policy::RestartPolicy;
use cofferdam_shim::{ContainerState, ExitStatus, Lock, Status};

use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::removal::{REMOVING, end_group, remove_doomed, remove_ended, remove_files};
use crate::store::Record;
use crate::{Engine, ownership, volume};

/// How old a half-made or half-removed container is at least before it counts as abandoned: its maker, if it still lives, has
/// long taken its lock.
const ABANDONED: Duration = Duration::from_secs(60);

/// What the status of a container says whose shim was lost.
const SHIM_LOST: &str = "shim lost";

impl Engine {
    /// A container's status, once it is true: one that should have a shim and has none has ended.
    pub(crate) fn settle(&self, id: &ContainerId) -> Result<Status> {
        let dir = self.paths.container(id);
        let status = ownership::status(&dir, id)?;
        let held = || {
            Lock::is_held(&self.paths.run_dir(id))
                .map_err(|source| Error::io("look for the shim of", id.short(), source))
        };
        // A shim listens from before its start to its end in good order.
        let socket = self.paths.run_dir(id).socket();
        if !(status.state.has_shim() || socket.exists()) || held()? {
            return Ok(status);
        }
        let Some(lock) = ownership::try_take(&self.paths, id)? else {
            return ownership::status(&dir, id);
        };
        // Read again by its only owner: the shim may have ended in good order between the two looks.
        let status = ownership::status(&dir, id)?;
        if status.state.has_shim() {
            return self.bury(id, status, lock);
        }
        if socket.exists() {
            // Lost in the middle of a start, before it could write that the container runs.
            end_group(&self.paths, id)?;
            let _ = std::fs::remove_file(socket);
        }
        Ok(status)
    }

    /// Ends what a lost shim has left. The kernel has killed the first process (`PR_SET_PDEATHSIG`), and with it its pid
    /// namespace; others are in the cgroup.
    fn bury(&self, id: &ContainerId, mut status: Status, lock: Lock) -> Result<Status> {
        let dir = self.paths.container(id);
        let definition = self.definition(id)?;
        let ended = end_group(&self.paths, id);
        let told = [("exitCode", "137".to_owned())];
        if definition.request.rm && ended.is_ok() {
            remove_files(&self.paths, id)?;
            self.store.delete(id)?;
            volume::remove_unused(&self.paths, definition.request.anonymous_volumes())?;
            definition.tell(&self.paths, "die", &told);
            definition.tell(&self.paths, "destroy", &[]);
            return Err(ownership::gone(id));
        }
        status.state = ContainerState::Exited;
        status.pid = 0;
        status.finished = Some(Timestamp::from(SystemTime::now()));
        status.exit = Some(ExitStatus { code: 137, signal: Some(Signal::KILL), oom_killed: false });
        status.error = Some(match ended {
            Ok(()) => SHIM_LOST.to_owned(),
            Err(error) => format!("{SHIM_LOST}, and {error}"),
        });
        status.write(&dir.status()).map_err(|source| Error::Status { source })?;
        // Nobody listens at it; it would only make clients wait.
        let _ = std::fs::remove_file(self.paths.run_dir(id).socket());
        drop(lock);
        definition.tell(&self.paths, "die", &told);
        Ok(status)
    }

    /// Looks at all containers: buries those whose shim is lost, and removes what commands that were killed have half made
    /// or half removed. What cannot be done now is left to the next command, which tells why when it needs the container.
    pub(crate) fn recover(&self) -> Result<()> {
        let ids = self.store.container_ids()?;
        let records = self.store.containers()?;
        for id in ids.iter().filter(|id| !records.iter().any(|record| record.id == **id)) {
            // Removed meanwhile, or left empty by a power cut, which no shim has survived.
            let _ = self.remove_half(id);
        }
        for record in &records {
            let ran = ownership::status(&self.paths.container(&record.id), &record.id)
                .is_ok_and(|status| status.state.has_shim());
            let settled = self.settle(&record.id);
            if let Ok(status) = &settled
                && ran
                && status.error.as_ref().is_some_and(|error| error.starts_with(SHIM_LOST))
            {
                // One that does not start again says why in its status, or when a person starts it.
                let _ = self.restart_lost(record, status);
            }
            let age = Timestamp::from(SystemTime::now()).since(record.created);
            if matches!(settled, Err(Error::NoContainer { .. })) && age > ABANDONED {
                let _ = self.remove_half(&record.id);
            }
        }
        let _ = self.clean_builds();
        let _ = self.sweep_resolvers();
        // An image that cannot be removed now is no reason to show no containers.
        let _ = self.image_store().and_then(|store| Ok(store.sweep()?));
        let known = |name: &str| records.iter().any(|record| record.id.as_str() == name);
        for name in old_entries(&self.paths.containers())? {
            if let Some(id) = name.strip_prefix(REMOVING).and_then(|id| id.parse::<ContainerId>().ok()) {
                let _ = remove_doomed(&self.paths, &id, &self.paths.containers().join(name));
            } else if is_engine_id(&name) && !known(&name) {
                let _ = self.remove_unknown(&name);
            }
        }
        for name in old_entries(self.paths.run())? {
            if is_engine_id(&name) && !known(&name) {
                let _ = self.remove_unknown(&name);
            }
        }
        Ok(())
    }

    /// Removes what there is of a container that was never wholly made, or is not wholly removed, unless it has an owner.
    pub(crate) fn remove_half(&self, id: &ContainerId) -> Result<()> {
        match ownership::try_take(&self.paths, id) {
            Ok(Some(_lock)) => remove_ended(&self.paths, id),
            Ok(None) => Ok(()),
            Err(Error::NoContainer { .. }) => self.store.delete(id).map(drop).map_err(Error::from),
            Err(error) => Err(error),
        }
    }

    /// Starts a container again whose shim was lost, by a kill or by the end of the machine, as its policy says: no daemon is
    /// there to do it, so the next command that looks at all containers does.
    fn restart_lost(&self, record: &Record, status: &Status) -> Result<()> {
        let definition = Definition::new(record.clone())?;
        let restarts = match definition.request.restart {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { max_retries } => max_retries.is_none_or(|most| status.restarts < most),
        };
        if !restarts || status.stopped_by_user {
            return Ok(());
        }
        let again = Status { restarts: status.restarts.saturating_add(1), ..status.clone() };
        self.start_from(&record.id, again).map(drop)
    }

    /// Removes the folders of a container that has no definition, unless it has an owner.
    fn remove_unknown(&self, name: &str) -> Result<()> {
        let Ok(id) = name.parse::<ContainerId>() else { return Ok(()) };
        let Some(_lock) = ownership::try_take(&self.paths, &id)? else { return Ok(()) };
        // Made since the definitions were read.
        if self.store.container(&id)?.is_some() {
            return Ok(());
        }
        end_group(&self.paths, &id)?;
        remove_files(&self.paths, &id)
    }

    /// The definitions of all containers that are not being removed, newest first, with their true status.
    pub(crate) fn settled(&self) -> Result<Vec<(Definition, Status)>> {
        let records = self.store.containers()?;
        let mut all = Vec::with_capacity(records.len());
        for record in records {
            match self.settle(&record.id) {
                Ok(status) => all.push((Definition::new(record)?, status)),
                Err(Error::NoContainer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// Whether a name is one that the engine gives: what it has not made is not its to remove.
pub(crate) fn is_engine_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The names of folders in a folder that have not changed for a while.
fn old_entries(folder: &Path) -> Result<Vec<String>> {
    let failed = |source| Error::io("read", folder.display(), source);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // One that goes meanwhile is none of ours.
        let Ok(metadata) = entry.metadata() else { continue };
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if metadata.is_dir() && age.is_some_and(|age| age > ABANDONED) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}
