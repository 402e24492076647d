//! `rm` and `prune`: takes a container away with all that belongs to it.
//!
//! The order makes each step repeatable, and whoever is killed between two of them leaves what the next command finishes:
//! the folder is renamed (from here on there is no such container), its files go, its run folder goes, its definition goes. That
//! is last because it is what keeps the container's ids from being given to another one.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_confinement::{MapWriter, Plan};
use cofferdam_names::ContainerId;
use cofferdam_runtime::cgroup::{Group, Layout};
use cofferdam_runtime::start::as_root_of;
use cofferdam_shim::ContainerDir;

use crate::error::{Error, Result};
use crate::network::end_network;
use crate::ownership;
use crate::store::Store;
use crate::{Engine, Paths, PruneReport, RemoveOptions, Selection, live, volume};
use cofferdam_image::tree::usage::bytes_below;

/// What the name of a folder that is being removed begins with. The engine's ids are hexadecimal: none looks like this.
pub(crate) const REMOVING: &str = ".removing-";

impl Engine {
    /// Removes a container with all that belongs to it. One that has gone meanwhile is fine.
    ///
    /// # Errors
    /// It runs and is not to be killed, or something of it cannot be removed; calling again goes on from there.
    pub fn remove(&self, id: &ContainerId, options: &RemoveOptions) -> Result<()> {
        match self.remove_now(id, *options) {
            Err(Error::NoContainer { .. }) => {
                // What there is of it may be what an interrupted removal, or creation, left.
                self.remove_half(id)
            }
            other => other,
        }
    }

    fn remove_now(&self, id: &ContainerId, options: RemoveOptions) -> Result<()> {
        let definition = self.definition(id)?;
        let lock = loop {
            if self.settle(id)?.state.has_shim() {
                if !options.force {
                    return Err(Error::Running { id: id.clone() });
                }
                self.kill_for_good(id)?;
            }
            match ownership::take(&self.paths, id) {
                // Started meanwhile, by another command or what one that was killed has left.
                Err(Error::Running { .. }) if options.force => {}
                other => break other?,
            }
        };
        end_group(&self.paths, id)?;
        remove_files(&self.paths, id)?;
        self.store.delete(id)?;
        drop(lock);
        // A container that `run --rm` would have removed with its volumes is removed like that.
        if options.volumes || definition.request.rm {
            volume::remove_unused(&self.paths, definition.request.anonymous_volumes())?;
        }
        definition.tell(&self.paths, "destroy", &[]);
        Ok(())
    }

    /// Removes the containers of a selection that do not run.
    ///
    /// # Errors
    /// The first that could not be removed, after all others have been.
    pub fn prune(&self, which: &Selection) -> Result<PruneReport> {
        self.recover()?;
        let mut report = PruneReport::default();
        let mut first_error = None;
        for id in self.store.container_ids()? {
            let dir = self.paths.container(&id);
            match ownership::status(&dir, &id) {
                Ok(status) if !status.state.has_shim() => {}
                _ => continue,
            }
            match self.definition(&id) {
                Ok(definition) if which.has(definition.record.created, &definition.request.labels) => {}
                _ => continue,
            }
            // Measured before, and counted only if it is freed.
            let bytes = bytes_below(dir.path()).unwrap_or(0);
            match self.remove_now(&id, RemoveOptions::default()) {
                Ok(()) => {
                    report.containers.push(id);
                    report.reclaimed += bytes;
                }
                // Started, taken or removed by another command since it was looked at.
                Err(Error::Running { .. } | Error::Busy { .. } | Error::NoContainer { .. }) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(report), Err)
    }
}

/// Removes what is left of a container that has ended: its cgroup, if there is one, its folders, its definition. The caller
/// holds its lock, or nobody can have it.
pub(crate) fn remove_ended(paths: &Paths, id: &ContainerId) -> Result<()> {
    end_group(paths, id)?;
    remove_files(paths, id)?;
    Store::new(paths.definitions()).delete(id)?;
    Ok(())
}

/// Takes a container that has ended and has no cgroup any more out of the state: from here on there is none, and its name and
/// ids can be given to another one. Its files are out of everybody's reach; [`remove_files`] is to follow.
pub(crate) fn forget(paths: &Paths, id: &ContainerId) -> Result<()> {
    set_aside(paths, id)?;
    Store::new(paths.definitions()).delete(id)?;
    Ok(())
}

/// Renames a container's folder to what the next clean-up removes.
fn set_aside(paths: &Paths, id: &ContainerId) -> Result<PathBuf> {
    let folder = paths.container(id);
    let doomed = paths.containers().join(format!("{REMOVING}{id}"));
    match std::fs::rename(folder.path(), &doomed) {
        // Renamed before by one who did not come further.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder.path().display(), error))
        }
        _ => Ok(doomed),
    }
}

