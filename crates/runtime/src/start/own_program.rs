//! Keeps the runtime's own program out of a container's reach (CVE-2019-5736).
//!
//! A process that is about to become the container's program still is ours for a moment, and `/proc/PID/exe` leads
//! from inside the container to the host's file. Where the container's ids could write to that file, the runtime
//! first becomes a copy of itself that nobody can write to: a read-only clone of its own mount, which no mount
//! namespace shows, or, without the rights for that, a sealed file in memory.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use cofferdam_confinement::{NamespaceSource, Plan};
use cofferdam_kernel::exec::{CStringArray, fexecve};
use cofferdam_kernel::mount::{Attribute, Attributes, Depth, clone_tree, set_attributes};
use cofferdam_kernel::own_image;
use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags, fcntl_add_seals, fcntl_get_seals, memfd_create,
};

use crate::step::{Step, StepError};

const OWN_PROGRAM: &str = "/proc/self/exe";

/// The environment variable in which a copy of this program finds the path of the original.
pub const PROGRAM_VARIABLE: &str = "COFFERDAM_PROGRAM";

/// Whether the container's ids could write to the file of the program that runs this code.
fn is_in_reach(plan: &Plan) -> io::Result<bool> {
    let owner = rustix::fs::stat(OWN_PROGRAM)?;
    let maps = match (&plan.namespaces.user, &plan.namespaces.id_maps) {
        (NamespaceSource::New | NamespaceSource::Join(_), Some(maps)) => maps,
        _ => return Ok(true),
    };
    let holds_user = maps.uids.iter().any(|line| owner.st_uid.wrapping_sub(line.host) < line.size);
    let holds_group = maps.gids.iter().any(|line| owner.st_gid.wrapping_sub(line.host) < line.size);
    let mode = Mode::from_raw_mode(owner.st_mode);
    Ok(holds_user || (holds_group && mode.contains(Mode::WGRP)) || mode.contains(Mode::WOTH))
}

/// Whether nobody can write to the program that runs this code: it was started from a read-only mount or a sealed
/// file in memory.
fn is_protected() -> io::Result<bool> {
    let program = open_own_program()?;
    let read_only = rustix::fs::fstatvfs(&program)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    // Files that cannot have seals answer EINVAL.
    let sealed = fcntl_get_seals(&program).is_ok_and(|seals| seals.contains(SealFlags::WRITE));
    Ok(read_only || sealed)
}

fn open_own_program() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(OWN_PROGRAM, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Stops a start whose container could reach this program. A face calls [`protect`] before it comes here.
pub(super) fn check(plan: &Plan) -> Result<(), StepError> {
    Step::Clone.run(OWN_PROGRAM, || {
        if is_in_reach(plan)? && !is_protected()? {
            return Err(io::Error::other(
                "the container could write to the runtime's own program (CVE-2019-5736)",
            ));
        }
        Ok(())
    })
}

/// Makes this process run from a copy that nobody can write to: where the kernel lets it, by moving to that file as it is,
/// otherwise by executing itself once more with the same arguments. Returns where the copy is what runs.
fn protect() -> io::Result<()> {
    if is_protected()? {
        return Ok(());
    }
    let clone = read_only_clone();
    if clone.as_ref().is_ok_and(|clone| own_image::move_to(clone.as_fd()).is_ok()) && is_protected()? {
        return Ok(());
    }
    let copy = clone.or_else(|_| sealed_copy())?;
    let args = CStringArray::new(std::env::args_os().map(OsString::into_vec))?;
    let original =
        std::env::current_exe().ok().map(|path| (OsString::from(PROGRAM_VARIABLE), path.into_os_string()));
    let inherited = std::env::vars_os().filter(|(name, _)| name != PROGRAM_VARIABLE);
    let env = CStringArray::new(inherited.chain(original).map(|(name, value)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        entry
    }))?;
    Err(fexecve(copy.as_fd(), &args, &env))
}

/// Where a container by this plan could write to the program.
pub fn protect_from(plan: &Plan) -> io::Result<()> {
    if is_in_reach(plan)? { protect() } else { Ok(()) }
}

/// `protect` where the file of this program belongs to the calling user, whose container could write to it.
pub fn protect_own_file() -> io::Result<()> {
    let file = rustix::fs::stat(OWN_PROGRAM)?;
    let others_write = Mode::from_raw_mode(file.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if file.st_uid == rustix::process::geteuid().as_raw() || others_write { protect() } else { Ok(()) }
}

fn read_only_clone() -> io::Result<OwnedFd> {
    let clone = clone_tree(open_own_program()?, "", Depth::One)?;
    set_attributes(&clone, Depth::One, Attributes::NONE.with(Attribute::Rdonly))?;
    // The clone's descriptor is a place only (O_PATH).
    reopen(&clone)
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since Linux 6.3 a file in memory says whether it may be executed.
    let copy = memfd_create(c"cofferdam", flags | MemfdFlags::EXEC)
        .or_else(|_| memfd_create(c"cofferdam", flags))?;
    let mut writer = std::fs::File::from(copy);
    io::copy(&mut std::fs::File::from(open_own_program()?), &mut writer)?;
    fcntl_add_seals(&writer, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    // A file that is open for writing cannot be executed (ETXTBSY), so it is opened anew and the writer closed.
    reopen(&writer)
}

fn reopen(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
