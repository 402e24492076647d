//! How many bytes a folder's files hold.

use std::os::unix::fs::MetadataExt;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Statx, StatxFlags, openat, statx};

/// The sum of the lengths of the files and links below a folder; a file with several names counts once. Other file systems
/// that are mounted below it are not looked into. A file that goes meanwhile is not counted.
///
/// # Errors
/// The folder cannot be read.
pub fn bytes_below(folder: &Path) -> io::Result<u64> {
    below(folder, |stat| stat.stx_size)
}

/// What a file, or a folder with everything below it, takes of the disk: holes do not count.
///
/// # Errors
/// It cannot be read.
pub fn on_disk(path: &Path) -> io::Result<u64> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_dir() { below(path, |stat| stat.stx_blocks * 512) } else { Ok(metadata.blocks() * 512) }
}

fn below(folder: &Path, count: impl Fn(&Statx) -> u64) -> io::Result<u64> {
    let mut sum = 0u64;
    let mut several_names = BTreeSet::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folders: Vec<OwnedFd> = vec![openat(CWD, folder, flags, Mode::empty())?];
    let device = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| stat.st_dev);
    let first = device(&folders[0])?;
    while let Some(folder) = folders.pop() {
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statx(&folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) else {
                continue;
            };
            match FileType::from_raw_mode(stat.stx_mode.into()) {
                FileType::Directory => {
                    let opened = openat(&folder, name, flags, Mode::empty());
                    folders.extend(opened.ok().filter(|inner| device(inner) == Ok(first)));
                }
                FileType::RegularFile | FileType::Symlink
                    if stat.stx_nlink == 1 || several_names.insert(stat.stx_ino) =>
                {
                    sum = sum.saturating_add(count(&stat));
                }
                _ => {}
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_links_count_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("a"), [0; 1000]).unwrap();
        std::fs::hard_link(inner.join("a"), folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink("inner", folder.path().join("c")).unwrap();
        assert_eq!(bytes_below(folder.path()).unwrap(), 1005);
    }
}
