//! The system call filter: a profile as pure data, compiled to a classic BPF program.

use serde::{Deserialize, Serialize};

/// Placeholder shape, replaced by the seccomp work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {}
