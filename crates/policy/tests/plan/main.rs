//! Plans: what a request becomes in a zone, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod defaults;
mod exec;
mod fixture;
mod images;
mod network;
mod never_looser;
mod refusals;
mod rootless;
mod seccomp_file;
