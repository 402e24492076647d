//! Where the files of one container are.

use std::path::{Path, PathBuf};

/// The files of one container: `<state>/containers/<id>`. Everything in it is the engine's own, but for what is below `upper`,
/// which the container wrote.
///
/// Of a container that is removed at its end (`--rm`) only what may be large is there; the small files are in its run folder,
/// which is in memory nearly everywhere: such a container does not outlive a boot, and each file made on a disk costs a
/// start what ten in memory do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDir {
    path: PathBuf,
    small: PathBuf,
}

#[allow(missing_docs, reason = "each is named after the file that it gives")]
impl ContainerDir {
    /// All of it in the folder at this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { small: path.clone(), path }
    }

    /// The small files in the container's run folder.
    #[must_use]
    pub fn fleeting(path: PathBuf, run: &RunDir) -> Self {
        Self { path, small: run.path().to_owned() }
    }

    /// The folder in the state: there is a container as long as there is this.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the small files.
    #[must_use]
    pub fn small(&self) -> &Path {
        &self.small
    }

    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.small.join("plan.json")
    }

    #[must_use]
    pub fn receipt(&self) -> PathBuf {
        self.small.join("receipt.json")
    }

    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.small.join("status.json")
    }

    #[must_use]
    pub fn health(&self) -> PathBuf {
        self.small.join("health.json")
    }

    /// The log in use; rotated ones have `.1`, `.2`, ... after it.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Overlay's upper folder: what the container wrote.
    #[must_use]
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// Overlay's work folder.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Where the root is mounted, in the container's mount namespace only.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.small.join("root")
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
