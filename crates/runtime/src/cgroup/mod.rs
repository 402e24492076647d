//! Control groups: where a container is accounted, limited, frozen and killed (cgroups(7)).
//!
//! A [`Layout`] says what the host has mounted: v2, or v1's hierarchies, or both side by side. A [`Group`] is one
//! container's folder in each of them. What differs between v1 and v2 is behind the trait `Version`; everything here is
//! written once for both. Limits become a list of [`Setting`]s, and the same list is written and read back.
//!
//! Nothing is guessed and nothing is left out: a limit that this host cannot enforce is an error that names it. The one
//! exception is OCI's `memory.kernel`, which Linux dropped and the specification lets a runtime ignore.

mod control_file;
mod controller;
mod delegation;
mod device_rules;
pub mod error;
mod group;
mod joiner;
mod layout;
mod limits;
mod members;
mod observation;
mod oom;
mod removal;
mod setting;
mod stats;
mod subgroups;
mod v1;
mod v2;
mod version;

pub use controller::Controller;
pub use group::Group;
pub use joiner::Joiner;
pub use layout::{Hierarchy, Layout};
pub use observation::Observation;
pub use oom::OomWatch;
pub use setting::Setting;
pub use stats::{BlockIoStats, CpuStats, HugePageStats, IoCount, MemoryStats, MemoryUse, PidsStats, Stats};
pub use subgroups::{SubgroupError, Subgroups};
