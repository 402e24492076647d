//! Handing a part of the v2 hierarchy over to someone (`cgroup-v2.rst`, "Delegation"): the part above the caller that an
//! ordinary user was given, as systemd does with `user@UID.service`; and a container's own group, given to its root.
//!
//! v1 has no safe delegation of its controllers to ordinary users, so there is none here: a rootless container on such a
//! host stays in its caller's group, and a limit is refused.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Uid;

use super::control_file::{self, ControlFileError};
use super::{Group, Observation};

/// How much of a v2 hierarchy the caller may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All of it: root.
    Whole,
    /// The part below a group above the caller. Being above matters: a process may be moved only between groups below
    /// one that its mover owns.
    Above,
    /// A part that the caller is not in: groups there can be looked at and removed, and no process started in them.
    Elsewhere,
    /// None of it.
    Nothing,
}

/// The part of the hierarchy at `root` that is the caller's, as a path below it.
pub(super) fn part_of_caller(root: &Path) -> Result<(Standing, String), ControlFileError> {
    let whole = rustix::fs::access(root.join("cgroup.subtree_control"), rustix::fs::Access::WRITE_OK).is_ok();
    if whole {
        return Ok((Standing::Whole, String::new()));
    }
    let text = control_file::read(Path::new("/proc/self/cgroup"))?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw();
    if let Some(part) = highest_owned(root, own.trim_matches('/'), uid) {
        return Ok((Standing::Above, part));
    }
    // Where systemd keeps what it delegates to a user: a container started from there is found from elsewhere.
    let services = format!("user.slice/user-{uid}.slice/user@{uid}.service");
    let standing =
        if is_delegated(&root.join(&services), uid) { Standing::Elsewhere } else { Standing::Nothing };
    Ok(match standing {
        Standing::Elsewhere => (standing, services),
        _ => (standing, String::new()),
    })
}

impl Group {
    /// Lets the host user `uid` make groups below this one and move processes among them, where v2 is all there is (OCI
    /// runtime-spec, config-linux.md, "Cgroup ownership"). The group's own limits stay root's. Under v1, handing a
    /// hierarchy over is not safe, and the specification does not ask for it: nothing is done.
    pub fn delegate_to(&self, uid: u32) -> Result<(), ControlFileError> {
        let Some(folder) = self.delegable() else { return Ok(()) };
        let owner = Some(Uid::from_raw(uid));
        let failed = |path: &Path, errno: rustix::io::Errno| ControlFileError {
            action: format!("give to the user {uid}"),
            path: path.to_owned(),
            source: errno.into(),
        };
        rustix::fs::chown(folder, owner, None).map_err(|errno| failed(folder, errno))?;
        // The kernel says which files are safe to hand over.
        for file in control_file::read(Path::new("/sys/kernel/cgroup/delegate"))?.lines() {
            let path = folder.join(file);
            match rustix::fs::chown(&path, owner, None) {
                // Files of controllers that the group does not have.
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => return Err(failed(&path, errno)),
            }
        }
        Ok(())
    }

    /// Who the group was handed over to, and who it should be; none where [`Group::delegate_to`] does nothing.
    #[must_use]
    pub fn observe_owner(&self, uid: u32) -> Option<Observation> {
        let folder = self.delegable()?;
        let observed = std::fs::metadata(folder)
            .map_or_else(|error| format!("unknown: {error}"), |metadata| metadata.uid().to_string());
        Some(Observation { control: "owner".to_owned(), planned: uid.to_string(), observed })
    }

    fn delegable(&self) -> Option<&Path> {
        match self.places() {
            [place] if place.version().name() == "v2" => Some(&place.folder),
            _ => None,
        }
    }
}

/// The highest of the groups on `path` that `uid` owns.
fn highest_owned(root: &Path, path: &str, uid: u32) -> Option<String> {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let mut groups = ends.map(|end| &path[..end]).filter(|path| !path.is_empty() && !path.contains(".."));
    groups.find(|path| is_delegated(&root.join(path), uid)).map(str::to_owned)
}

/// Delegated is a group whose folder, and the two files that move processes and hand controllers down, are the user's.
fn is_delegated(folder: &Path, uid: u32) -> bool {
    ["", "cgroup.procs", "cgroup.subtree_control"].iter().all(|file| {
        std::fs::metadata(folder.join(file))
            .is_ok_and(|metadata| metadata.uid() == uid && metadata.mode() & 0o200 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_group_of_the_user_is_found() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let path = "user.slice/user-1000.slice/user@1000.service/app.slice/run.scope";
        let folder = root.path().join(path);
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(highest_owned(root.path(), path, uid), None, "a folder alone is not enough");
        for (end, file) in [
            ("app.slice", "cgroup.procs"),
            ("run.scope", "cgroup.procs"),
            ("run.scope", "cgroup.subtree_control"),
        ] {
            let end = path.find(end).unwrap() + end.len();
            std::fs::write(root.path().join(&path[..end]).join(file), "").unwrap();
        }
        assert_eq!(highest_owned(root.path(), path, uid).as_deref(), Some(path));
        let above = "user.slice/user-1000.slice/user@1000.service";
        for file in ["cgroup.procs", "cgroup.subtree_control"] {
            std::fs::write(root.path().join(above).join(file), "").unwrap();
        }
        assert_eq!(highest_owned(root.path(), path, uid).as_deref(), Some(above));
        assert_eq!(highest_owned(root.path(), path, uid + 1), None, "someone else's");
    }
}
