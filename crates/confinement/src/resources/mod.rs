//! Limits of a cgroup, for v1 and v2 alike.

use serde::{Deserialize, Serialize};

/// Placeholder shape, replaced by the cgroup work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {}
