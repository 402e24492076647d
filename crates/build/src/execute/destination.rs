//! Where copied files go.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{BuildError, inside};

/// A folder that is there, and what a file is called in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Relative to the root.
    pub(super) folder: PathBuf,
    /// The name of a single file; none if files keep theirs.
    pub(super) name: Option<PathBuf>,
    /// Whether the folder was made for this.
    pub(super) made: bool,
}

/// Finds the place, and makes the folders that are missing.
pub(super) fn prepare(
    root: &OwnedFd,
    destination: &str,
    wants_folder: bool,
    owner: (u32, u32),
) -> Result<Destination, BuildError> {
    let path = inside::relative(destination);
    let failed = |path: &Path| BuildError::io("make the folder", Path::new("/").join(path));
    let is_folder = wants_folder || destination.ends_with('/') || inside::is_folder(root, &path);
    if is_folder {
        let made = inside::make_folder(root, &path, owner).map_err(failed(&path))?;
        return Ok(Destination { folder: path, name: None, made });
    }
    let parent = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let made = inside::make_folder(root, &parent, owner).map_err(failed(&parent))?;
    let name = path.file_name().map(PathBuf::from);
    Ok(Destination { folder: parent, name, made })
}
