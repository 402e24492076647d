//! Whose an image's folder is while nothing in the database says so: that of whoever has locked its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cofferdam_kernel::file_lock;

/// A claim to an image's folder, until it is dropped or its owner is killed. It stays with the folder when that is renamed.
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

impl Claim {
    /// The file's name in the folder.
    const NAME: &str = "claim";

    /// Claims a folder that was just made.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let path = folder.join(Self::NAME);
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        if file_lock::try_lock(&file)? {
            Ok(Self { _file: file })
        } else {
            Err(io::Error::other("another command uses its folder"))
        }
    }

    /// Whether somebody has claimed the folder, or (without a file yet) may be about to: it is younger than a minute.
    pub(super) fn is_taken(folder: &Path) -> io::Result<bool> {
        match File::open(folder.join(Self::NAME)) {
            Ok(file) => file_lock::is_locked(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let modified = std::fs::metadata(folder)?.modified()?;
                Ok(modified.elapsed().is_ok_and(|age| age.as_secs() < 60))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_ends_with_its_owner_and_moves_with_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let (before, after) = (home.path().join("a"), home.path().join("b"));
        std::fs::create_dir(&before).unwrap();
        let claim = Claim::take(&before).unwrap();
        std::fs::rename(&before, &after).unwrap();
        assert!(Claim::is_taken(&after).unwrap());
        drop(claim);
        assert!(!Claim::is_taken(&after).unwrap());
    }
}
