//! Where the files of one container are.

use std::path::{Path, PathBuf};

/// A container's folder in the state: `<state>/containers/<id>`. Everything in it is the engine's own, but for what is
/// below `upper`, which the container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDir(PathBuf);

#[allow(missing_docs, reason = "each is named after the file that it gives")]
impl ContainerDir {
    /// The folder at this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    #[must_use]
    pub fn receipt(&self) -> PathBuf {
        self.0.join("receipt.json")
    }

    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// The log in use; rotated ones have `.1`, `.2`, ... after it.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Overlay's upper folder: what the container wrote.
    #[must_use]
    pub fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    /// Overlay's work folder.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where the root is mounted, in the container's mount namespace only.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }
}

/// A container's folder in the run state: `<run>/<id>`, for its owner alone (0700).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The folder at this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The shim's control socket. A path and not an abstract name: those are reachable from every container that shares
    /// the host's network (CVE-2020-15257).
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("shim.sock")
    }

    /// The file whose lock is held by the shim for its life, and by whoever changes a container that has no shim.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}
