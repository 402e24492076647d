//! What turns a process of ours into the container's program: credentials, filter, exec. Shared by start and exec.

pub(crate) mod affinity;
pub(crate) mod credentials;
pub(crate) mod filter;
pub(crate) mod lsm;
pub(crate) mod program;
pub(crate) mod settings;
pub(crate) mod terminal;
