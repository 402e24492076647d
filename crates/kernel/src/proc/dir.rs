//! The folder of one process, held open: all that is read through it is of the same process.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::fd::{Descriptor, FdInfo, parse_fdinfo};
use super::fs::{open_below, read_below, write_below};
use super::numa_maps::parse_memory_policy;
use super::parse::{decimal, radix};
use super::{
    CgroupMembership, ClockOffsets, IdMapLine, Limit, MountEntry, ParseError, ProcError, ProcessStat,
    SetgroupsState, Status, parse_cgroup, parse_id_map, parse_limits, parse_mountinfo, parse_setgroups,
    parse_stat, parse_status, parse_timens_offsets,
};
use crate::namespace::Namespace;

/// The identity of a file: two descriptors with the same one are of the same file (or namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct FileId {
    /// `st_dev`
    pub dev: u64,
    /// `st_ino`; for a namespace the number that its link shows.
    pub ino: u64,
}

/// Follows one of procfs's links. `AT_STATX_DONT_SYNC`: a FUSE server inside the container must not be able to hold
/// the caller up.
fn stat_target(folder: &OwnedFd, name: &str) -> Result<Statx, Errno> {
    rustix::fs::statx(folder, name, AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS)
}

/// The number in `user:[4026531837]`.
fn parse_namespace_link(kind: Namespace, text: &[u8]) -> Result<u64, ParseError> {
    let inner = text
        .strip_prefix(kind.link_name().as_bytes())
        .and_then(|rest| rest.strip_prefix(b":["))
        .and_then(|rest| rest.strip_suffix(b"]"))
        .ok_or_else(|| ParseError::new("namespace link", text))?;
    decimal("namespace number", inner)
}

/// `/proc/PID`, held open.
#[derive(Debug)]
pub struct ProcDir {
    dir: OwnedFd,
    /// `PID` or `PID/task/TID`, for messages.
    name: String,
}

impl ProcDir {
    pub(super) fn new(dir: OwnedFd, name: String) -> Self {
        Self { dir, name }
    }

