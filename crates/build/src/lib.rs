//! Builds of images, as far as they are thought: what a Dockerfile says, which files of a context count, which steps there are
//! and what their results are called in the cache, and what is written about an image that came out.
//!
//! Nothing here starts a process or mounts anything: the engine carries the steps out, because it alone knows zones and
//! containers. Texts of Dockerfiles and of base images are data of the image that is made, never configuration of ours.

pub mod attest;
mod context;
pub mod dockerfile;
pub mod execute;
mod ignore;
pub mod plan;
mod suggestion;

pub use context::{Context, ContextError};
pub use ignore::{IgnoreError, IgnoreRules, name_fits};
