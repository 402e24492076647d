//! Cgroups on the real kernel, as root. Every test makes groups of its own and removes them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delegated;
mod devices;
mod enforcement;
mod lifecycle;
mod limits;
mod support;
mod tree;
mod unified;
