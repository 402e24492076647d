//! Zone files become zones; a zone and a request become a plan. Pure, but for reading the files.

mod context;
mod quantity;
mod request;
pub mod syscalls;

pub use context::{
    BindSource, CgroupMode, HostDevice, HostFacts, IdAllocation, IdRange, ImageConfig, JoinedContainer,
    PlanContext,
};
pub use quantity::{ByteSize, Ceiling, CpuCount};
pub use request::{
    BindRecursion, CapabilityWord, ContainerRequest, DeviceAccess, DeviceRate, DeviceRequest, DeviceWeight,
    EnvEntry, HOST_IMAGE, InvalidOption, LabelOption, NamespaceMode, NamespaceRequest, NetworkMode,
    NetworkRequest, ResourceRequest, RestartPolicy, SeccompChoice, SecurityOption, TmpfsOptions,
    TmpfsRequest, Ulimit, VolumeKind, VolumeRequest, key_value,
};
