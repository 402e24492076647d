//! Removes a folder that a container has written into.
//!
//! A container may nest folders as deeply as it likes: neither the stack, nor the number of open files, nor the length of a
//! path (all of which `std::fs::remove_dir_all` and friends spend per level) may be what it can use up to become irremovable.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, chmodat, fchmod, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

/// How many levels are descended; what is deeper is first moved to the top.
const MOST_LEVELS: u32 = 24;

/// Removes a folder and what is in it; no link in it is followed. One that is not there is fine. No process may write to
/// it meanwhile.
///
/// # Errors
/// The first of the file system; calling again goes on from there.
pub fn remove(folder: &Path) -> io::Result<()> {
    let name = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes())?;
    let top = match open_folder(CWD, &name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut removal = Removal { top: top.as_fd(), moved: 0 };
    // Each pass removes all levels that it descends and brings the deeper ones up.
    while removal.empty(top.as_fd(), 0)? {}
    match unlinkat(CWD, &name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    /// How many folders have been moved to the top: the number in the next one's name.
    moved: u64,
}

impl Removal<'_> {
    /// Removes what is in a folder, `level` levels below the top. Whether there was anything.
    fn empty(&mut self, folder: BorrowedFd<'_>, level: u32) -> io::Result<bool> {
        let mut found = false;
        // Read whole first: names that are moved to the top while it is read may show up in it or not.
        let mut entries = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                entries.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in entries {
            found = true;
            self.remove_entry(folder, &name, kind, level)?;
        }
        Ok(found)
    }

    fn remove_entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        level: u32,
    ) -> io::Result<()> {
        if kind != FileType::Directory {
            match unlinkat(folder, name, AtFlags::empty()) {
                // A file system that does not tell kinds.
                Err(Errno::ISDIR) => {}
                other => return Ok(other?),
            }
        }
        match unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Ok(()) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        if level >= MOST_LEVELS {
            return self.move_to_top(folder, name);
        }
        let inner = open_folder(folder, name)?;
        self.empty(inner.as_fd(), level + 1)?;
        drop(inner);
        Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?)
    }

    fn move_to_top(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let target = format!(".deep-{}", self.moved);
            match renameat_with(folder, name, self.top, target.as_str(), RenameFlags::NOREPLACE) {
                // The container may have made that very name.
                Err(Errno::EXIST) => {}
                // An ordinary user who may not write to the folder cannot change its `..` either.
                Err(Errno::ACCESS) if make_ours(folder, name).is_ok() => {}
                other => return Ok(other?),
            }
        }
    }
}

fn make_ours(folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    let inner = open_folder(folder, name)?;
    fchmod(&inner, Mode::RWXU)
}

/// Opens a folder to be emptied. An ordinary user needs the owner's permissions, which overlay's work folder and a
/// container's own may lack.
fn open_folder(folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            openat(folder, name, flags, Mode::empty())?
        }
        other => other?,
    };
    if !rustix::process::geteuid().is_root() {
        // If it is not ours, the removal itself says so.
        let _ = fchmod(&opened, Mode::RWXU);
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use rustix::fs::mkdirat;

    use super::*;

    fn nest(folder: &Path, levels: u32) {
        let mut current =
            openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        for _ in 0..levels {
            mkdirat(&current, "d", Mode::RWXU).unwrap();
            current =
                openat(&current, "d", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                    .unwrap();
        }
    }

    #[test]
    fn depth_is_no_obstacle_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let doomed = folder.path().join("doomed");
        let kept = folder.path().join("kept");
        std::fs::create_dir_all(doomed.join("a/b")).unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        std::fs::write(doomed.join("a/file"), "x").unwrap();
        std::fs::create_dir(doomed.join(".deep-1")).unwrap();
        std::fs::write(doomed.join(".deep-1/file"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, doomed.join("a/b/link")).unwrap();
        // Much deeper than the descent goes at once; with a long enough name, more than a path may be long.
        nest(&doomed.join("a"), 2_500);
        remove(&doomed).unwrap();
        assert!(!doomed.exists());
        assert!(kept.join("file").exists());
        remove(&doomed).unwrap();
    }

    #[test]
    fn a_link_in_the_folders_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        std::fs::write(folder.path().join("kept/file"), "x").unwrap();
        std::os::unix::fs::symlink("kept", folder.path().join("link")).unwrap();
        assert!(remove(&folder.path().join("link")).is_err());
        assert!(folder.path().join("kept/file").exists());
    }
}
