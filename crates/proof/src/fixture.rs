//! A plan that uses every control, and an observation that fulfils it: for the tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_confinement::resources::Resources;
use cofferdam_confinement::seccomp::{Action, Arch, Flags, Profile, compile};
use cofferdam_confinement::{
    Capabilities, Cgroup, CgroupPath, ClockOffset, Device, DeviceKind, Flag, Hooks, IdMapping, IdMaps,
    IoClass, IoPriority, MapWriter, MemoryMode, MemoryPolicy, Mount, MountFlags, MountIdMap, MountKind,
    NamespaceSource, Namespaces, PivotMethod, Plan, Process, Propagation, Rlimit, Root, RootSource,
    SCHEMA_VERSION, Scheduler, SchedulerPolicy, Setgroups, User,
};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{
    ClockOffsets, Descriptor, FileId, IdMapLine, Ids, Limit, ProcessStat, SetgroupsState, parse_mountinfo,
    parse_stat, parse_status,
};
use cofferdam_kernel::task::SchedAttr;
use cofferdam_runtime::cgroup::Observation as Value;

use crate::observation::{
    DeviceNode, Filters, GroupReading, HostMount, Inside, Moment, NamespaceIds, Observation, OpenFile,
    OpenFiles, PathState,
};

const RANGE: IdMapping = IdMapping { container: 0, host: 100_000, size: 65_536 };

pub(crate) fn caps(names: &[&str]) -> CapSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn mount(target: &str, kind: MountKind, flags: MountFlags) -> Mount {
    let propagation = vec![Propagation::Rprivate];
    Mount { target: target.parse().unwrap(), kind, flags, recursive_flags: MountFlags::KEEP, propagation }
}

fn mounts() -> Vec<Mount> {
    let filesystem = |fstype: &str, options: &[&str]| MountKind::Filesystem {
        fstype: fstype.to_owned(),
        source: fstype.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        copy_up: false,
    };
    let bind = MountKind::Bind {
        source: PathBuf::from("/srv/data"),
        resolved: false,
        recursive: true,
        id_map: MountIdMap::Container { recursive: false },
    };
    vec![
        mount("/proc", filesystem("proc", &[]), MountFlags::inert()),
        mount("/dev", filesystem("tmpfs", &["mode=755", "size=64k"]), MountFlags::KEEP),
        mount("/data", bind, MountFlags { readonly: Flag::Set, ..MountFlags::KEEP }),
    ]
}

fn process() -> Process {
    Process {
        args: vec!["/bin/true".to_owned()],
        env: Vec::new(),
        cwd: "/".parse().unwrap(),
        create_cwd: false,
        terminal: false,
        window: None,
        user: User { uid: 0, gid: 0, additional_gids: vec![7], umask: None },
        capabilities: Capabilities {
            bounding: caps(&["CAP_KILL", "CAP_CHOWN"]),
            effective: caps(&["CAP_KILL"]),
            permitted: caps(&["CAP_KILL"]),
            inheritable: caps(&["CAP_KILL"]),
            ambient: caps(&["CAP_KILL"]),
        },
        no_new_privileges: true,
        rlimits: vec![Rlimit { resource: "nofile".parse().unwrap(), soft: 10, hard: 20 }],
        oom_score_adj: Some(100),
        apparmor_profile: Some("box".to_owned()),
        selinux_label: Some("u:r:t:s0".to_owned()),
        scheduler: Some(Scheduler {
            policy: SchedulerPolicy::Batch,
            nice: 5,
            priority: 0,
            flags: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
        }),
        io_priority: Some(IoPriority { class: IoClass::BestEffort, level: 3 }),
        cpu_affinity: None,
        signals_wait: false,
        interpreter: None,
        seccomp: Some(Profile {
            default_action: Action::Errno(1),
            architectures: Vec::new(),
            flags: Flags::default(),
            listener: None,
            rules: Vec::new(),
        }),
    }
}

