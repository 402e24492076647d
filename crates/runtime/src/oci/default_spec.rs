//! The configuration that `spec` writes: what runc's writes, so that scripts that edit it go on working.

use cofferdam_wire_oci::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, NamespaceEntry, NamespaceType, Process, Resources,
    Rlimit, Root, SPEC_VERSION, Spec,
};

/// For whom the configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecFor {
    /// The host's root; with a cgroup namespace where the host has cgroup v2 alone.
    #[allow(missing_docs, reason = "said above")]
    Root { cgroup_v2: bool },
    /// An ordinary user, whose ids become the container's root.
    #[allow(missing_docs, reason = "plain")]
    Rootless { uid: u32, gid: u32, cgroup_v2: bool },
}

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED_PATHS: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];

const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The configuration.
#[must_use]
pub fn default_spec(whom: SpecFor) -> Spec {
    Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: "cofferdam".to_owned(),
        mounts: mounts(whom),
        linux: Some(linux(whom)),
        ..Spec::default()
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn process() -> Process {
    let capabilities = || words(CAPABILITIES);
    Process {
        terminal: true,
        args: words(["sh"]),
        env: words(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
        cwd: "/".to_owned(),
        capabilities: Some(Capabilities {
            bounding: capabilities(),
            effective: capabilities(),
            permitted: capabilities(),
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mount<const N: usize>(destination: &str, kind: &str, source: &str, options: [&str; N]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: words(options),
        ..Mount::default()
    }
}

fn mounts(whom: SpecFor) -> Vec<Mount> {
    let rootless = matches!(whom, SpecFor::Rootless { .. });
    let mut devpts = mount(
        "/dev/pts",
        "devpts",
        "devpts",
        ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    );
    if rootless {
        // Group 5 has no id in a map of one line.
        devpts.options.retain(|word| !word.starts_with("gid="));
    }
    let sys = if rootless {
        // Mounting sysfs takes a network namespace of one's own.
        mount("/sys", "none", "/sys", ["rbind", "nosuid", "noexec", "nodev", "ro"])
    } else {
        mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])
    };
    vec![
        mount("/proc", "proc", "proc", []),
        mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        devpts,
        mount("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
        sys,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

fn linux(whom: SpecFor) -> Linux {
    use NamespaceType as N;
    let mut kinds = match whom {
        SpecFor::Root { .. } => vec![N::Pid, N::Network, N::Ipc, N::Uts, N::Mount],
        SpecFor::Rootless { .. } => vec![N::Pid, N::Ipc, N::Uts, N::Mount],
    };
    let (SpecFor::Root { cgroup_v2 } | SpecFor::Rootless { cgroup_v2, .. }) = whom;
    if cgroup_v2 {
        kinds.push(N::Cgroup);
    }
    let mut linux = Linux {
        masked_paths: words(MASKED_PATHS),
        readonly_paths: words(READONLY_PATHS),
        ..Linux::default()
    };
    match whom {
        SpecFor::Root { .. } => {
            let deny_all = DeviceRule { allow: false, access: "rwm".to_owned(), ..DeviceRule::default() };
            linux.resources = Some(Resources { devices: vec![deny_all], ..Resources::default() });
        }
        SpecFor::Rootless { uid, gid, .. } => {
            kinds.push(N::User);
            let own = |id| Some(vec![IdMapping { container_id: 0, host_id: id, size: 1 }]);
            (linux.uid_mappings, linux.gid_mappings) = (own(uid), own(gid));
        }
    }
    linux.namespaces = kinds.into_iter().map(|kind| NamespaceEntry { kind, path: String::new() }).collect();
    linux
}
