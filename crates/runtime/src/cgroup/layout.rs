//! Which cgroup hierarchies this host has mounted, and which controller is where.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, FsWord, statfs};

use super::Controller;
use super::control_file::{self, ControlFileError};
use super::delegation::{Standing, part_of_caller};
use super::error::DetectError;
use super::joiner::own_path;
use super::v1::V1;
use super::v2::V2;
use super::version::Version;

const ROOT: &str = "/sys/fs/cgroup";
/// `CGROUP_SUPER_MAGIC` and `CGROUP2_SUPER_MAGIC` of `<linux/magic.h>`.
const V1_MAGIC: FsWord = 0x0027_e0eb;
const V2_MAGIC: FsWord = 0x6367_7270;

/// One mounted hierarchy.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    pub(super) root: PathBuf,
    /// Above `root` where only a delegated part of the hierarchy counts, else the same.
    mount: PathBuf,
    /// As `/proc/PID/cgroup` names it: its controllers, also those that Cofferdam does not know, or `name=NAME`; empty for v2.
    pub(super) names: String,
    pub(super) controllers: Vec<Controller>,
    pub(super) version: &'static dyn Version,
}

impl Hierarchy {
    /// The v1 hierarchy mounted at `root` that `/proc/PID/cgroup` lists under these names (`cpu,cpuacct`, `name=systemd`).
    #[must_use]
    pub fn v1(root: impl Into<PathBuf>, names: &str) -> Self {
        let controllers = names.split(',').filter_map(Controller::named).collect();
        let root = root.into();
        Self { mount: root.clone(), root, names: names.to_owned(), controllers, version: &V1 }
    }

    /// The v2 hierarchy mounted at `root`.
    #[must_use]
    pub fn v2(root: impl Into<PathBuf>, controllers: Vec<Controller>) -> Self {
        let root = root.into();
        Self { mount: root.clone(), root, names: String::new(), controllers, version: &V2 }
    }

    /// Where it is mounted; with v2 and an ordinary user, the group that was delegated to that user.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its names as `/proc/PID/cgroup` has them (`cpu,cpuacct`, `name=systemd`); empty for v2.
    #[must_use]
    pub fn names(&self) -> &str {
        &self.names
    }

    /// The folder of the group that a process is in, by the text of its `/proc/PID/cgroup`.
    #[must_use]
    pub fn folder_in(&self, membership: &str) -> Option<PathBuf> {
        own_path(membership, self).map(|own| self.mount.join(own.trim_start_matches('/')))
    }

    /// Its controllers that Cofferdam knows.
    #[must_use]
    pub fn controllers(&self) -> &[Controller] {
        &self.controllers
    }

    /// `v1` or `v2`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version.name()
    }
}

/// The hierarchies of a host: one of v2, or several of v1, or both.
///
/// A container gets a group in every one of them, also where no limit is set: a process left in a hierarchy's root
/// would have the host's root as the root of its cgroup namespace there.
#[derive(Debug, Clone)]
pub struct Layout {
    hierarchies: Vec<Hierarchy>,
    standing: Standing,
}

impl Layout {
    /// A host with these hierarchies, none of them empty of meaning: the caller has looked.
    #[must_use]
    pub fn of(hierarchies: Vec<Hierarchy>) -> Self {
        Self { hierarchies, standing: Standing::Whole }
    }

