//! The words of the field as types.
//!
//! Each name is parsed once, at the edge, into a type that can only hold what is valid; lookalike strings are
//! distinct types, so a zone's name can never be passed where a container's id is meant.
//! This crate does no I/O and knows nothing of the kernel.

mod container;
mod digest;
mod image_reference;
mod key;
mod path;
mod text;
mod timestamp;
mod zone;

pub use container::{ContainerId, ContainerName};
pub use digest::Digest;
pub use image_reference::ImageReference;
pub use key::KeyName;
pub use path::ContainerPath;
pub use text::InvalidName;
pub use timestamp::Timestamp;
pub use zone::ZoneName;
