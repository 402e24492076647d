//! The container's root file system: where its parts come from, and how they are put together.

pub mod aside;
mod assemble;
mod attributes;
mod cgroup_mount;
mod copy_up;
mod dev_tree;
mod foreign;
mod overlay;
pub mod root_dir;
mod sources;

pub(crate) use assemble::{assemble, pivot};
pub(crate) use sources::{Maker, Sources, map_ids_inside};
