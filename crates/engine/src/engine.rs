//! The engine: one value per client process, one method per command.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use cofferdam_names::ContainerId;
use cofferdam_runtime::start::protect_own_file;

use crate::store::{Found, Store};
use crate::{AttachStream, Error, Paths, Result};

/// Containers and what belongs to them, below one state folder.
#[derive(Debug)]
pub struct Engine {
    pub(crate) paths: Paths,
    pub(crate) store: Store,
}

impl Engine {
    /// Opens the state, made where it is missing.
    ///
    /// # Errors
    /// An ordinary user's program cannot be protected from that user's containers.
    pub fn open(paths: Paths) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            // The container's root is this user (CVE-2019-5736).
            protect_own_file()
                .map_err(|source| Error::io("protect", "this program from its containers", source))?;
        }
        let store = Store::new(paths.definitions());
        Ok(Self { paths, store })
    }

    /// Where the state is.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The container that a person means: a whole id, a name, or the beginning of one id only.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn resolve(&self, word: &str) -> Result<ContainerId> {
        match self.store.find(word)? {
            Found::One(id) => Ok(id),
            Found::None => Err(Error::NoContainer { word: word.to_owned() }),
            Found::Several => Err(Error::Ambiguous { word: word.to_owned() }),
        }
    }
}

/// Makes a folder that only its owner may enter, with what leads to it. One that is there already must be the caller's own, and
/// nobody else may write to it.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::io("make", path.display(), source))?;
    let found =
        std::fs::metadata(path).map_err(|source| Error::io("look at the folder", path.display(), source))?;
    let refuse = |rule| Err(Error::io("use the folder", path.display(), std::io::Error::other(rule)));
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to another user");
    }
    if found.mode() & 0o022 != 0 {
        return refuse("its group or everyone may write to it");
    }
    Ok(())
}

/// A container that has been started.
#[derive(Debug)]
pub struct Started {
    /// Its id.
    pub id: ContainerId,
    /// Its streams, where they were asked for.
    pub stream: Option<AttachStream>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_could_write_to_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        make_private_folder(&path).unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("a")).unwrap().mode() & 0o777, 0o700);
        make_private_folder(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o720)).unwrap();
        assert!(make_private_folder(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
            assert!(make_private_folder(&path).is_err());
        }
    }
}
