//! Registries and images for tests.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests: a failed unwrap is a failed test")]

pub(crate) mod certificates;
pub(crate) mod debian_registry;
pub(crate) mod images;
pub(crate) mod server;
