//! How a process gets into a group: a new one is cloned into the v2 folder, and writes itself into each v1 hierarchy.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_confinement::CgroupPath;
use rustix::fs::{Access, Mode, OFlags};
use rustix::process::Pid;

use super::control_file::{self, ControlFileError};
use super::error::JoinError;
use super::{Group, Hierarchy, Layout, Observation, Subgroups};

/// The open doors of a group. Made by the parent, who may open them; used by the process that joins.
#[derive(Debug)]
pub struct Joiner {
    into: Option<OwnedFd>,
    tasks: Vec<(PathBuf, OwnedFd)>,
}

impl Joiner {
    fn open<'p>(folders: impl Iterator<Item = (&'p str, &'p Path)>) -> Result<Self, JoinError> {
        let mut joiner = Self { into: None, tasks: Vec::new() };
        for (version, folder) in folders {
            let (path, flags) = match version {
                "v2" => (folder.to_owned(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC),
                _ => (folder.join("tasks"), OFlags::WRONLY | OFlags::CLOEXEC),
            };
            let file = rustix::fs::open(&path, flags, Mode::empty())
                .map_err(|errno| JoinError::Open(ControlFileError::reading(&path, errno.into())))?;
            match version {
                "v2" => joiner.into = Some(file),
                _ => joiner.tasks.push((path, file)),
            }
        }
        Ok(joiner)
    }

    /// The v2 folder that the process must be cloned into (`CLONE_INTO_CGROUP`), where the host has v2: moving it
    /// afterwards would wait for a grace period of the kernel.
    #[must_use]
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.into.as_ref().map(AsFd::as_fd)
    }

    /// Puts the calling process, which has one thread, into the v1 hierarchies. A thread that moves itself through
    /// `tasks` does not wait for a grace period, as a parent that writes `cgroup.procs` does (some ten milliseconds after
    /// the machine was idle). The rights are those of the one who opened the files.
    pub fn join(&self) -> Result<(), JoinError> {
        for (path, file) in &self.tasks {
            rustix::io::retry_on_intr(|| rustix::io::write(file, b"0"))
                .map_err(|errno| JoinError::Join(ControlFileError::writing("0", path, errno.into())))?;
        }
        Ok(())
    }
}

impl Group {
    /// Opens the group for a process to join it: the container's first one, or one that `exec` adds.
    pub fn joiner(&self) -> Result<Joiner, JoinError> {
        Joiner::open(self.places().iter().map(|place| (place.version().name(), place.folder.as_path())))
    }
}

impl Layout {
    /// Opens the groups that a process of the container at `group` is in: where `exec` goes, also when the container's own
    /// v2 group takes no processes any more, because its init made groups below it and handed controllers down to them,
    /// as systemd does. Never outside of the container's group: where the process is not below it, it is the group itself.
    pub fn joiner_beside(&self, pid: Pid, group: &CgroupPath) -> Result<Joiner, JoinError> {
        let path = PathBuf::from(format!("/proc/{}/cgroup", pid.as_raw_nonzero()));
        let text = control_file::read(&path).map_err(JoinError::Open)?;
        let folders: Vec<_> = self
            .hierarchies()
            .iter()
            .map(|hierarchy| {
                let own = own_path(&text, hierarchy).unwrap_or_default();
                (hierarchy.version(), hierarchy.root().join(within(own, group.as_str())))
            })
            .collect();
        Joiner::open(folders.iter().map(|(version, folder)| (*version, folder.as_path())))
    }
}

impl Layout {
    /// Opens groups below the container's own, which must be there.
    pub fn joiner_below(&self, group: &CgroupPath, subgroups: &Subgroups) -> Result<Joiner, JoinError> {
        let folders = subgroups.folders(self, group.as_str())?;
        for (_, folder) in &folders {
            let file = folder.join("cgroup.procs");
            rustix::fs::access(&file, Access::WRITE_OK)
                .map_err(|errno| JoinError::Add(ControlFileError::writing("0", &file, errno.into())))?;
        }
        Joiner::open(folders.iter().map(|(hierarchy, folder)| (hierarchy.version(), folder.as_path())))
    }
}

impl Group {
    /// In which group a process is, hierarchy by hierarchy. One that has gone deeper, into a group that the container made
    /// below its own, is where it was planned to be.
    pub fn observe_membership(&self, pid: Pid) -> Result<Vec<Observation>, ControlFileError> {
        let path = PathBuf::from(format!("/proc/{}/cgroup", pid.as_raw_nonzero()));
        let text = control_file::read(&path)?;
        let planned = format!("/{}", self.path().as_str());
        Ok(self
            .places()
            .iter()
            .map(|place| {
                let own = own_path(&text, &place.hierarchy).unwrap_or("unknown: it is in no such hierarchy");
                let inside = is_inside(own, self.path().as_str());
                Observation {
                    control: format!("member of {}", place.hierarchy.root().display()),
                    planned: planned.clone(),
                    observed: if inside { planned.clone() } else { own.to_owned() },
                }
            })
            .collect())
    }
}

/// Whether a path of `/proc/PID/cgroup` is that of `group` or of a group below it.
fn is_inside(own: &str, group: &str) -> bool {
    position(own, group).is_some()
}

/// The part of `own` from `group` on: what comes before it is the way to the mounted part of the hierarchy (in a
/// container of someone else's). `group` itself where `own` is not in it.
fn within<'p>(own: &'p str, group: &'p str) -> &'p str {
    position(own, group).map_or(group, |start| &own[start..])
}

/// Where `group` begins in `own`, as whole components.
fn position(own: &str, group: &str) -> Option<usize> {
    own.match_indices(group).map(|(start, _)| start).find(|start| {
        let rest = &own[start + group.len()..];
        own[..*start].ends_with('/') && (rest.is_empty() || rest.starts_with('/'))
    })
}

/// The path that `/proc/PID/cgroup` has for a hierarchy.
pub(super) fn own_path<'t>(text: &'t str, hierarchy: &Hierarchy) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        (names == hierarchy.names).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_stays_within_the_containers_group() {
        for (own, inside) in [
            ("/cofferdam/x", "cofferdam/x"),
            ("/cofferdam/x/init.scope", "cofferdam/x/init.scope"),
            ("/docker/outer/cofferdam/x/a", "cofferdam/x/a"),
            ("/", "cofferdam/x"),
            ("", "cofferdam/x"),
            ("/cofferdam/xy", "cofferdam/x"),
            ("/other/cofferdam/xy/cofferdam/x/b", "cofferdam/x/b"),
        ] {
            assert_eq!(within(own, "cofferdam/x"), inside, "{own}");
        }
    }

    #[test]
    fn each_hierarchy_has_its_own_line() {
        let text = "12:perf_event:/p\n9:name=systemd:/s\n4:memory:/m:n\n3:cpu,cpuacct:/c\n0::/u\n";
        for (names, path) in [
            ("memory", Some("/m:n")),
            ("cpu,cpuacct", Some("/c")),
            ("name=systemd", Some("/s")),
            ("perf_event", Some("/p")),
            ("pids", None),
        ] {
            assert_eq!(own_path(text, &Hierarchy::v1("/x", names)), path);
        }
        assert_eq!(own_path(text, &Hierarchy::v2("/x", vec![])), Some("/u"));
    }
}
