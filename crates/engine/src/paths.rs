//! Where the engine keeps its state.

use std::path::{Path, PathBuf};

use cofferdam_names::ContainerId;
use cofferdam_shim::{ContainerDir, RunDir};
use thiserror::Error;

/// The state folder (kept over a reboot) and the run folder (not kept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    state: PathBuf,
    run: PathBuf,
}

/// An ordinary user whose environment names no folder for state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot find a state folder: neither XDG_DATA_HOME nor HOME is set to an absolute path")]
pub struct NoStateFolder;

impl Paths {
    /// Both folders below one: `--root DIR`.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { state: root.join("state"), run: root.join("run") }
    }

    /// The usual folders: those of the system for root; those of the user (XDG base directories) otherwise.
    ///
    /// # Errors
    /// [`NoStateFolder`]
    pub fn for_user(
        uid: u32,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, NoStateFolder> {
        if uid == 0 {
            return Ok(Self { state: "/var/lib/cofferdam".into(), run: "/run/cofferdam".into() });
        }
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
            .ok_or(NoStateFolder)?;
        let state = data.join("cofferdam");
        // Without a run folder of the session's (cron, su) the state folder holds the sockets as well: it is the
        // user's own, which a folder in /tmp with a known name is not.
        let run = absolute("XDG_RUNTIME_DIR").map_or_else(|| state.join("run"), |run| run.join("cofferdam"));
        Ok(Self { state, run })
    }

    /// The folders that a container's own folders are below.
    pub(crate) fn around(container: &Path, run: &Path) -> Option<Self> {
        Some(Self { state: container.parent()?.parent()?.to_owned(), run: run.parent()?.to_owned() })
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The run folder.
    #[must_use]
    pub fn run(&self) -> &Path {
        &self.run
    }

    pub(crate) fn definitions(&self) -> PathBuf {
        self.state.join("definitions")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.state.join("volumes")
    }

    pub(crate) fn networks(&self) -> PathBuf {
        self.state.join("networks")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.state.join("events.jsonl")
    }

    /// What containers were denied: a file of its own, so that it drives no other event out.
    pub(crate) fn denials(&self) -> PathBuf {
        self.state.join("denials.jsonl")
    }

    /// The folder of the keeper of resolvers.
    pub(crate) fn resolver(&self) -> PathBuf {
        self.run.join("resolver")
    }

    /// The socket of the process that holds an ordinary user's network.
    pub(crate) fn users_network(&self) -> PathBuf {
        users_network_of(&self.state)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.state.join("images")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// The files of a container that there may be.
    pub(crate) fn container(&self, id: &ContainerId) -> ContainerDir {
        let fleeting = self.new_container(id, true);
        if fleeting.plan().exists() { fleeting } else { self.new_container(id, false) }
    }

    /// Where the files of a container are made; `fleeting` for one that is removed at its end.
    pub(crate) fn new_container(&self, id: &ContainerId, fleeting: bool) -> ContainerDir {
        let path = self.containers().join(id.as_str());
        if fleeting { ContainerDir::fleeting(path, &self.run_dir(id)) } else { ContainerDir::new(path) }
    }

    pub(crate) fn run_dir(&self, id: &ContainerId) -> RunDir {
        RunDir::new(self.run.join(id.as_str()))
    }
}

/// The same below a state folder. The state folder and not that for running things: whoever has a container's folder finds it.
pub(crate) fn users_network_of(state: &Path) -> PathBuf {
    state.join("rootless/host.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_needs_an_absolute_folder() {
        let with = |pairs: &'static [(&str, &str)]| {
            Paths::for_user(1000, move |name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(with(&[]), Err(NoStateFolder));
        assert_eq!(with(&[("HOME", "relative")]), Err(NoStateFolder));
        let home = with(&[("HOME", "/home/me")]).unwrap();
        assert_eq!(home.state(), Path::new("/home/me/.local/share/cofferdam"));
        assert_eq!(home.run(), Path::new("/home/me/.local/share/cofferdam/run"));
        let xdg = with(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_RUNTIME_DIR", "/r")]).unwrap();
        assert_eq!((xdg.state(), xdg.run()), (Path::new("/d/cofferdam"), Path::new("/r/cofferdam")));
    }
}
