//! Zone files become zones; a zone and a request become a plan. Pure, but for reading the files.

mod context;
pub mod graph;
mod plan;
mod quantity;
mod request;
pub mod syscalls;
mod zone;

pub use context::{
    BindSource, CgroupMode, HostDevice, HostDevices, HostFacts, IdAllocation, IdRange, ImageConfig,
    JoinedContainer, MountedImage, NetworkContext, PlanContext, VolumeSource,
};
pub use plan::{
    Admitted, EtcFiles, ExecOptions, ImageOrigin, PolicyError, admit_image, check_pull, common_outlet,
    has_own_outlet, id_maps, plan, plan_exec, plan_limits,
};
pub use quantity::{ByteSize, Ceiling, CpuCount};
pub use request::{
    BindRecursion, CapabilityWord, ContainerRequest, DeviceRate, DeviceRequest, DeviceRuleRequest,
    DeviceWeight, EnvEntry, HOST_IMAGE, HealthWords, Healthcheck, InvalidOption, LabelOption, NamespaceMode,
    NamespaceRequest, NetworkMode, NetworkRequest, PortRequest, ResourceRequest, RestartPolicy,
    SeccompChoice, SecurityOption, TmpfsOptions, TmpfsRequest, Ulimit, VolumeKind, VolumeRequest,
    is_volume_name, key_value,
};
pub use zone::{
    BUILTIN_ZONES, CertifiedSigner, FileProblem, IdScope, ImageRules, Isolation, LimitRules, LsmRules,
    MountAccess, MountRules, NamespaceRules, NetworkAccess, NetworkRules, Place, ProcessRules, Setting,
    Sharing, SignerPattern, SoftHard, SyscallRules, UnknownBuiltinZone, Zone, ZoneFileError, ZoneWarning,
    builtin_zone, default_zone, parse_zone,
};
