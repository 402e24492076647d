//! Folders of the host that a bind asks for and that are not there yet (`bind-create-src`): the zone is asked of where they would be,
//! and they are made once it has allowed them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use cofferdam_confinement::{MountKind, Plan};
use cofferdam_kernel::mount::open_without_links;
use cofferdam_policy::{ContainerRequest, VolumeKind};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Where a path would be that is not there: the nearest folder that is, links followed, and the names below it. None where that is
/// not clear.
pub(crate) fn would_be(source: &Path) -> Option<PathBuf> {
    let there = source.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok())?;
    let below = source.strip_prefix(there).ok()?;
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    let there = there.canonicalize().ok().filter(|there| there.is_dir())?;
    plain.then(|| there.join(below))
}

/// Makes what is missing of the sources of an allowed plan. `made` gets all that was made, outermost first, also before a failure.
pub(crate) fn make_missing(request: &ContainerRequest, plan: &Plan, made: &mut Vec<PathBuf>) -> Result<()> {
    for volume in &request.volumes {
        if !matches!(volume.kind, VolumeKind::Bind { create: true, .. }) {
            continue;
        }
        for mount in plan.mounts.iter().filter(|mount| mount.target == volume.target) {
            if let MountKind::Bind { source, resolved: true, .. } = &mount.kind {
                make(source, made).map_err(|error| Error::io("make", source.display(), error))?;
            }
        }
    }
    Ok(())
}

/// No link is followed: the path was judged when none stood in it.
fn make(source: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let (mut missing, mut there) = (Vec::new(), source);
    let mut folder: OwnedFd = loop {
        match open_without_links(there) {
            Ok(folder) => break folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(there.file_name().ok_or(io::ErrorKind::InvalidInput)?);
                there = there.parent().ok_or(io::ErrorKind::InvalidInput)?;
            }
            Err(error) => return Err(error),
        }
    };
    let mut path = there.to_owned();
    for name in missing.into_iter().rev() {
        path.push(name);
        match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => made.push(path.clone()),
            // Somebody else's just now.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_looked_up_with_links_and_made_without() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("real")).unwrap();
        std::fs::write(real.join("file"), "").unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", real.join("dangling")).unwrap();
        assert_eq!(would_be(&real.join("link/a/b")), Some(real.join("real/a/b")));
        assert_eq!(would_be(&real.join("dangling/a")), None);
        assert_eq!(would_be(&real.join("file/a")), None);
        assert_eq!(would_be(&real.join("a/../b")), None);
        let mut made = Vec::new();
        make(&real.join("real/a/b"), &mut made).unwrap();
        assert_eq!(made, [real.join("real/a"), real.join("real/a/b")]);
        assert!(make(&real.join("link/c"), &mut made).is_err());
        make(&real.join("real/a/b"), &mut made).unwrap();
        assert!(made.len() == 2 && !real.join("real/c").exists());
    }
}