/// A plan that says something for every control.
pub(crate) fn plan() -> Plan {
    let mut namespaces = Namespaces::host();
    for kind in Namespace::ALL {
        *namespaces.source_mut(kind) = NamespaceSource::New;
    }
    namespaces.id_maps = Some(IdMaps {
        uids: vec![RANGE],
        gids: vec![RANGE],
        writer: MapWriter::Direct,
        setgroups: Setgroups::Allow,
    });
    namespaces.monotonic_offset = Some(ClockOffset { secs: 7, nanosecs: 0 });
    Plan {
        schema: SCHEMA_VERSION,
        container: "c1".parse().unwrap(),
        zone: None,
        namespaces,
        root: Root {
            source: RootSource::Directory { path: PathBuf::from("/srv/root") },
            readonly: true,
            propagation: Propagation::Rprivate,
            pivot: PivotMethod::PivotRoot,
        },
        mounts: mounts(),
        devices: vec![Device {
            path: "/dev/null".parse().unwrap(),
            host_path: PathBuf::from("/dev/null"),
            kind: DeviceKind::Character,
            major: 1,
            minor: 3,
            mode: 0o666,
            uid: 0,
            gid: 0,
        }],
        masked_paths: vec!["/proc/kcore".parse().unwrap(), "/proc/scsi".parse().unwrap()],
        readonly_paths: vec!["/proc/sys".parse().unwrap()],
        hostname: Some("inside".to_owned()),
        domainname: Some("example".to_owned()),
        sysctls: BTreeMap::from([("net.ipv4.ping_group_range".to_owned(), "0 9".to_owned())]),
        loopback_up: true,
        network: Some(network()),
        net_devices: BTreeMap::from([("veth9".to_owned(), "eth0".to_owned())]),
        session_keyring: true,
        personality: Some(8),
        memory_policy: Some(MemoryPolicy {
            mode: MemoryMode::Bind,
            meaning: None,
            balancing: false,
            nodes: [0].into(),
        }),
        cgroup: Cgroup {
            path: Some(CgroupPath::try_from("box/c1".to_owned()).unwrap()),
            owner: None,
            resources: Resources::default(),
        },
        process: process(),
        hooks: Hooks::default(),
        annotations: BTreeMap::new(),
    }
}

const MOUNTINFO: &str = "\
10 1 8:1 /srv/root / ro,relatime - ext4 /dev/sda rw\n\
11 10 0:30 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
12 10 0:31 / /dev rw,relatime - tmpfs tmpfs rw,size=64k,mode=755\n\
13 10 8:1 /srv/data /data ro,relatime,idmapped - ext4 /dev/sda rw\n\
14 13 8:2 / /data/below ro,relatime - ext4 /dev/sdb rw\n\
15 11 0:6 /null /proc/kcore rw - devtmpfs dev rw\n\
16 11 0:32 / /proc/scsi ro - tmpfs tmpfs ro\n\
17 11 0:30 /sys /proc/sys ro - proc proc rw\n";

const STATUS: &str = "Name:\tx\nUmask:\t0022\nState:\tt\nPid:\t50\nPPid:\t1\nTracerPid:\t1\nUid:\t1 1 1 1\n\
    Gid:\t1 1 1 1\nGroups:\t100007\nNSpid:\t50\t1\nThreads:\t1\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\n\
    CapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

const STAT: &str =
    "50 (x) t 1 50 50 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";

fn present(ino: u64, mode: u32, device: (u32, u32), mount: u64, mount_root: bool) -> PathState {
    PathState::Present { file: FileId { dev: 1, ino }, mode, device, mount, mount_root }
}

fn paths() -> BTreeMap<cofferdam_names::ContainerPath, crate::observation::Reading<PathState>> {
    const DIR: u32 = 0o040_755;
    const CHR: u32 = 0o020_666;
    [
        ("/", present(2, DIR, (0, 0), 10, true)),
        ("/proc", present(1, DIR, (0, 0), 11, true)),
        ("/dev", present(3, DIR, (0, 0), 12, true)),
        ("/data", present(4, DIR, (0, 0), 13, true)),
        ("/dev/null", present(5, CHR, (1, 3), 12, false)),
        ("/proc/kcore", present(6, CHR, (1, 3), 15, true)),
        ("/proc/scsi", present(7, DIR, (0, 0), 16, true)),
        ("/proc/sys", present(8, DIR, (0, 0), 17, true)),
    ]
    .into_iter()
    .map(|(path, state)| (path.parse().unwrap(), Ok(state)))
    .collect()
}

fn host_mounts() -> Vec<HostMount> {
    vec![HostMount { device: (8, 2), root: PathBuf::from("/") }]
}

fn value(control: &str, value: &str) -> Value {
    Value { control: control.to_owned(), planned: value.to_owned(), observed: value.to_owned() }
}

fn open(path: &str, ino: u64) -> OpenFile {
    OpenFile { link: PathBuf::from(path), file: FileId { dev: 1, ino }, mount: 10 }
}

fn descriptor(number: u32) -> (Descriptor, Option<u64>) {
    let target = PathBuf::from("/dev/null");
    (Descriptor { number, target, mode: 0o020_666, device: (1, 3) }, None)
}

