//! Removing a group with what the container made below it.

use std::io;
use std::path::Path;
use std::time::Duration;

use cofferdam_confinement::CgroupPath;

use super::control_file;

/// Removes a folder of a hierarchy with its sub-groups, deepest first.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    const WAIT: Duration = Duration::from_secs(2);
    let mut pause = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    loop {
        let error = match control_file::remove_directory(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        // EBUSY: sub-groups, or processes that are not quite gone. ENOTEMPTY: a stand-in tree in tests.
        if !matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY)) {
            return Err(error);
        }
        for entry in std::fs::read_dir(folder)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                // What stays in there keeps this folder busy, and shows in its error.
                let _ = remove_children(&entry.path());
            }
        }
        match control_file::remove_directory(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if waited >= WAIT => return Err(error),
            Err(_) => {}
        }
        std::thread::sleep(pause);
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Removes the groups above a removed one that are Cofferdam's own and have nothing else in them. The kernel decides that
/// in one step (EBUSY), so that a container that is just being started there keeps its parent, or makes it anew.
pub(super) fn remove_own_parents(root: &Path, path: &CgroupPath) {
    for parent in path.own_parents() {
        if control_file::remove_directory(&root.join(parent)).is_err() {
            return;
        }
    }
}

fn remove_children(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_children(&entry.path())?;
        }
    }
    control_file::remove_directory(folder)
}