/// Removes a container's folders. The caller holds its lock, whose file goes last.
pub(crate) fn remove_files(paths: &Paths, id: &ContainerId) -> Result<()> {
    let doomed = set_aside(paths, id)?;
    remove_doomed(paths, id, &doomed)?;
    remove_tree(paths.run_dir(id).path())
}

/// Removes a folder that was set aside. What an ordinary user's container wrote may belong to subordinate ids: that user has
/// rights over it only as root of a namespace with the container's ids.
pub(crate) fn remove_doomed(paths: &Paths, id: &ContainerId, doomed: &Path) -> Result<()> {
    let dir = ContainerDir::new(doomed.to_owned());
    let plan = || live::read_plan(&dir).or_else(|_| live::read_plan(&paths.new_container(id, true))).ok();
    remove_subordinates(plan, &[dir.upper(), dir.work()])?;
    remove_tree(doomed)
}

/// Removes what overlayfs keeps for itself beside a container's upper layer; the next mount makes it anew.
pub(crate) fn remove_work(dir: &ContainerDir) -> Result<()> {
    // The folder that it made has no permissions, which stops its owner from looking for a single file in there.
    let folder = dir.work().join("work");
    remove_subordinates(|| live::read_plan(dir).ok(), std::slice::from_ref(&folder))?;
    remove_tree(&folder)
}

/// Removes folders as root of a namespace with the container's ids, where an ordinary user's container has subordinate ones.
fn remove_subordinates(plan: impl FnOnce() -> Option<Plan>, folders: &[PathBuf]) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let maps = plan().and_then(|plan| plan.namespaces.id_maps);
    let Some(maps) = maps.filter(|maps| maps.writer == MapWriter::Newuidmap) else { return Ok(()) };
    let remove = || folders.iter().try_for_each(|folder| cofferdam_image::tree::removal::remove(folder));
    let what = || folders.first().map_or_else(String::new, |folder| folder.display().to_string());
    as_root_of(&maps, remove).map_err(|error| Error::io("remove", what(), io::Error::other(error)))
}

/// Removes a folder and what is in it; no link in it is followed. One that is not there is fine.
pub(crate) fn remove_tree(folder: &Path) -> Result<()> {
    cofferdam_image::tree::removal::remove(folder)
        .map_err(|error| Error::io("remove", folder.display(), error))
}

/// Kills what is left in a container's cgroup and removes the cgroup, link and packet rules, where the end of its shim has left
/// any.
pub(crate) fn end_group(paths: &Paths, id: &ContainerId) -> Result<()> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Cgroup { id: id.clone(), source };
    let plan = match live::read_plan(&paths.container(id)) {
        Ok(plan) => plan,
        // Without a plan it was never started.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(path) = &plan.cgroup.path else { return end_network(paths, id) };
    let layout = Layout::detect().map_err(|error| failed(error.into()))?;
    let Some(group) = Group::open_remains(&layout, path) else { return end_network(paths, id) };
    group.kill_all().map_err(|error| failed(error.into()))?;
    group.destroy().map_err(|error| failed(error.into()))?;
    end_network(paths, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_removal_goes_on_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(&folder.path().join("root"));
        let id: ContainerId = "abc".parse().unwrap();
        let kept = folder.path().join("kept");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let doomed = paths.containers().join(format!("{REMOVING}abc"));
        std::fs::create_dir_all(&doomed).unwrap();
        std::os::unix::fs::symlink(&kept, doomed.join("link")).unwrap();
        std::fs::create_dir_all(paths.run_dir(&id).path()).unwrap();
        remove_files(&paths, &id).unwrap();
        assert!(!doomed.exists());
        assert!(!paths.run_dir(&id).path().exists());
        assert!(kept.join("file").exists());
        remove_files(&paths, &id).unwrap();
    }
}
