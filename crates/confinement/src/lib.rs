//! The plan: every isolation choice of one container, explicit, complete and pure data.
//!
//! A plan leaves no choice open: what applies it (the crate `cofferdam-runtime`, and later ones for virtual machines and networks) adds nothing of its own, and what
//! reads the kernel back compares with it and nothing else. This crate does no I/O.

mod cgroup;
mod device;
mod hooks;
mod identity;
mod memory_policy;
mod mount;
mod namespaces;
pub mod network;
mod plan;
mod process;
pub mod resources;
mod root;
pub mod seccomp;

pub use cgroup::{Cgroup, CgroupPath, InvalidCgroupPath};
pub use device::{DEV_LINKS, Device, DeviceKind};
pub use hooks::{Hook, Hooks};
pub use identity::{IdMapping, IdMaps, MapWriter, Setgroups};
pub use memory_policy::{MemoryMode, MemoryPolicy, NodeMeaning};
pub use mount::{AccessTime, Flag, Mount, MountFlags, MountIdMap, MountKind, Propagation, kernel_folder};
pub use namespaces::{ClockOffset, NamespaceSource, Namespaces};
pub use plan::{Plan, SCHEMA_VERSION};
pub use process::{
    Capabilities, CpuAffinity, IoClass, IoPriority, Process, Rlimit, Scheduler, SchedulerPolicy, User,
    WindowSize,
};
pub use root::{PivotMethod, Root, RootSource, StackedLayers};
