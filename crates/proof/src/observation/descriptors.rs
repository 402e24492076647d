//! What a process holds: descriptors, program, folders, and through which mount each was opened.

use std::path::PathBuf;

use cofferdam_kernel::proc::{Descriptor, FileId, ProcDir};
use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::gather::reading;
use super::visit::as_its_root;
use super::{Reading, Unreadable};

/// What one of the links `exe`, `cwd` and `root` leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    /// The link's text, as the observer sees it.
    pub link: PathBuf,
    /// Which file.
    pub file: FileId,
    /// The mount through which it is held.
    pub mount: u64,
}

/// All that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFiles {
    /// Its descriptors, and for folders and files beside the standard streams the mount through which they are held.
    pub descriptors: Reading<Vec<(Descriptor, Option<u64>)>>,
    /// Its program.
    pub exe: Reading<OpenFile>,
    /// Its working directory.
    pub cwd: Reading<OpenFile>,
    /// Its root.
    pub root: Reading<OpenFile>,
}

pub(super) fn read_files(process: &ProcDir, pid: Pid) -> OpenFiles {
    OpenFiles {
        descriptors: descriptors(process, pid),
        exe: open_file(process, "exe"),
        cwd: open_file(process, "cwd"),
        root: open_file(process, "root"),
    }
}

/// The list is its user's alone. An ordinary user may not see that of another id of the container's, but as the root of the
/// container's user namespace.
fn descriptors(process: &ProcDir, pid: Pid) -> Reading<Vec<(Descriptor, Option<u64>)>> {
    match process.descriptors() {
        Err(error) if error.is_forbidden() && !rustix::process::geteuid().is_root() => {
            as_its_root(pid, || with_mounts(process, reading(process.descriptors())?))
        }
        other => with_mounts(process, reading(other)?),
    }
}

fn with_mounts(process: &ProcDir, found: Vec<Descriptor>) -> Reading<Vec<(Descriptor, Option<u64>)>> {
    let with_mount = |descriptor: Descriptor| {
        let judged = match FileType::from_raw_mode(descriptor.mode) {
            FileType::Directory => true,
            // A program that was handed to its interpreter.
            FileType::RegularFile => descriptor.number > 2,
            _ => false,
        };
        if !judged {
            return Ok((descriptor, None));
        }
        let mount = match process.descriptor_info(descriptor.number) {
            Ok(info) => info.mount_id,
            // Closed since it was listed: the caller has nothing to judge.
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(Unreadable::from_error(&error)),
        };
        Ok((descriptor, mount))
    };
    found.into_iter().map(with_mount).collect()
}

pub(super) fn open_file(process: &ProcDir, name: &str) -> Reading<OpenFile> {
    let link = reading(process.link(name))?;
    let file = reading(process.open_link(name))?;
    let how = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(&file, c"", how, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
        .map_err(|errno| Unreadable(format!("cannot look at {name}: {errno}")))?;
    if stat.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return Err(Unreadable("this kernel does not tell the mount of a file".to_owned()));
    }
    let file = FileId { dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), ino: stat.stx_ino };
    Ok(OpenFile { link, file, mount: stat.stx_mnt_id })
}
