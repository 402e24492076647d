//! Whatever is asked: a plan that comes out is never looser than its zone.

use std::path::PathBuf;
use std::sync::LazyLock;

use cofferdam_confinement::resources::Limit;
use cofferdam_confinement::{Flag, MountKind, NamespaceSource, Plan};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_policy::{
    BindSource, ByteSize, CapabilityWord, Ceiling, ContainerRequest, CpuCount, MountAccess, NamespaceMode,
    NetworkAccess, NetworkMode, SecurityOption, Ulimit, VolumeRequest, Zone, plan,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::fixture::{context_on, host, rootless_host, zone, zone_file};

static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    vec![
        zone("default"),
        zone("strict"),
        zone("host-tools"),
        zone_file(
            "zone = \"tight\"\nbase = \"strict\"\n[process]\ncapabilities_max = [\"KILL\"]\n[limits]\nmemory = \"64m\"\n\
             memory_max = \"128m\"\ncpus = 0.5\npids = 10\n[mounts.access]\n\"/srv\" = \"write\"\n\"/srv/secret\" = \"none\"\n",
        ),
        zone_file(
            "zone = \"open\"\n[process]\nnew_privileges = true\ncapabilities = [\"SYS_ADMIN\", \"KILL\"]\n\
             [namespaces]\nhost = [\"uts\"]\n[devices.access]\n\"/dev/fuse\" = \"r\"\n[network]\nhost = true\npublish = [\"1-1000\"]\n[images]\nallowed = [\"host\", \"debian*\"]\n",
        ),
    ]
});

fn capability_word() -> impl Strategy<Value = CapabilityWord> {
    prop_oneof![
        9 => select(Capability::all().collect::<Vec<_>>()).prop_map(CapabilityWord::One),
        1 => Just(CapabilityWord::All),
    ]
}

/// None most of the time: every refusal hides what the rest of a request would have done.
fn few<S: Strategy>(element: S) -> impl Strategy<Value = Vec<S::Value>>
where
    S::Value: Clone,
{
    prop_oneof![8 => Just(Vec::new()), 2 => prop::collection::vec(element, 1..3)]
}

