//! Plans: what a request becomes in a zone, and what is refused.

mod defaults;
mod exec;
mod fixture;
mod never_looser;
mod refusals;
mod rootless;
