//! A container's root, opened from outside.

use std::io;
use std::os::fd::OwnedFd;

use cofferdam_confinement::IdMaps;
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_names::ContainerId;
use cofferdam_runtime::rootfs::aside::open_stopped;
use cofferdam_runtime::rootfs::root_dir::RootDir;
use cofferdam_shim::Lock;
use rustix::fs::{FileType, OFlags, fstat, readlinkat};
use std::os::fd::AsFd;

use crate::error::{Error, Result};
use crate::live::{Live, read_plan};
use crate::{Engine, ownership};
use cofferdam_image::tree::owners::Owners;

/// A container's root and how its ids are seen from here.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) root: RootDir,
    /// The maps by which files here show their owners; none where this process sees them as the container does.
    pub(crate) maps: Option<IdMaps>,
    /// Nobody starts a stopped container while its root is mounted here.
    _lock: Option<Lock>,
}

impl Engine {
    /// Opens a container's root. This process serves for nothing else afterwards: it may have entered namespaces.
    pub(crate) fn open_inside(&self, id: &ContainerId) -> Result<Inside> {
        let rootless = !rustix::process::geteuid().is_root();
        match Live::find(&self.paths, id) {
            Ok(live) => running(&live, rootless),
            Err(Error::NotRunning { .. }) => {
                self.settle(id)?;
                let lock = ownership::take(&self.paths, id)?;
                let plan = read_plan(&self.paths.container(id))?;
                let root = open_stopped(&plan, rootless)?;
                let maps = plan.namespaces.id_maps.filter(|_| !rootless);
                Ok(Inside { root, maps, _lock: Some(lock) })
            }
            Err(error) => Err(error),
        }
    }
}

fn running(live: &Live, rootless: bool) -> Result<Inside> {
    let failed = |source: io::Error| Error::io("open the root of", live.plan.container.short(), source);
    let process = live.process()?;
    if rootless {
        let userns = process.open_namespace(Namespace::User).map_err(|error| failed(error.into()))?;
        join(Namespace::User, userns.as_fd()).map_err(failed)?;
    }
    let root = process.open_link("root").map_err(|error| failed(error.into()))?;
    let maps = live.plan.namespaces.id_maps.clone().filter(|_| !rootless);
    Ok(Inside { root: RootDir::new(root), maps, _lock: None })
}

impl Inside {
    /// How files get their owners that are written here: the source's numbers, or the container's root.
    pub(super) fn owners(&self, keep: bool) -> Owners {
        match (&self.maps, keep) {
            (Some(maps), true) => Owners::HostIds(maps.clone()),
            (Some(maps), false) => Owners::ContainerRoot(maps.clone()),
            (None, true) => Owners::Same,
            (None, false) => Owners::All(0, 0),
        }
    }

    /// What stands at a path, links followed inside the root: whether it is a folder. None if nothing is there.
    pub(super) fn is_folder(&self, path: &str) -> io::Result<Option<bool>> {
        match self.root.open(relative(path), OFlags::PATH) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folder that holds a path's last name, and the name; none for a path that ends in none (`/`, `..`).
    pub(super) fn parent<'p>(&self, path: &'p str) -> io::Result<Option<(OwnedFd, &'p str)>> {
        let (parent, name) = split(path);
        if matches!(name, "" | "." | "..") {
            return Ok(None);
        }
        Ok(Some((self.root.open(relative(parent), OFlags::PATH | OFlags::DIRECTORY)?, name)))
    }

    /// The path that a target means whose last name is a link: what that leads to, again and again. Only a text: whoever
    /// uses it has it resolved inside the root once more.
    pub(super) fn behind_links(&self, path: &str) -> io::Result<String> {
        let mut path = path.to_owned();
        for _ in 0..40 {
            let Some((parent, name)) = self.parent(&path)? else { return Ok(path) };
            let Ok(target) = readlinkat(&parent, name, Vec::new()) else { return Ok(path) };
            let target = target.into_string().map_err(io::Error::other)?;
            let folder = split(&path).0;
            path = if target.starts_with('/') { target } else { format!("{folder}/{target}") };
        }
        Err(rustix::io::Errno::LOOP.into())
    }
}

/// A path without what makes it absolute, as openat2(2) takes it relative to the root.
pub(super) fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

/// Folder and last name of a path, without slashes at its end.
fn split(path: &str) -> (&str, &str) {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_their_last_name() {
        assert_eq!(split("/a/b/"), ("/a", "b"));
        assert_eq!(split("/a"), ("", "a"));
        assert_eq!(split("/"), ("", ""));
        assert_eq!(relative("///"), ".");
        assert_eq!(relative("/etc/x"), "etc/x");
    }
}
