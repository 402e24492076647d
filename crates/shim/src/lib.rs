//! One small process per container: it starts the container's first process, reaps it, keeps its log, its terminal
//! and its exit status, and goes when the container has gone for good.
//!
//! A shim is forked from the client without an exec, so that a start costs no more than it must, and executes itself
//! anew once the container has lived a while, so that an idle one costs next to no memory. It is single-threaded, opens
//! no store of the engine and trusts nothing that comes from the container.

mod connection;
pub mod container_init;
mod event;
mod failure;
mod frame;
mod handover;
mod health;
mod launch;
mod layout;
mod lock;
mod log_writer;
mod names;
mod prober;
mod spawn;
mod spec;
mod status;
mod streams;
mod supervise;
mod users_network;

pub use connection::{Connection, Listener};
pub use event::Event;
pub use failure::{ExitClass, Failure};
pub use frame::{Frame, MAX_DATA, MAX_PACKET};
pub use handover::{SUBCOMMAND, resume};
pub use health::{Health, HealthStatus, Probe, UnknownHealth};
pub use layout::{ContainerDir, RunDir};
pub use lock::Lock;
pub use log_writer::{LogOptions, Stream};
pub use names::{KEEPER_SUBCOMMAND, KeeperOrders, member};
pub use prober::{PROBER_SUBCOMMAND, ProbeOrders};
pub use spawn::{Attach, Order, Running, spawn};
pub use spec::{Joined, ShimSpec, UsersNetwork};
pub use status::{ContainerState, ExitStatus, Status, StatusError};
pub use supervise::Keeper;
