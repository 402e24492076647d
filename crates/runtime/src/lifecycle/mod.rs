//! The life of containers whose caller is an OCI runtime's command line: between two commands no process of ours lives,
//! so all that is known stands in a folder below `/run` and in the kernel.
//!
//! A container's folder holds `state.json` (the plan, the bundle, who its first process is) and, until the container is
//! started, `start.sock`, on which that process waits. The folder itself is what commands lock. What a container is doing
//! is never written down: it is read from the kernel each time, so that no crash can leave a lie behind.

mod container;
mod create;
mod delete;
mod error;
mod folder;
mod kill;
mod record;
mod start;

pub use container::{Container, Lookup};
pub use create::{CreateIo, Fresh, create};
pub use error::LifecycleError;
pub use folder::StateRoot;
pub use record::{InitProcess, Record};
pub use start::{Gatekeeper, Refusal, send_seccomp_listener};
