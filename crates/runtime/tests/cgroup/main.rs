//! Cgroups on the real kernel, as root. Every test makes groups of its own and removes them.

mod devices;
mod enforcement;
mod lifecycle;
mod limits;
mod support;
mod tree;
mod unified;