    /// Finds what is mounted. Where `/sys/fs/cgroup` is cgroup2, that is all there is to know; for a caller who may not
    /// change it, the part that was delegated to that user counts as the hierarchy. Else
    /// `/proc/self/cgroup` names the hierarchies, each is looked for where everybody mounts it, and `/proc/self/mountinfo`
    /// (long on a host with many mounts) is read only if one is not there.
    ///
    /// A process looks once, and what is cloned from it knows the answer: a host does not move its hierarchies.
    pub fn detect() -> Result<Self, DetectError> {
        static KNOWN: OnceLock<Layout> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return Ok(known.clone());
        }
        let found = Self::look()?;
        Ok(KNOWN.get_or_init(|| found).clone())
    }

    fn look() -> Result<Self, DetectError> {
        if magic(Path::new(ROOT)) == Some(V2_MAGIC) {
            let root = Path::new(ROOT);
            let (standing, part) = part_of_caller(root).map_err(DetectError::Read)?;
            // Joining an empty part would end the path in a slash.
            let root = if part.is_empty() { root.to_owned() } else { root.join(part) };
            let hierarchy = Hierarchy { mount: ROOT.into(), ..unified(&root).map_err(DetectError::Read)? };
            return Ok(Self { hierarchies: vec![hierarchy], standing });
        }
        let own = control_file::read(Path::new("/proc/self/cgroup")).map_err(DetectError::Read)?;
        let mut mounts = None;
        let mut hierarchies = Vec::new();
        for names in own.lines().filter_map(hierarchy_names) {
            let root = match conventional_root(names) {
                Some(root) => Some(root),
                None => {
                    let mounts = match &mounts {
                        Some(text) => text,
                        None => mounts.insert(
                            control_file::read_to_end(Path::new("/proc/self/mountinfo"))
                                .map_err(DetectError::Read)?,
                        ),
                    };
                    mounted_root(mounts, names)
                }
            };
            // Not mounted: a control that needs it is an error when it is asked for.
            let Some(root) = root else { continue };
            hierarchies.push(if names.is_empty() {
                unified(&root).map_err(DetectError::Read)?
            } else {
                Hierarchy::v1(root, names)
            });
        }
        if hierarchies.is_empty() { Err(DetectError::NotMounted) } else { Ok(Self::of(hierarchies)) }
    }

    /// The hierarchies.
    #[must_use]
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// Whether the caller may make groups and start processes in them: root may, and with v2 a user to whom a part of the
    /// hierarchy above the calling process was delegated.
    #[must_use]
    pub fn may_create(&self) -> bool {
        let writable = |hierarchy: &Hierarchy| rustix::fs::access(&hierarchy.root, Access::WRITE_OK).is_ok();
        match self.standing {
            Standing::Whole | Standing::Above => self.hierarchies.iter().all(writable),
            Standing::Elsewhere | Standing::Nothing => false,
        }
    }

    /// Whether the caller may make groups for its containers here.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.standing, Standing::Whole | Standing::Above)
    }

    /// Whether v2 is all there is.
    #[must_use]
    pub fn is_v2(&self) -> bool {
        matches!(self.hierarchies.as_slice(), [one] if one.version() == "v2")
    }
}

fn magic(path: &Path) -> Option<FsWord> {
    statfs(path).ok().map(|statfs| statfs.f_type)
}

fn unified(root: &Path) -> Result<Hierarchy, ControlFileError> {
    let names = control_file::read(&root.join("cgroup.controllers"))?;
    Ok(Hierarchy::v2(root, names.split_whitespace().filter_map(Controller::named).collect()))
}

/// The middle of a line `ID:NAMES:PATH` of `/proc/PID/cgroup`; empty for v2.
fn hierarchy_names(line: &str) -> Option<&str> {
    line.split(':').nth(1)
}

/// `/sys/fs/cgroup/cpu,cpuacct`, `/sys/fs/cgroup/systemd`, `/sys/fs/cgroup/unified`: if a hierarchy is mounted there.
fn conventional_root(names: &str) -> Option<PathBuf> {
    let (folder, expected) = match names {
        "" => ("unified", V2_MAGIC),
        names => (names.strip_prefix("name=").unwrap_or(names), V1_MAGIC),
    };
    let root = Path::new(ROOT).join(folder);
    (magic(&root) == Some(expected)).then_some(root)
}

/// Where `/proc/self/mountinfo` says that the hierarchy is mounted (proc_pid_mountinfo(5)): the mount whose super
/// options hold every one of its names.
fn mounted_root(mounts: &str, names: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let found = match names {
            "" => kind == "cgroup2",
            names => {
                kind == "cgroup" && names.split(',').all(|name| options.split(',').any(|one| one == name))
            }
        };
        found.then(|| before.split(' ').nth(4).map(unescaped))?
    })
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hierarchy_is_found_by_all_of_its_names() {
        let mounts = "\
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /other/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /with\\040space rw,relatime - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /two rw,relatime - cgroup2 cgroup2 rw\n";
        for (names, root) in [
            ("cpu,cpuacct", Some("/other/cpu")),
            ("cpuacct", Some("/other/cpu")),
            ("name=systemd", Some("/with space")),
            ("", Some("/two")),
            ("memory", None),
        ] {
            assert_eq!(mounted_root(mounts, names), root.map(PathBuf::from), "{names:?}");
        }
    }

    #[test]
    fn lines_of_proc_cgroup() {
        for (line, names) in [
            ("4:memory:/a:b", "memory"),
            ("0::/x", ""),
            ("9:name=systemd:/", "name=systemd"),
            ("3:cpu,cpuacct:/", "cpu,cpuacct"),
        ] {
            assert_eq!(hierarchy_names(line), Some(names));
        }
    }
}