/// What a process under [`plan`] looks like.
pub(crate) fn observation() -> Observation {
    let plan = plan();
    let mut seen = Observation::nothing(Moment::Start, "not in the fixture");
    let mut status = parse_status(STATUS.as_bytes()).unwrap();
    (status.uid, status.gid) = (Ids::all(100_000), Ids::all(100_000));
    let sets = plan.process.capabilities;
    status.cap_bounding = sets.bounding;
    status.cap_permitted = sets.permitted;
    status.cap_effective = sets.effective;
    status.cap_inheritable = sets.inheritable;
    status.cap_ambient = sets.ambient;
    seen.status = Ok(status);
    let stat: ProcessStat = parse_stat(STAT.as_bytes()).unwrap();
    seen.stat = Ok(stat);
    let map = vec![IdMapLine { inside: 0, outside: 100_000, size: 65_536 }];
    (seen.uid_map, seen.gid_map) = (Ok(map.clone()), Ok(map));
    seen.setgroups = Ok(SetgroupsState::Allow);
    let ids = NamespaceIds { own: Ok(9), host: Ok(1), joined: None };
    seen.namespaces = Namespace::ALL.into_iter().map(|kind| (kind, ids.clone())).collect();
    seen.timens_offsets = Ok(ClockOffsets { monotonic: (7, 0), boottime: (0, 0) });
    seen.mounts = Ok(parse_mountinfo(MOUNTINFO.as_bytes()).unwrap());
    seen.host_mounts = Ok(host_mounts());
    seen.paths = paths();
    seen.sources = BTreeMap::from([(2, Ok(FileId { dev: 1, ino: 4 }))]);
    seen.root_source = Some(Ok(FileId { dev: 1, ino: 2 }));
    seen.device_nodes = Ok(vec![DeviceNode { path: "/dev/null".to_owned(), block: false, device: (1, 3) }]);
    seen.limits = Ok(vec![Limit { resource: "nofile".parse().unwrap(), soft: 10, hard: 20 }]);
    seen.oom_score_adj = Ok(100);
    seen.personality = Ok(8);
    seen.memory_policy = Ok(Some("bind:0".to_owned()));
    seen.scheduler = Ok(SchedAttr { policy: 3, nice: 5, ..SchedAttr::default() });
    seen.io_priority = Ok((2 << 13) | 3);
    seen.security_label = Ok(Some("u:r:t:s0".to_owned()));
    seen.apparmor_label = Ok(Some("box (enforce)".to_owned()));
    let profile = plan.process.seccomp.as_ref().unwrap();
    let filter = compile(profile, Arch::native().unwrap()).unwrap().program;
    seen.filters = Filters { installed: Ok(vec![filter]), witnessed: None };
    seen.group = GroupReading {
        limits: Ok(vec![value("pids.limit", "7")]),
        membership: Ok(vec![value("member of /sys/fs/cgroup", "/box/c1")]),
    };
    seen.population = Some(Ok(crate::observation::Population::default()));
    seen.files = Ok(OpenFiles {
        descriptors: Ok(vec![descriptor(0), descriptor(1), descriptor(2)]),
        exe: Ok(open("/bin/true", 40)),
        cwd: Ok(open("/", 2)),
        root: Ok(open("/", 2)),
    });
    seen.observer.exe = Ok(FileId { dev: 1, ino: 41 });
    seen.inside = Ok(Inside {
        hostname: "inside".to_owned(),
        domainname: "example".to_owned(),
        sysctls: BTreeMap::from([(
            "net.ipv4.ping_group_range".to_owned(),
            Some("100000\t100009".to_owned()),
        )]),
        own_ids: false,
    });
    seen.net_links = Ok(vec!["lo".to_owned(), "eth0".to_owned()]);
    seen.loopback_up = Ok(true);
    let part = |item: &str, value: &str| cofferdam_network::Part {
        item: item.to_owned(),
        planned: value.to_owned(),
        found: Ok(value.to_owned()),
    };
    seen.network = Ok(vec![part("eth1", "up"), part("chain out", "its 3 rules")]);
    seen
}

/// The network of the fixture's plan.
fn network() -> cofferdam_confinement::network::Network {
    use cofferdam_confinement::network::{Address, Link, Network, ZoneRules};
    Network {
        realm: "/srv".to_owned(),
        zone: "web".parse().unwrap(),
        link: Link {
            host_name: "cfd0123".to_owned(),
            name: "eth1".to_owned(),
            host_mac: "06:00:00:00:00:01".parse().unwrap(),
            mac: "02:00:00:00:00:01".parse().unwrap(),
            mtu: 1500,
        },
        addresses: vec![Address {
            address: "10.207.0.16".parse().unwrap(),
            gateway: "10.207.0.1".parse().unwrap(),
        }],
        segments: Vec::new(),
        labels: BTreeMap::new(),
        published: Vec::new(),
        rules: ZoneRules {
            trust: true,
            egress: Vec::new(),
            ingress: Vec::new(),
            connections: None,
            connections_per_second: None,
            zone_connections: None,
            log: false,
        },
        resolver: false,
        outlet: None,
    }
}

/// A fourth descriptor, and one that is a folder of the host's.
pub(crate) fn leaked(number: u32, folder: bool) -> (Descriptor, Option<u64>) {
    let mode = if folder { 0o040_755 } else { 0o100_644 };
    let target = PathBuf::from("/srv");
    (Descriptor { number, target, mode, device: (0, 0) }, folder.then_some(900))
}
