//! The same container as an ordinary user.

use cofferdam_confinement::{MapWriter, MountIdMap, MountKind, Setgroups};
use cofferdam_policy::{ContainerRequest, HostFacts, IdAllocation, IdRange, PlanContext, plan};

use crate::fixture::{context_on, request, rootless_host, zone, zone_file};

fn context(host: HostFacts, ids: IdAllocation, request: &ContainerRequest) -> PlanContext {
    PlanContext { ids, ..context_on(host, request) }
}

#[test]
fn one_id_only() {
    let mut request = request();
    request.volumes = vec!["/home/me/x:/x".parse().unwrap()];
    let context = context(rootless_host(), IdAllocation::OwnId, &request);
    let plan = plan(&zone("default"), &request, &context).unwrap().into_plan();
    let maps = plan.namespaces.id_maps.as_ref().unwrap();
    assert_eq!((maps.writer, maps.setgroups), (MapWriter::Direct, Setgroups::Deny));
    assert_eq!((maps.host_uid(0), maps.host_uid(1)), (Some(1000), None));
    // Groups that the image alone names cannot be had, and are no reason to fail.
    assert!(plan.process.user.additional_gids.is_empty());
    let binds = plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { id_map, .. } => Some(id_map),
        _ => None,
    });
    assert!(binds.clone().count() >= 4 && binds.into_iter().all(|map| *map == MountIdMap::None));
    let pts = plan.mounts.iter().find(|mount| mount.target.as_str() == "/dev/pts").unwrap();
    assert!(
        matches!(&pts.kind, MountKind::Filesystem { options, .. } if !options.iter().any(|o| o.starts_with("gid=")))
    );
    assert_eq!(plan.sysctls["net.ipv4.ping_group_range"], "0 0");
    assert!(
        plan.cgroup.path.is_none()
            && plan.cgroup.resources == cofferdam_confinement::resources::Resources::default()
    );
    assert!(!plan.mounts.iter().any(|mount| mount.kind == MountKind::Cgroup));
    let nproc = plan.process.rlimits.iter().find(|limit| limit.resource.name() == "RLIMIT_NPROC").unwrap();
    assert_eq!(nproc.hard, 4096);
}

#[test]
fn ranges_need_their_tools() {
    let request = request();
    let range = |first| vec![IdRange { first, size: 65_536 }];
    let ids = IdAllocation::Subordinate { uids: range(100_000), gids: range(200_000) };
    let mut host = rootless_host();
    let text = plan(&zone("default"), &request, &context(host.clone(), ids.clone(), &request))
        .unwrap_err()
        .to_string();
    assert!(text.contains("newuidmap is missing"), "{text}");
    host.tools = ["newuidmap", "newgidmap"].map(str::to_owned).into();
    let plan = plan(&zone("default"), &request, &context(host, ids, &request)).unwrap().into_plan();
    let maps = plan.namespaces.id_maps.unwrap();
    assert_eq!(maps.writer, MapWriter::Newuidmap);
    assert_eq!(
        (maps.host_uid(0), maps.host_uid(1), maps.host_gid(65_536)),
        (Some(1000), Some(100_000), Some(265_535))
    );
    assert_eq!(plan.process.user.additional_gids, [29]);
}

#[test]
fn a_limit_that_nobody_could_enforce_is_an_error() {
    let mut limited = request();
    limited.resources.memory = Some("64m".parse().unwrap());
    let mut tasks = request();
    tasks.resources.pids_limit = Some("10".parse().unwrap());
    for request in [limited, tasks] {
        let context = context(rootless_host(), IdAllocation::OwnId, &request);
        let text = plan(&zone("default"), &request, &context).unwrap_err().to_string();
        assert!(text.contains("may not make cgroups") && text.contains("Delegate=yes"), "{text}");
    }
    let zone = zone_file("zone = \"z\"\n[limits]\nmemory = \"64m\"\n");
    let request = request();
    let context = context(rootless_host(), IdAllocation::OwnId, &request);
    assert!(plan(&zone, &request, &context).is_err());
}

#[test]
fn groups_and_users_beyond_the_one_id_are_an_error() {
    for change in [
        |r: &mut ContainerRequest| r.user = Some("web".to_owned()),
        |r: &mut ContainerRequest| r.group_add = vec!["audio".to_owned()],
    ] {
        let mut request = request();
        change(&mut request);
        let context = context(rootless_host(), IdAllocation::OwnId, &request);
        let text = plan(&zone("default"), &request, &context).unwrap_err().to_string();
        assert!(text.contains("/etc/subuid"), "{text}");
    }
}
