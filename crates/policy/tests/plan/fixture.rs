//! A host, an image and a container to plan for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_confinement::network::Protocol;
use cofferdam_confinement::{DeviceKind, IdMapping, PivotMethod, Plan, Propagation, Root, RootSource};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_policy::{
    BindSource, CgroupMode, ContainerRequest, HostDevice, HostFacts, IdAllocation, IdRange, ImageConfig,
    ImageOrigin, JoinedContainer, MountedImage, PlanContext, PolicyError, VolumeSource, Zone, builtin_zone,
    parse_zone, plan,
};

/// A host with root's rights and cgroup v1, as the test machine is.
pub fn host() -> HostFacts {
    HostFacts {
        kernel: (6, 18),
        cgroup_mode: CgroupMode::V1,
        cgroup_controllers: ["memory", "cpu", "cpuset", "pids", "blkio", "devices"].map(str::to_owned).into(),
        cgroup_delegated: true,
        lsms: vec!["capability".to_owned(), "landlock".to_owned()],
        rootless: false,
        uid: 0,
        gid: 0,
        capabilities: CapSet::full(),
        nofile_hard: 20_000,
        oom_score_adj: 0,
        cpus: 2,
        online_cpus: Some("0-1".try_into().unwrap()),
        online_mems: Some("0".try_into().unwrap()),
        memory: 24 << 30,
        tools: BTreeSet::new(),
        tun: false,
        lowest_port: 0,
    }
}

/// An ordinary user's host without ranges and without cgroups.
pub fn rootless_host() -> HostFacts {
    HostFacts {
        rootless: true,
        uid: 1000,
        gid: 1000,
        capabilities: CapSet::EMPTY,
        cgroup_delegated: false,
        cgroup_controllers: BTreeSet::new(),
        ..host()
    }
}

fn root() -> Root {
    Root {
        source: RootSource::Overlay {
            lower: vec!["/var/lib/cofferdam/images/debian".into()],
            stack: None,
            upper: "/var/lib/cofferdam/containers/x/upper".into(),
            work: "/var/lib/cofferdam/containers/x/work".into(),
            mountpoint: "/var/lib/cofferdam/containers/x/root".into(),
            id_mapped: true,
            volatile: true,
            userxattr: false,
        },
        readonly: false,
        propagation: Propagation::Rprivate,
        pivot: PivotMethod::PivotRoot,
    }
}

/// The devices that the engine would look at for this request: all have one number.
fn devices(zone: &Zone, request: &ContainerRequest) -> BTreeMap<PathBuf, HostDevice> {
    let device = |path: &std::path::Path| {
        let kind = if path.starts_with("/dev/sda") { DeviceKind::Block } else { DeviceKind::Character };
        (path.to_owned(), HostDevice { kind, major: 10, minor: 229, mode: 0o20_666 })
    };
    request.device_sources(zone).map(device).collect()
}

/// What the engine would gather for this request on this host.
pub fn context_on(host: HostFacts, request: &ContainerRequest) -> PlanContext {
    let bind = |path: &std::path::Path| {
        let canonical = path.to_owned();
        (path.to_owned(), BindSource { canonical, directory: true })
    };
    PlanContext {
        interpreter: None,
        container: "0123456789abcdef".parse().unwrap(),
        ids: IdAllocation::Range(IdRange { first: 1_000_000, size: 65_536 }),
        root: root(),
        image_mounts: Vec::new(),
        image: ImageConfig {
            env: vec!["LANG=C".to_owned(), "broken".to_owned()],
            cmd: vec!["/bin/sh".to_owned()],
            ..ImageConfig::default()
        },
        origin: ImageOrigin { names: request.image.parse().into_iter().collect(), ..ImageOrigin::default() },
        passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\n".to_owned(),
        group: "root:x:0:\naudio:x:29:web,root\n".to_owned(),
        host,
        state_dir: "/var/lib/cofferdam/containers/0123456789abcdef".into(),
        engine_dirs: vec!["/var/lib/cofferdam".into(), "/run/cofferdam".into()],
        init_program: Some("/usr/bin/cofferdam".into()),
        bind_sources: request.bind_sources().map(bind).collect(),
        volumes: request.volume_names().map(|name| (name.to_owned(), volume(name))).collect(),
        mounted_images: request.mounted_images().map(|(name, _)| (name.to_owned(), mounted(name))).collect(),
        host_devices: devices(&zone("default"), request),
        joined: request.joined_containers().map(|name| (name.to_owned(), neighbour("default"))).collect(),
        network: Some(cofferdam_policy::NetworkContext {
            realm: "/var/lib/cofferdam".to_owned(),
            pool4: "10.207.0.0/16".parse().unwrap(),
            pool6: Some("fdcf:0:0:1::/64".parse().unwrap()),
            place: 0,
            mtu: 1500,
            segments: vec!["front".to_owned()],
            free_ports: vec![40_001, 40_002],
            busy_ports: BTreeSet::from([(Protocol::Tcp, 7000)]),
        }),
        window: None,
    }
}

/// A volume; the zone that it belongs to is in its name.
fn volume(name: &str) -> VolumeSource {
    let zone = name.split('-').next().unwrap_or_default();
    VolumeSource {
        folder: format!("/var/lib/cofferdam/volumes/{name}/data").into(),
        zone: zone.parse().unwrap(),
    }
}

/// An image of two layers, of this name.
fn mounted(name: &str) -> MountedImage {
    MountedImage {
        id: format!("sha256:{}", "0b".repeat(32)),
        lower: vec!["/layers/b/layer.erofs".into(), "/layers/a/layer.erofs".into()],
        stack: None,
        origin: ImageOrigin { names: name.parse().into_iter().collect(), ..ImageOrigin::default() },
    }
}

/// Another running container.
pub fn neighbour(zone: &str) -> JoinedContainer {
    let line = IdMapping { container: 0, host: 2_000_000, size: 65_536 };
    let file = |kind: Namespace| (kind, PathBuf::from(format!("/proc/7/ns/{}", kind.link_name())));
    JoinedContainer {
        id: "fedcba".parse().unwrap(),
        zone: zone.parse().unwrap(),
        namespaces: Namespace::ALL.into_iter().map(file).collect::<BTreeMap<_, _>>(),
        id_maps: Some(cofferdam_confinement::IdMaps {
            uids: vec![line],
            gids: vec![line],
            writer: cofferdam_confinement::MapWriter::Direct,
            setgroups: cofferdam_confinement::Setgroups::Allow,
        }),
        ipc_shareable: false,
    }
}

pub fn zone(name: &str) -> Zone {
    builtin_zone(name).unwrap()
}

pub fn zone_file(text: &str) -> Zone {
    parse_zone("/zones/test.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

pub fn request() -> ContainerRequest {
    ContainerRequest::new("debian")
}

/// The plan on a root host.
pub fn try_plan(zone: &Zone, request: &ContainerRequest) -> Result<Plan, PolicyError> {
    let context = PlanContext { host_devices: devices(zone, request), ..context_on(host(), request) };
    plan(zone, request, &context).map(cofferdam_policy::Admitted::into_plan)
}

pub fn planned(zone: &Zone, request: &ContainerRequest) -> Plan {
    try_plan(zone, request).unwrap_or_else(|error| panic!("{error}"))
}

/// The refusal's text.
pub fn refused(zone: &Zone, request: &ContainerRequest) -> String {
    match try_plan(zone, request) {
        Ok(_) => panic!("it was not refused: {request:?}"),
        Err(error) => error.to_string(),
    }
}
