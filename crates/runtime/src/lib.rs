//! Applies a plan to processes.

pub mod cgroup;
pub mod oci;
