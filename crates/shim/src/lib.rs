//! One small process per container: it starts the container's first process, reaps it, keeps its log, its terminal
//! and its exit status, and goes when the container has gone for good.
//!
//! A shim is forked from the client without an exec, so that a start costs no more than it must, and executes itself
//! anew once the container has lived a while, so that an idle one costs next to no memory. It is single-threaded, opens
//! no database and trusts nothing that comes from the container.

mod connection;
mod frame;
mod layout;
mod lock;
mod status;

pub use connection::{Connection, Listener};
pub use frame::{Frame, MAX_DATA, MAX_PACKET};
pub use layout::{ContainerDir, RunDir};
pub use lock::Lock;
pub use status::{ContainerState, ExitStatus, Status, StatusError};
