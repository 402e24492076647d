//! Empty files and folders that are made only so that something can be mounted on them: they are no part of the layer.
//!
//! CVE-2024-23652: whoever removes them by joining paths removes what a link that the build has put there leads to. Here they
//! are removed below the descriptor of the layer itself, no link is followed, and only what is empty goes.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, openat2, unlinkat};

use super::{BuildError, inside, root};

/// The paths below the stage's root that mounts needed and that were not there.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    /// The innermost last.
    missing: Vec<PathBuf>,
}

impl Stubs {
    /// Looks before the command runs.
    pub(super) fn before<'t>(root: &OwnedFd, targets: impl Iterator<Item = &'t str>) -> Self {
        let mut missing = Vec::new();
        for target in targets {
            let path = inside::relative(target);
            // From the root downwards; what stands behind a link is found where the link leads.
            let mut real = PathBuf::new();
            let mut gone = false;
            for part in path.iter() {
                let here = real.join(part);
                if !gone && inside::exists(root, &here) {
                    real = resolved(root, &here).unwrap_or(here);
                } else {
                    gone = true;
                    real = here;
                    if !missing.contains(&real) {
                        missing.push(real.clone());
                    }
                }
            }
        }
        Self { missing }
    }

    /// Removes what is there and still empty.
    pub(super) fn remove(&self, upper: &Path) -> Result<(), BuildError> {
        let upper = root::open_folder(upper).map_err(BuildError::io("open", upper))?;
        for path in self.missing.iter().rev() {
            remove_empty(&upper, path);
        }
        Ok(())
    }
}

/// Where a path that exists leads inside the root.
fn resolved(root: &OwnedFd, path: &Path) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    let held = inside::open(root, path, OFlags::PATH).ok()?;
    let shown = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
    let (base, found) = (shown(root)?, shown(&held)?);
    found.strip_prefix(&base).ok().map(Path::to_owned)
}

fn remove_empty(upper: impl AsFd, path: &Path) {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (Ok(parent), Some(name)) = (openat2(&upper, parent, flags, Mode::empty(), resolve), path.file_name())
    else {
        return;
    };
    let Ok(found) = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
    match rustix::fs::FileType::from_raw_mode(found.st_mode) {
        // A folder that holds something stays: the kernel refuses.
        rustix::fs::FileType::Directory => {
            let _ = unlinkat(&parent, name, AtFlags::REMOVEDIR);
        }
        rustix::fs::FileType::RegularFile if found.st_size == 0 => {
            let _ = unlinkat(&parent, name, AtFlags::empty());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2024_23652_what_a_link_leads_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let (lower, upper, host) = (home.path().join("l"), home.path().join("u"), home.path().join("h"));
        for folder in [&lower, &upper, &host] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(host.join("target"), "").unwrap();
        let root = root::open_folder(&lower).unwrap();
        let stubs = Stubs::before(&root, ["/mnt/x/target", "/a/b", "/full/c"].into_iter());
        // The command has replaced the way to a stub by links out of the root, and has written beside others.
        std::os::unix::fs::symlink(&host, upper.join("mnt")).unwrap();
        std::fs::create_dir_all(upper.join("a/b")).unwrap();
        std::fs::create_dir_all(upper.join("full/c")).unwrap();
        std::fs::write(upper.join("full/kept"), "x").unwrap();
        stubs.remove(&upper).unwrap();
        assert!(host.join("target").exists());
        assert!(!upper.join("a").exists());
        assert!(upper.join("full/kept").exists() && !upper.join("full/c").exists());
        assert!(upper.join("mnt").is_symlink());
    }

    #[test]
    fn what_was_there_is_no_stub() {
        let home = tempfile::tempdir().unwrap();
        let (lower, upper) = (home.path().join("l"), home.path().join("u"));
        std::fs::create_dir_all(lower.join("usr/lib")).unwrap();
        std::os::unix::fs::symlink("usr/lib", lower.join("lib")).unwrap();
        std::fs::create_dir_all(upper.join("usr/lib/x")).unwrap();
        let root = root::open_folder(&lower).unwrap();
        Stubs::before(&root, ["/lib/x", "/usr"].into_iter()).remove(&upper).unwrap();
        assert!(upper.join("usr/lib").exists() && !upper.join("usr/lib/x").exists());
    }
}
