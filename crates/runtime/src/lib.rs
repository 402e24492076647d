//! Applies a plan to processes: the parent side, the init side, the root file system, cgroups and the lifecycle.
//!
//! It decides nothing about confinement: what is done stands in the plan. It does not know zones, images or users'
//! requests, and it starts no thread: namespaces can be joined and processes cloned by a process of one thread only.

pub mod cgroup;
pub mod channel;
mod init;
pub mod lifecycle;
pub mod oci;
mod process;
pub mod rootfs;
pub mod start;
pub mod step;

pub use process::affinity::parse as cpu_list;