fn security_option() -> impl Strategy<Value = SecurityOption> {
    select(vec![
        "no-new-privileges",
        "no-new-privileges=false",
        "seccomp=unconfined",
        "seccomp=builtin",
        "seccomp=strict",
        "apparmor=unconfined",
        "label=disable",
        "systempaths=unconfined",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn mode() -> impl Strategy<Value = NamespaceMode> {
    select(vec!["private", "host", "container:web", "none"]).prop_map(|text| text.parse().unwrap())
}

fn volume() -> impl Strategy<Value = VolumeRequest> {
    let source =
        select(vec!["/", "/srv", "/srv/secret", "/srv/secret/x", "/etc", "/usr/bin", "/home/me", "/run"]);
    let target = select(vec!["/a", "/b/../c", "/proc/x", "/etc", "/dev/shm", "/x/../sys"]);
    (source, target, select(vec!["", ":ro", ":rw", ":rslave", ":rshared"]))
        .prop_map(|(source, target, options)| format!("{source}:{target}{options}").parse().unwrap())
}

fn ulimit() -> impl Strategy<Value = Ulimit> {
    (select(vec!["nofile", "core", "rtprio", "memlock", "nproc"]), any::<u64>())
        .prop_map(|(name, hard)| Ulimit { resource: name.parse().unwrap(), soft: hard / 2, hard })
}

prop_compose! {
    fn isolation()(
        privileged in prop::bool::weighted(0.02),
        read_only in any::<bool>(),
        cap_add in few(capability_word()),
        cap_drop in few(capability_word()),
        security_options in few(security_option()),
        pid in prop::option::weighted(0.08, mode()),
        ipc in prop::option::weighted(0.08, mode()),
        uts in prop::option::weighted(0.08, mode()),
        userns in prop::option::weighted(0.06, mode()),
        cgroupns in prop::option::weighted(0.06, mode()),
        network in prop::option::weighted(0.08, select(vec!["none", "host", "bridge", "container:web", "x"])),
        publish in few(select(vec!["80:80", "127.0.0.1:8000:80", "90", "1-3:1-3/udp"])),
    ) -> ContainerRequest {
        let mut request = ContainerRequest::new("debian");
        (request.privileged, request.read_only) = (privileged, read_only);
        (request.cap_add, request.cap_drop, request.security_options) = (cap_add, cap_drop, security_options);
        (request.namespaces.pid, request.namespaces.ipc, request.namespaces.uts) = (pid, ipc, uts);
        (request.namespaces.userns, request.namespaces.cgroupns) = (userns, cgroupns);
        request.network.publish = publish.into_iter().map(str::to_owned).collect();
        request.network.mode = network.map(|text| NetworkMode::from(text.to_owned()));
        request
    }
}

prop_compose! {
    fn any_request()(
        mut request in isolation(),
        image in select(vec!["debian", "host"]),
        volumes in few(volume()),
        ulimits in few(ulimit()),
        memory in prop::option::weighted(0.12, 0u64..300 << 20),
        swap in prop::option::weighted(0.12, prop_oneof![Just(Ceiling::Unlimited), (0u64..600 << 20).prop_map(Ceiling::Max)]),
        cpus in prop::option::weighted(0.12, 1u64..4_000_000_000),
        quota in prop::option::weighted(0.12, -1i64..400_000),
        pids in prop::option::weighted(0.12, prop_oneof![Just(Ceiling::Unlimited), (0u64..100_000).prop_map(Ceiling::Max)]),
        oom in prop::option::weighted(0.12, -1000i32..1000),
        device in prop::option::weighted(0.08, select(vec!["/dev/fuse:r", "/dev/fuse", "/dev/sda"])),
        user in prop::option::weighted(0.12, select(vec!["web", "0", "5:6", "70000"])),
    ) -> ContainerRequest {
        request.image = image.to_owned();
        (request.volumes, request.ulimits, request.oom_score_adj) = (volumes, ulimits, oom);
        request.resources.memory = memory.map(ByteSize);
        request.resources.memory_swap = swap;
        request.resources.cpus = cpus.map(CpuCount);
        request.resources.cpu_quota = quota;
        request.resources.pids_limit = pids;
        request.devices = device.into_iter().map(|text| text.parse().unwrap()).collect();
        request.user = user.map(str::to_owned);
        request
    }
}

/// Every part of the plan against the zone.
fn check(zone: &Zone, request: &ContainerRequest, plan: &Plan) {
    let process = &plan.process;
    let max = zone.process.capabilities_max.value;
    for set in [process.capabilities.bounding, process.capabilities.effective, process.capabilities.permitted]
    {
        assert!(set.is_subset(max));
    }
    assert!(process.capabilities.inheritable.is_empty() && process.capabilities.ambient.is_empty());
    assert!(process.no_new_privileges || zone.process.new_privileges.value);
    assert!(plan.root.readonly || zone.process.writable.value);
    assert!(process.seccomp.is_some());
    assert!(!plan.masked_paths.is_empty() && !plan.readonly_paths.is_empty());
    for kind in Namespace::ALL {
        let host = *plan.namespaces.source(kind) == NamespaceSource::Host;
        let network = kind == Namespace::Network && zone.network.host.value;
        assert!(
            !host || kind == Namespace::Time || network || zone.namespaces.host.value.contains(&kind),
            "{kind:?}"
        );
    }
    if let Some(network) = &plan.network {
        assert_eq!(zone.network.mode.value, NetworkAccess::Zone);
        assert_eq!(network.rules, zone.network.packet_rules());
        let allowed = |port| zone.network.publish.value.iter().any(|range| range.allows(port));
        assert!(network.published.iter().all(allowed));
    }
    let maps = plan.namespaces.id_maps.as_ref().unwrap();
    assert!(maps.uids.iter().chain(&maps.gids).all(|line| line.host > 0));
    assert!(maps.host_uid(process.user.uid).is_some() && maps.host_gid(process.user.gid).is_some());
    assert!(process.oom_score_adj.unwrap() >= zone.limits.oom_score_adj_min.value);
    for limit in &process.rlimits {
        let own = zone.limits.ulimits.value.get(&limit.resource).map_or(u64::MAX, |own| own.hard);
        let max = zone.limits.ulimits_max.value.get(&limit.resource).copied().unwrap_or(own);
        assert!(limit.hard <= max && limit.soft <= limit.hard, "{limit:?}");
    }
    check_limits(zone, plan);
    for mount in plan.mounts.iter().filter(|mount| request.volumes.iter().any(|v| mount_is(v, mount))) {
        let MountKind::Bind { source, .. } = &mount.kind else { panic!("{mount:?}") };
        let (access, _) = zone.mounts.access_to(source);
        assert!(access > MountAccess::None, "{mount:?}");
        assert!(access == MountAccess::Write || mount.flags.readonly == Flag::Set, "{mount:?}");
        assert!(mount.flags.nosuid == Flag::Set && mount.flags.nodev == Flag::Set);
    }
    for device in plan.devices.iter().skip(6) {
        assert!(zone.devices.value.contains_key(&device.host_path));
    }
}

fn mount_is(volume: &VolumeRequest, mount: &cofferdam_confinement::Mount) -> bool {
    let cofferdam_policy::VolumeKind::Bind { source, .. } = &volume.kind else { return false };
    matches!(&mount.kind, MountKind::Bind { source: own, .. } if own == source)
}

fn check_limits(zone: &Zone, plan: &Plan) {
    let resources = &plan.cgroup.resources;
    let memory = resources.memory.limit.unwrap_or(Limit::Max);
    assert!(memory <= zone.limits.memory_max.value);
    assert!(memory == Limit::Max || resources.memory.swap.is_some(), "swap is no way around");
    let nproc = plan.process.rlimits.iter().find(|limit| limit.resource.name() == "RLIMIT_NPROC");
    let tasks = resources.pids.or(nproc.map(|limit| Limit::Value(limit.hard))).unwrap_or(Limit::Max);
    assert!(tasks <= zone.limits.pids_max.value, "{tasks:?}");
    if let Limit::Value(max) = zone.limits.cpus_max.value {
        let (quota, period) = (resources.cpu.quota.unwrap(), resources.cpu.period.unwrap());
        let quota = u128::from(quota.value().unwrap());
        // The kernel's least quota is a millisecond.
        assert!(quota == 1_000 || quota * 1_000_000_000 <= u128::from(max) * u128::from(period));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_gets_more_than_its_zone(request in any_request(), index in 0usize..5, rootless: bool) {
        let zone = &ZONES[index];
        let mut context = context_on(if rootless { rootless_host() } else { host() }, &request);
        for joined in context.joined.values_mut() {
            joined.zone = zone.name.value.clone();
        }
        if let Ok(admitted) = plan(zone, &request, &context) {
            check(zone, &request, admitted.plan());
        }
    }

    #[test]
    fn where_a_link_leads_decides(source in select(vec!["/etc", "/srv/secret", "/srv", "/"])) {
        let mut request = ContainerRequest::new("debian");
        request.volumes = vec!["/srv/link:/x".parse().unwrap()];
        for zone in ZONES.iter() {
            let mut context = context_on(host(), &request);
            let canonical = PathBuf::from(source);
            context.bind_sources = [("/srv/link".into(), BindSource { canonical, directory: true })].into();
            if let Ok(admitted) = plan(zone, &request, &context) {
                let mounts = &admitted.plan().mounts;
                let mount = mounts.iter().find(|mount| mount.target.as_str() == "/x").unwrap();
                let MountKind::Bind { source, .. } = &mount.kind else { panic!("{mount:?}") };
                prop_assert!(zone.mounts.access_to(source).0 > MountAccess::None);
            }
        }
    }
}

#[test]
fn enough_requests_become_plans_for_the_property_to_mean_something() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut plans = 0;
    for round in 0..600 {
        let request = any_request().new_tree(&mut runner).unwrap().current();
        let zone = &ZONES[round % ZONES.len()];
        plans += usize::from(plan(zone, &request, &context_on(host(), &request)).is_ok());
    }
    assert!(plans > 100, "{plans} of 600");
}
