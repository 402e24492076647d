//! The network of an ordinary user's containers.
//!
//! A user has no rights in the host's network. So there is a second one that stands in for it: a network namespace of the user's, in
//! which links, addresses, packet rules and resolvers are made as root makes them in the host's own. Everything that makes or starts
//! a container with a link is in it, and in the user namespace that owns it. [`run`] is the life of the process that makes both, and
//! joins them to the host by pasta(1), which makes the connections of containers anew as a program of the user's would.
//!
//! Nothing here decides who may reach what: the packet rules in the namespace do. What pasta would reach beside that, the host's own
//! services, is kept out of its sight (docs/decisions/network.md).

mod client;
mod host;
mod wire;

pub use client::{Host, Namespaces, ReachError, must_enter};
pub use host::{OutletEvent, run};
pub use wire::{Orders, Shown, Way};

/// The subcommand of the program that [`run`] is behind.
pub const SUBCOMMAND: &str = "rootless-host";
/// The device by which pasta takes and gives packets.
pub const TUN: &str = "/dev/net/tun";
