//! What `features` prints: what this runtime understands, whatever the host may lack.

use std::collections::BTreeMap;

use cofferdam_confinement::MemoryMode;
use cofferdam_kernel::capability::Capability;
use cofferdam_wire_oci::{
    Features, FeaturesApparmor, FeaturesCgroup, FeaturesIdmap, FeaturesIntelRdt, FeaturesLinux,
    FeaturesMemoryPolicy, FeaturesMountExtensions, FeaturesNetDevices, FeaturesSeccomp, FeaturesSelinux,
    SPEC_VERSION,
};

use super::memory_policy;
use super::mount_option;

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// The document.
#[must_use]
pub fn features() -> Features {
    Features {
        oci_version_min: "1.0.0".to_owned(),
        oci_version_max: SPEC_VERSION.to_owned(),
        hooks: words([
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop",
        ]),
        mount_options: mount_option::known_words().map(str::to_owned).collect(),
        linux: FeaturesLinux {
            namespaces: words(["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]),
            capabilities: Capability::all().map(|capability| capability.name().to_owned()).collect(),
            cgroup: FeaturesCgroup { v1: true, v2: true, systemd: false, systemd_user: false, rdma: true },
            seccomp: seccomp(),
            apparmor: FeaturesApparmor { enabled: true },
            selinux: FeaturesSelinux { enabled: true },
            intel_rdt: FeaturesIntelRdt { enabled: false },
            memory_policy: FeaturesMemoryPolicy {
                modes: words(MemoryMode::ALL.map(MemoryMode::name)),
                flags: words([memory_policy::BALANCING, memory_policy::RELATIVE, memory_policy::STATIC]),
            },
            mount_extensions: FeaturesMountExtensions { idmap: FeaturesIdmap { enabled: true } },
            net_devices: FeaturesNetDevices { enabled: true },
        },
        annotations: BTreeMap::from([(
            "org.cofferdam.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        )]),
        // None: an annotation never becomes configuration.
        potentially_unsafe_config_annotations: Vec::new(),
    }
}

fn seccomp() -> FeaturesSeccomp {
    let flags = || {
        words([
            "SECCOMP_FILTER_FLAG_TSYNC",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        ])
    };
    FeaturesSeccomp {
        enabled: true,
        actions: words([
            "SCMP_ACT_ALLOW",
            "SCMP_ACT_ERRNO",
            "SCMP_ACT_KILL",
            "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_LOG",
            "SCMP_ACT_NOTIFY",
            "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP",
        ]),
        operators: words([
            "SCMP_CMP_EQ",
            "SCMP_CMP_GE",
            "SCMP_CMP_GT",
            "SCMP_CMP_LE",
            "SCMP_CMP_LT",
            "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE",
        ]),
        archs: words([
            "SCMP_ARCH_AARCH64",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X86_64",
        ]),
        known_flags: flags(),
        supported_flags: flags(),
    }
}
