//! `diff`: what a container changed of its image, read from the upper layer of its overlay.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cofferdam_confinement::{Plan, RootSource};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatxFlags, makedev, openat, statx};
use std::os::fd::OwnedFd;

use crate::options::{Change, ChangeKind};

/// How deep folders may nest.
const MAX_DEPTH: u32 = 256;

/// The changes in the order of their paths.
pub(crate) fn of(plan: &Plan) -> io::Result<Vec<Change>> {
    let RootSource::Overlay { lower, upper, .. } = &plan.root.source else { return Ok(Vec::new()) };
    let lower =
        lower.iter().map(|layer| cofferdam_image::open_layer(layer)).collect::<Result<Vec<_>, _>>()?;
    let lower: Vec<Option<OwnedFd>> = lower.into_iter().map(Some).collect();
    let mut changes = Vec::new();
    walk(&open_folder(CWD, upper)?, &lower, "", MAX_DEPTH, &mut changes)?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn open_folder(at: impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

/// `lower` are the same folder in each layer, where the layer has it.
fn walk(
    upper: &OwnedFd,
    lower: &[Option<OwnedFd>],
    prefix: &str,
    depth_left: u32,
    changes: &mut Vec<Change>,
) -> io::Result<()> {
    let depth_left = depth_left.checked_sub(1).ok_or_else(|| io::Error::other("folders nest too deep"))?;
    for entry in Dir::read_from(upper)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let path = format!("{prefix}/{}", name.to_string_lossy());
        let stat = statx(upper, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let below = lower
            .iter()
            .flatten()
            .any(|layer| statx(layer, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE).is_ok());
        // overlayfs marks what was deleted by a character device 0/0 (kernel: filesystems/overlayfs.rst, "whiteouts").
        let deleted = kind == FileType::CharacterDevice
            && makedev(stat.stx_rdev_major, stat.stx_rdev_minor) == makedev(0, 0);
        let what = match (deleted, below) {
            (true, _) => ChangeKind::Deleted,
            (false, true) => ChangeKind::Changed,
            (false, false) => ChangeKind::Added,
        };
        changes.push(Change { kind: what, path: path.clone() });
        if kind == FileType::Directory {
            let name = Path::new(OsStr::from_bytes(name.to_bytes()));
            let inner: Vec<Option<OwnedFd>> =
                lower.iter().map(|layer| open_folder(layer.as_ref()?, name).ok()).collect();
            walk(&open_folder(upper, name)?, &inner, &path, depth_left, changes)?;
        }
    }
    Ok(())
}
