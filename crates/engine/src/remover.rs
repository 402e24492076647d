//! Takes a container out of the state. Also what a shim calls for `--rm`, from a process that shares no database
//! connection with the one that it was forked from.

use std::io;
use std::path::Path;

use cofferdam_names::ContainerId;
use cofferdam_runtime::cgroup::{Group, Layout};
use cofferdam_shim::{ContainerState, Keeper, ShimSpec, Status};

use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::paths::Paths;
use crate::store::Store;

/// Removes containers below one state folder.
#[derive(Debug, Clone)]
pub(crate) struct Remover {
    paths: Paths,
}

impl Remover {
    pub(crate) fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// Removes what is left of a container that does not run: its cgroup, its folders, its row, in this order, so that
    /// what an interruption leaves is found again by the row. The caller holds its lock, or nobody can have it.
    pub(crate) fn remove(&self, id: &ContainerId) -> Result<()> {
        let dir = self.paths.container(id);
        if let Ok(mut status) = Status::read(&dir.status()) {
            status.state = ContainerState::Removing;
            status.write(&dir.status()).map_err(|source| Error::Status { source })?;
        }
        self.remove_group(id)?;
        remove_tree(dir.path())?;
        remove_tree(self.paths.run_dir(id).path())?;
        Store::open(&self.paths.database())?.delete(id)?;
        Ok(())
    }

    /// The processes that are left in its cgroup are killed, and the cgroup is removed.
    pub(crate) fn remove_group(&self, id: &ContainerId) -> Result<()> {
        let Ok(plan) = read_plan(&self.paths.container(id)) else { return Ok(()) };
        let Some(path) = &plan.cgroup.path else { return Ok(()) };
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Cgroup { id: id.clone(), source };
        let layout = Layout::detect().map_err(|error| failed(error.into()))?;
        // A group that is gone already is what is wanted.
        let Ok(group) = Group::open(&layout, path) else { return Ok(()) };
        group.kill_all().map_err(|error| failed(error.into()))?;
        group.destroy().map_err(|error| failed(error.into()))
    }
}

fn remove_tree(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path.display(), error))
        }
        _ => Ok(()),
    }
}

/// The keeper of all shims: the orders of each say below which state its container is.
#[derive(Debug)]
pub(crate) struct ShimKeeper;

impl Keeper for ShimKeeper {
    fn remove(&self, spec: &ShimSpec) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let paths = Paths::around(&spec.dir, &spec.run_dir);
        let paths = paths.ok_or_else(|| format!("{} is no container's folder", spec.dir.display()))?;
        Ok(Remover::new(paths).remove(&spec.id)?)
    }
}

/// The life of a shim that has executed itself anew: the hidden subcommand [`cofferdam_shim::SUBCOMMAND`], with the number
/// that follows it.
///
/// # Errors
/// The handover cannot be read, or the shim cannot go on.
pub fn resume_shim(number: i32) -> io::Result<()> {
    cofferdam_shim::resume(number, &ShimKeeper)
}
