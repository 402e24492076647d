//! The engine: one value per client process, one method per command.

use std::os::unix::fs::DirBuilderExt;
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

/// Makes a folder that only its owner may enter, with what leads to it.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::io("make", path.display(), source))
}

/// A container that has been started.
#[derive(Debug)]
pub struct Started {
    /// Its id.
    pub id: ContainerId,
    /// Its streams, where they were asked for.
    pub stream: Option<AttachStream>,
}
