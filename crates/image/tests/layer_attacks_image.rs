//! The tests of `layer_attacks.rs` on layers that are images, where root may mount them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: a failed unwrap is a failed test, a skip is told"
)]

#[path = "layer_attacks.rs"]
mod same;
