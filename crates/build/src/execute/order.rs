//! What the engine is asked to execute. Only it knows zones, containers and id maps.

use std::path::{Path, PathBuf};

use cofferdam_confinement::IdMaps;
use serde::{Deserialize, Serialize};

use crate::plan::RunStep;

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A folder or file that the build made for it: no symbolic link is on its path. Its owners are a container's numbers.
    Path {
        /// Absolute.
        path: PathBuf,
        /// Whether it may only be read.
        readonly: bool,
    },
    /// A socket that the runner makes, and behind which it passes on questions to an ssh agent.
    Agent {
        /// Where the socket is to be.
        path: PathBuf,
        /// The agent's own socket.
        agent: PathBuf,
        /// The new socket's permission bits.
        mode: u32,
        /// Its owner and group, as a container's numbers.
        owner: (u32, u32),
    },
    /// A new tmpfs.
    Tmpfs {
        /// Bytes; absent for the kernel's choice.
        size: Option<u64>,
    },
}

/// A mount that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyMount {
    /// Where it appears, inside the container; absolute.
    pub target: String,
    /// What it shows.
    pub source: MountSource,
}

/// One command, to be executed in a container of its own.
#[derive(Debug)]
pub struct RunOrder<'a> {
    /// The layers, topmost first; at least one.
    pub lower: &'a [PathBuf],
    /// Where what it writes goes: a new, empty folder.
    pub upper: &'a Path,
    /// The overlay's work folder beside it.
    pub work: &'a Path,
    /// The command.
    pub step: &'a RunStep,
    /// Variables beside the step's own.
    pub env: &'a [String],
    /// In the order in which they are mounted.
    pub mounts: &'a [ReadyMount],
}

/// Names a command that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Its exit code.
    pub code: i32,
    /// The ids that its files have on the disk.
    pub id_maps: Option<IdMaps>,
}

/// What a runner says when it cannot.
pub type RunnerError = Box<dyn std::error::Error + Send + Sync>;

/// Executes commands, several at a time.
pub trait Runner {
    /// Starts one.
    ///
    /// # Errors
    /// It could not be started; nothing is left of it.
    fn start(&mut self, order: &RunOrder<'_>) -> Result<RunId, RunnerError>;

    /// Waits until one has ended, and passes on what all write meanwhile (`true`: to standard error).
    ///
    /// # Errors
    /// The connection to one was lost, or the build was interrupted.
    fn wait(&mut self, output: &mut dyn FnMut(RunId, bool, &[u8])) -> Result<(RunId, RunEnd), RunnerError>;

    /// Ends all that are under way.
    fn stop_all(&mut self);
}
