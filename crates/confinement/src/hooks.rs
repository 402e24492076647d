//! Programs run around a container's life (OCI runtime-spec, config.md, "POSIX-platform Hooks").

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program, absolute.
    pub path: PathBuf,
    /// Its arguments with the first one; empty for just the path.
    pub args: Vec<String>,
    /// Its whole environment: nothing of the container's (CVE-2025-23266) or of ours comes with it. A `start_container` hook,
    /// which runs within the container, gets that of the container's process where this is empty.
    pub env: Vec<String>,
    /// Seconds after which it is killed and counts as failed.
    pub timeout_seconds: Option<u32>,
}

/// The hooks by the moment at which they run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Deprecated by OCI, still called: with `create_runtime`, before it.
    pub prestart: Vec<Hook>,
    /// In the runtime's namespaces, after the container's are made.
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces, before the root is switched.
    pub create_container: Vec<Hook>,
    /// In the container, before the user's program.
    pub start_container: Vec<Hook>,
    /// In the runtime's namespaces, after the user's program was started.
    pub poststart: Vec<Hook>,
    /// In the runtime's namespaces, after the container was deleted.
    pub poststop: Vec<Hook>,
}

impl Hooks {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [
            &self.prestart,
            &self.create_runtime,
            &self.create_container,
            &self.start_container,
            &self.poststart,
            &self.poststop,
        ]
        .iter()
        .all(|hooks| hooks.is_empty())
    }
}
