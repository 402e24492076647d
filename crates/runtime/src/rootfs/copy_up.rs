//! A tmpfs that starts with what the image has at its place (`tmpcopyup`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, chownat, fchmod, mkdirat, mknodat, openat, readlinkat,
    statx, symlinkat,
};

/// How deep folders may nest.
const MAX_DEPTH: u32 = 128;

/// Copies the content of the folder `from` into the folder `to`; both stay on their own file system.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    copy_folder(&open_folder(from, ".")?, &open_folder(to, ".")?, MAX_DEPTH)
}

fn open_folder(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn copy_folder(from: &OwnedFd, to: &OwnedFd, depth_left: u32) -> io::Result<()> {
    let depth_left =
        depth_left.checked_sub(1).ok_or_else(|| io::Error::other("folders nest too deep to copy"))?;
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = statx(from, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        let mode = Mode::from_raw_mode(stat.stx_mode.into());
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        match kind {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let text = name.to_str().map_err(io::Error::other)?;
                let inner = open_folder(to, text)?;
                copy_folder(&open_folder(from, text)?, &inner, depth_left)?;
                fchmod(&inner, mode)?;
            }
            FileType::RegularFile => copy_file(from, to, name, mode)?,
            FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
            // Sockets belong to a process that runs elsewhere; nodes are the plan's business.
            FileType::Fifo => mknodat(to, name, kind, mode, 0)?,
            _ => continue,
        }
        let owner = (rustix::fs::Uid::from_raw(stat.stx_uid), rustix::fs::Gid::from_raw(stat.stx_gid));
        chownat(to, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &std::ffi::CStr, mode: Mode) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut source = std::fs::File::from(openat(from, name, read, Mode::empty())?);
    let mut target = std::fs::File::from(openat(to, name, write, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut source, &mut target)?;
    Ok(fchmod(&target, mode)?)
}
