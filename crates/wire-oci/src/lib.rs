//! The OCI runtime specification's JSON shapes (1.0 to 1.3, Linux), as callers send them, and those of images ([`image`]) and registries
//! ([`distribution`]).
//!
//! Nothing behind this crate trusts these types: `cofferdam-runtime` and `cofferdam-image` turn them once into their own. As the
//! specification's "Extensibility" asks, unknown properties are skipped; an unknown *value* of a known property is an
//! error, because skipping it could loosen a confinement that its author counts on. `null` reads as absent, as the Go
//! programs that write these files mean it. This crate does no I/O.

pub mod distribution;
mod features;
pub mod image;
mod linux;
mod null;
mod parse;
mod process;
mod resources;
mod seccomp;
mod spec;
mod state;

pub use features::{
    Features, FeaturesApparmor, FeaturesCgroup, FeaturesIdmap, FeaturesIntelRdt, FeaturesLinux,
    FeaturesMemoryPolicy, FeaturesMountExtensions, FeaturesNetDevices, FeaturesSeccomp, FeaturesSelinux,
};
pub use linux::{
    IdMapping, IntelRdt, Linux, LinuxDevice, MemoryPolicy, NamespaceEntry, NamespaceType, NetDevice,
    Personality, PersonalityDomain, RootfsPropagation, TimeOffset,
};
pub use parse::{ParseError, parse};
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit, Scheduler,
    SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma, Resources,
    ThrottleDevice, WeightDevice,
};
pub use seccomp::{
    ContainerProcessState, Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompFlag, SeccompOperator,
    SeccompSyscall,
};
pub use spec::{Hook, Hooks, Mount, Root, Spec};
pub use state::{State, Status};

/// The newest version of the specification that these shapes follow.
pub const SPEC_VERSION: &str = "1.3.0";