    /// The descriptor of the folder.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The text of a file in it.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ProcError> {
        read_below(self.dir.as_fd(), name).map_err(|error| self.named(error))
    }

    /// Writes a whole value to a file in it with one write(2) (`uid_map`, `attr/exec`, `oom_score_adj`).
    pub fn write(&self, name: &str, value: &[u8]) -> Result<(), ProcError> {
        write_below(self.dir.as_fd(), name, value).map_err(|error| self.named(error))
    }

    /// Opens a file in it, as [`super::ProcFs::open_file`] does.
    pub fn open_file(&self, name: &str, flags: OFlags) -> Result<OwnedFd, ProcError> {
        open_below(self.dir.as_fd(), name, flags).map_err(|error| self.named(error))
    }

    fn parsed<T>(&self, name: &str, parse: fn(&[u8]) -> Result<T, ParseError>) -> Result<T, ProcError> {
        parse(&self.read(name)?)
            .map_err(|source| ProcError::Malformed { path: format!("{}/{name}", self.name), source })
    }

    /// Puts the process before the file's name in an error.
    fn named(&self, error: ProcError) -> ProcError {
        let full = |path: String| format!("{}/{path}", self.name);
        match error {
            ProcError::Open { path, source } => ProcError::Open { path: full(path), source },
            ProcError::NotProcfs { path, why } => ProcError::NotProcfs { path: full(path), why },
            ProcError::Read { path, source } => ProcError::Read { path: full(path), source },
            ProcError::Write { path, source } => ProcError::Write { path: full(path), source },
            ProcError::Malformed { path, source } => ProcError::Malformed { path: full(path), source },
        }
    }

    fn read_error(&self, name: &str, errno: Errno) -> ProcError {
        ProcError::Read { path: format!("{}/{name}", self.name), source: errno.into() }
    }

    /// `status`
    pub fn status(&self) -> Result<Status, ProcError> {
        self.parsed("status", parse_status)
    }

    /// `stat`
    pub fn stat(&self) -> Result<ProcessStat, ProcError> {
        self.parsed("stat", parse_stat)
    }

    /// `uid_map`
    pub fn uid_map(&self) -> Result<Vec<IdMapLine>, ProcError> {
        self.parsed("uid_map", parse_id_map)
    }

    /// `gid_map`
    pub fn gid_map(&self) -> Result<Vec<IdMapLine>, ProcError> {
        self.parsed("gid_map", parse_id_map)
    }

    /// `setgroups`
    pub fn setgroups(&self) -> Result<SetgroupsState, ProcError> {
        self.parsed("setgroups", parse_setgroups)
    }

    /// `mountinfo`
    pub fn mountinfo(&self) -> Result<Vec<MountEntry>, ProcError> {
        self.parsed("mountinfo", parse_mountinfo)
    }

    /// `limits`
    pub fn limits(&self) -> Result<Vec<Limit>, ProcError> {
        self.parsed("limits", parse_limits)
    }

    /// `cgroup`
    pub fn cgroup(&self) -> Result<Vec<CgroupMembership>, ProcError> {
        self.parsed("cgroup", parse_cgroup)
    }

    /// `timens_offsets`
    pub fn timens_offsets(&self) -> Result<ClockOffsets, ProcError> {
        self.parsed("timens_offsets", parse_timens_offsets)
    }

    /// `oom_score_adj`
    pub fn oom_score_adj(&self) -> Result<i32, ProcError> {
        self.parsed("oom_score_adj", |text| decimal("oom_score_adj", text.trim_ascii()))
    }

    /// `personality` (personality(2))
    pub fn personality(&self) -> Result<u64, ProcError> {
        self.parsed("personality", |text| radix("personality", text.trim_ascii(), 16))
    }

    /// The memory policy of the process as `numa_maps` words it (numa(7)), from its first mapping, which has none of its own;
    /// none for a process without memory.
    pub fn memory_policy(&self) -> Result<Option<String>, ProcError> {
        Ok(parse_memory_policy(&self.read("numa_maps")?))
    }

    /// `cmdline`: the arguments; none for a zombie.
    pub fn cmdline(&self) -> Result<Vec<OsString>, ProcError> {
        let text = self.read("cmdline")?;
        let text = text.strip_suffix(&[0]).unwrap_or(&text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        Ok(text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
    }

    /// `attr/current`: the label of the module that comes first; none where no module labels processes.
    pub fn security_label(&self) -> Result<Option<String>, ProcError> {
        self.label("attr/current")
    }

    /// `attr/apparmor/current`: the AppArmor profile; none where AppArmor is not active.
    pub fn apparmor_label(&self) -> Result<Option<String>, ProcError> {
        self.label("attr/apparmor/current")
    }

    fn label(&self, name: &str) -> Result<Option<String>, ProcError> {
        match self.read(name) {
            Ok(text) => {
                // SELinux ends its label with NUL, AppArmor with a newline.
                let text = String::from_utf8_lossy(&text);
                Ok(Some(text.trim_end_matches(['\0', '\n']).to_owned()))
            }
            // EINVAL: the file is there, and no module answers to it.
            Err(ProcError::Read { source, .. })
                if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
            {
                Ok(None)
            }
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where one of the links `exe`, `cwd` and `root` leads, as the reader's mount namespace shows it.
    pub fn link(&self, name: &str) -> Result<PathBuf, ProcError> {
        let target = rustix::fs::readlinkat(&self.dir, name, Vec::new())
            .map_err(|errno| self.read_error(name, errno))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The identity of what `exe`, `cwd`, `root` or `ns/NAME` lead to.
    pub fn target_id(&self, name: &str) -> Result<FileId, ProcError> {
        let stat = stat_target(&self.dir, name).map_err(|errno| self.read_error(name, errno))?;
        Ok(FileId { dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino })
    }

    /// The identity of one of its namespaces.
    pub fn namespace(&self, kind: Namespace) -> Result<FileId, ProcError> {
        self.target_id(&format!("ns/{}", kind.link_name()))
    }

    /// The number of one of its namespaces: what its link reads, `user:[4026531837]`. Two processes with the same number
    /// of a kind are in the same one (namespaces(7)). Cheaper than [`ProcDir::namespace`].
    pub fn namespace_number(&self, kind: Namespace) -> Result<u64, ProcError> {
        let name = format!("ns/{}", kind.link_name());
        let target = rustix::fs::readlinkat(&self.dir, &name, Vec::new())
            .map_err(|errno| self.read_error(&name, errno))?;
        parse_namespace_link(kind, target.as_bytes())
            .map_err(|source| ProcError::Malformed { path: format!("{}/{name}", self.name), source })
    }

    /// Opens one of its namespaces, for setns(2) and for id-mapped mounts.
    pub fn open_namespace(&self, kind: Namespace) -> Result<OwnedFd, ProcError> {
        let name = format!("ns/{}", kind.link_name());
        rustix::fs::openat(&self.dir, &name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| ProcError::Open { path: format!("{}/{name}", self.name), source: errno.into() })
    }

    /// Opens what `root` or `cwd` lead to, as a starting point for openat2(2): the process's own view of its mounts.
    pub fn open_link(&self, name: &str) -> Result<OwnedFd, ProcError> {
        rustix::fs::openat(&self.dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| ProcError::Open { path: format!("{}/{name}", self.name), source: errno.into() })
    }

    /// Its open descriptors, in no order. One that is closed while they are listed is left out.
    pub fn descriptors(&self) -> Result<Vec<Descriptor>, ProcError> {
        let folder = self.open_file("fd", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let entries = Dir::read_from(&folder).map_err(|errno| self.read_error("fd", errno))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|errno| self.read_error("fd", errno))?;
            let Ok(number) = decimal::<u32>("descriptor", entry.file_name().to_bytes()) else { continue };
            match self.descriptor(&folder, number) {
                Ok(descriptor) => found.push(descriptor),
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn descriptor(&self, folder: &OwnedFd, number: u32) -> Result<Descriptor, ProcError> {
        let failed = |errno| self.read_error(&format!("fd/{number}"), errno);
        let name = number.to_string();
        let target = rustix::fs::readlinkat(folder, &name, Vec::new()).map_err(failed)?;
        let stat = stat_target(folder, &name).map_err(failed)?;
        Ok(Descriptor {
            number,
            target: PathBuf::from(OsString::from_vec(target.into_bytes())),
            mode: u32::from(stat.stx_mode),
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
        })
    }

    /// `fdinfo/N`: flags and mount of an open descriptor.
    pub fn descriptor_info(&self, number: u32) -> Result<FdInfo, ProcError> {
        self.parsed(&format!("fdinfo/{number}"), parse_fdinfo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_link_is_of_its_kind() {
        assert_eq!(parse_namespace_link(Namespace::Mount, b"mnt:[4026532000]"), Ok(4_026_532_000));
        for bad in ["user:[1]", "mnt:1", "mnt:[x]", "mnt:[1] ", ""] {
            assert!(parse_namespace_link(Namespace::Mount, bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
