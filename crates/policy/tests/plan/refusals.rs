//! What a zone, this host or the state of the work does not allow: refused in full sentences.

use cofferdam_policy::{ContainerRequest, PolicyError, VolumeRequest, plan};

use crate::fixture::{context_on, host, neighbour, planned, refused, request, try_plan, zone, zone_file};

/// A request with one thing in it.
fn asking(change: impl FnOnce(&mut ContainerRequest)) -> ContainerRequest {
    let mut request = request();
    change(&mut request);
    request
}

#[test]
fn a_refusal_names_the_zone_the_line_the_ceiling_and_a_way_out() {
    let zone = zone_file("zone = \"web\"\n\n[process]\ncapabilities_max = [\"CHOWN\", \"KILL\"]\n");
    assert_eq!(
        refused(&zone, &asking(|r| r.cap_add = vec!["sys_admin".parse().unwrap()])),
        "--cap-add SYS_ADMIN: zone `web`, /zones/test.toml:4: capabilities_max is CHOWN, KILL; \
         leave it out, or run in a zone that allows it (--zone)"
    );
}

#[test]
fn loosening_is_refused_in_every_built_in_zone() {
    let option = |text: &str| text.parse().unwrap();
    let cases: Vec<(&str, ContainerRequest)> = vec![
        ("--privileged", asking(|r| r.privileged = true)),
        ("--cap-add", asking(|r| r.cap_add = vec!["NET_ADMIN".parse().unwrap()])),
        ("--cap-add ALL", asking(|r| r.cap_add = vec!["all".parse().unwrap()])),
        ("--pid=host", asking(|r| r.namespaces.pid = Some(option_mode("host")))),
        ("--ipc=host", asking(|r| r.namespaces.ipc = Some(option_mode("host")))),
        ("--uts=host", asking(|r| r.namespaces.uts = Some(option_mode("host")))),
        ("--userns=host", asking(|r| r.namespaces.userns = Some(option_mode("host")))),
        ("--cgroupns=host", asking(|r| r.namespaces.cgroupns = Some(option_mode("host")))),
        ("--network host", asking(|r| r.network.mode = Some("host".parse().unwrap()))),
        ("seccomp=unconfined", asking(|r| r.security_options = vec![option("seccomp=unconfined")])),
        ("systempaths", asking(|r| r.security_options = vec![option("systempaths=unconfined")])),
        ("no-new-privileges", asking(|r| r.security_options = vec![option("no-new-privileges=false")])),
        ("--pids-limit", asking(|r| r.resources.pids_limit = Some("-1".parse().unwrap()))),
        ("--oom-score-adj", asking(|r| r.oom_score_adj = Some(-1))),
        ("--ulimit", asking(|r| r.ulimits = vec!["rtprio=1".parse().unwrap()])),
        ("--ulimit", asking(|r| r.ulimits = vec!["nofile=2000000".parse().unwrap()])),
        ("--device", asking(|r| r.devices = vec!["/dev/sda".parse().unwrap()])),
        ("volume", asking(|r| r.volumes = vec!["/:/host:ro".parse().unwrap()])),
        ("volume", asking(|r| r.volumes = vec!["/etc:/x:ro".parse().unwrap()])),
        ("volume", asking(|r| r.volumes = vec!["/var/lib/cofferdam/x:/x:ro".parse().unwrap()])),
        ("volume", asking(|r| r.volumes = vec!["/run/docker.sock:/x".parse().unwrap()])),
        ("volume", asking(|r| r.volumes = vec!["/usr/bin:/x:rw".parse().unwrap()])),
        ("suid", asking(|r| r.tmpfs = vec!["/x:suid".parse().unwrap()])),
    ];
    for name in ["default", "strict", "host-tools"] {
        let zone = zone(name);
        for (word, request) in &cases {
            let text = refused(&zone, request);
            assert!(text.contains(word), "{name}: {word}: {text}");
            assert!(text.contains(&format!("zone `{name}`, <built in>/{name}.toml:")), "{text}");
        }
    }
    let strict = zone("strict");
    assert!(refused(&strict, &asking(|r| r.volumes = vec!["/srv:/srv:rw".parse().unwrap()])).contains(":ro"));
    assert!(
        refused(&strict, &asking(|r| r.namespaces.pid = Some(option_mode("container:x")))).contains("share")
    );
}

/// As with Docker, a container says at its start that others may come to its IPC.
#[test]
fn ipc_is_shared_by_who_says_so() {
    let sharing = asking(|r| r.namespaces.ipc = Some(option_mode("container:x")));
    let text = refused(&zone("default"), &sharing);
    assert!(text.contains("x was not started with --ipc shareable"), "{text}");
    let mut context = context_on(host(), &sharing);
    for other in context.joined.values_mut() {
        other.ipc_shareable = true;
    }
    let planned = plan(&zone("default"), &sharing, &context).unwrap().into_plan();
    let shm = planned.mounts.iter().find(|mount| mount.target.as_str() == "/dev/shm").unwrap();
    let shared = std::path::Path::new("/proc/7/root/dev/shm");
    assert!(matches!(&shm.kind, cofferdam_confinement::MountKind::Bind { source, .. } if source == shared));
    let sized = ContainerRequest { shm_size: Some("1m".parse().unwrap()), ..sharing };
    assert!(plan(&zone("default"), &sized, &context).unwrap_err().to_string().contains("--shm-size"));
    let shareable = asking(|r| r.namespaces.ipc = Some(option_mode("shareable")));
    assert!(try_plan(&zone("strict"), &shareable).is_ok(), "it is private until somebody comes");
}

#[test]
fn processors_that_the_host_lacks_are_told() {
    let asked = |cpus: &str, mems: &str| {
        let mut request = request();
        request.resources.cpuset_cpus = Some(cpus.to_owned());
        request.resources.cpuset_mems = Some(mems.to_owned());
        request
    };
    assert!(try_plan(&zone("default"), &asked("0-1", "0")).is_ok());
    let text = refused(&zone("default"), &asked("7", "0"));
    assert_eq!(text, "--cpuset-cpus 7: this host has 0-1");
    assert!(refused(&zone("default"), &asked("0", "0-1")).contains("--cpuset-mems 0-1: this host has 0"));
}

/// A second node of what stands in every /dev is not looser; nothing else is let in by that.
#[test]
fn a_device_that_every_container_has_needs_no_zone() {
    let asking = |device: &str| {
        let mut request = request();
        request.devices = vec![device.parse().unwrap()];
        request
    };
    for device in ["/dev/null", "/dev/zero:/dev/zzz:r"] {
        assert!(try_plan(&zone("strict"), &asking(device)).is_ok(), "{device}");
    }
    assert!(refused(&zone("default"), &asking("/dev/kmsg:/dev/null")).contains("devices.access"));
}

#[test]
fn no_volume_stands_over_the_terminals() {
    let mut request = request();
    request.volumes = vec!["/srv:/dev/pts".parse().unwrap()];
    assert!(refused(&zone("default"), &request).contains("/dev/pts"));
    request.volumes = vec!["/srv:/dev/shm".parse().unwrap()];
    assert!(try_plan(&zone("default"), &request).is_ok());
}

fn option_mode(text: &str) -> cofferdam_policy::NamespaceMode {
    text.parse().unwrap()
}

#[test]
fn what_is_not_built_is_refused_and_not_ignored() {
    let zone = zone("default");
    for (word, request) in [
        ("label", asking(|r| r.security_options = vec!["label=type:x_t".parse().unwrap()])),
        ("--cpu-rt", asking(|r| r.resources.cpu_rt_runtime = Some(1))),
    ] {
        let text = refused(&zone, &request);
        assert!(text.contains(word) && text.contains("not built yet"), "{word}: {text}");
    }
}

#[test]
fn a_part_of_a_volume_is_inside_it() {
    let zone = zone("default");
    for bad in ["../x", "a/../../x", "/etc", "."] {
        let request = asking(|r| {
            let text = format!("type=volume,src=default-data,dst=/data,volume-subpath={bad}");
            r.volumes = vec![VolumeRequest::parse_mount(&text).unwrap()];
        });
        assert!(refused(&zone, &request).contains("volume-subpath"), "{bad}");
    }
}

#[test]
fn what_this_host_lacks_is_named() {
    let zone = zone("default");
    let on = |host: cofferdam_policy::HostFacts, request: &ContainerRequest| {
        plan(&zone, request, &context_on(host, request)).unwrap_err().to_string()
    };
    let profile = asking(|r| r.security_options = vec!["apparmor=web".parse().unwrap()]);
    assert!(on(host(), &profile).contains("active security modules are capability, landlock"));
    let mut no_memory = host();
    no_memory.cgroup_controllers.remove("memory");
    let limited = asking(|r| r.resources.memory = Some("64m".parse().unwrap()));
    assert!(on(no_memory, &limited).contains("\"memory\" is not available"));
    let mut unprivileged = host();
    unprivileged.capabilities = cofferdam_kernel::capability::CapSet::EMPTY;
    let files = asking(|r| r.ulimits = vec!["nofile=30000".parse().unwrap()]);
    assert!(on(unprivileged, &files).contains("hard limit is 20000"));
    let mut v2 = host();
    v2.cgroup_mode = cofferdam_policy::CgroupMode::V2;
    let hangs = asking(|r| {
        r.resources.oom_kill_disable = true;
        r.resources.memory = Some("64m".parse().unwrap());
    });
    assert!(on(v2, &hangs).contains("cgroup v2 has no such control"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let zone = zone("default");
    for request in [
        asking(|r| r.volumes = vec!["/srv:/a".parse().unwrap(), "/srv:/b/../a".parse().unwrap()]),
        asking(|r| r.volumes = vec!["/srv:/x/../proc/y".parse().unwrap()]),
        asking(|r| r.volumes = vec!["/srv:/dev".parse().unwrap()]),
        asking(|r| r.volumes = vec!["/srv:/x:rshared".parse().unwrap()]),
        asking(|r| r.tmpfs = vec!["/sys/fs".parse().unwrap()]),
        asking(|r| r.tmpfs = vec!["/x:dev".parse().unwrap()]),
        asking(|r| r.user = Some("nobody-here".to_owned())),
        asking(|r| r.user = Some("70000".to_owned())),
        asking(|r| r.group_add = vec!["70000".to_owned()]),
        asking(|r| r.hostname = Some("a b".to_owned())),
        asking(|r| r.hostname = Some("a\nb".to_owned())),
        asking(|r| r.sysctls = [("kernel.core_pattern".to_owned(), "|/x".to_owned())].into()),
        asking(|r| r.sysctls = [("net.x".to_owned(), "1\n2".to_owned())].into()),
        asking(|r| r.sysctls = [("net./../../kernel".to_owned(), "1".to_owned())].into()),
        asking(|r| r.sysctls = [("net..x".to_owned(), "1".to_owned())].into()),
        asking(|r| r.resources.memory = Some("1m".parse().unwrap())),
        asking(|r| r.resources.memory_swap = Some("1m".parse().unwrap())),
        asking(|r| r.resources.cpus = Some("3".parse().unwrap())),
        asking(|r| r.resources.cpuset_cpus = Some("x".to_owned())),
        asking(|r| r.stop_signal = Some("SIGX".to_owned())),
        asking(|r| r.zone = Some("strict".parse().unwrap())),
        asking(|r| {
            r.rm = true;
            r.restart = "always".parse().unwrap();
        }),
        asking(|r| r.env = vec!["A".parse().unwrap()]),
        asking(|r| r.command = vec!["a\0".to_owned()]),
    ] {
        assert!(try_plan(&zone, &request).is_err(), "{request:?}");
    }
}

#[test]
fn cve_2022_0811_a_sysctl_value_is_one_value() {
    let request = asking(|r| {
        r.sysctls = [("kernel.shm_rmid_forced".to_owned(), "1\n+kernel.core_pattern=|/x".to_owned())].into()
    });
    assert!(refused(&zone("default"), &request).contains("one line"));
}

#[test]
fn a_volume_of_another_zone_stays_out_unless_the_zone_names_it() {
    let asks = asking(|r| r.volumes = vec!["strict-data:/data".parse().unwrap()]);
    let text = refused(&zone("default"), &asks);
    assert!(
        text.contains("`default`") && text.contains("`strict`") && text.contains("volumes_from"),
        "{text}"
    );
    let text = zone("default").to_toml().replace("volumes_from = []", "volumes_from = [\"strict\"]");
    planned(&zone_file(&text), &asks);
    planned(&zone("default"), &asking(|r| r.volumes = vec!["default-data:/data".parse().unwrap()]));
}

/// What CAP_SYS_ADMIN could make writable again is not planned beside it.
#[test]
fn sys_admin_and_read_only_mounts_exclude_each_other() {
    let text =
        zone("default").to_toml().replace("capabilities_max = [", "capabilities_max = [\"SYS_ADMIN\", ");
    let zone = zone_file(&text.replace("volumes_from = []", "volumes_from = [\"strict\"]"));
    let admin = |change: fn(&mut ContainerRequest)| {
        let mut request = asking(change);
        request.cap_add = vec!["SYS_ADMIN".parse().unwrap()];
        request
    };
    planned(&zone, &admin(|r| r.volumes = vec!["/srv:/x".parse().unwrap()]));
    for request in [
        admin(|r| r.volumes = vec!["/srv:/x:ro".parse().unwrap()]),
        admin(|r| r.volumes = vec!["strict-data:/x:ro".parse().unwrap()]),
        admin(|r| r.read_only = true),
        admin(|r| r.init = true),
    ] {
        let text = refused(&zone, &request);
        assert!(text.contains("SYS_ADMIN") && text.contains("read-only"), "{text}");
    }
}

#[test]
fn cve_2019_19921_no_volume_over_proc() {
    for target in ["/proc", "/proc/self/attr", "//proc/", "/./proc", "/a/../proc"] {
        let request = asking(|r| r.volumes = vec![format!("/srv:{target}").parse().unwrap()]);
        assert!(refused(&zone("default"), &request).contains("/proc"), "{target}");
    }
}

#[test]
fn a_neighbour_of_another_zone_is_out_of_reach() {
    let request = asking(|r| r.namespaces.pid = Some(option_mode("container:x")));
    let mut context = context_on(host(), &request);
    context.joined = [("x".to_owned(), neighbour("other"))].into();
    let error = plan(&zone("default"), &request, &context).unwrap_err();
    assert!(matches!(&error, PolicyError::BeyondZone { .. }), "{error}");
    context.joined.clear();
    let error = plan(&zone("default"), &request, &context).unwrap_err();
    assert!(error.to_string().contains("no running container"), "{error}");
}

#[test]
fn a_link_out_of_an_allowed_folder_is_judged_by_where_it_leads() {
    let request = asking(|r| r.volumes = vec!["/srv/link:/x".parse().unwrap()]);
    let mut context = context_on(host(), &request);
    for source in context.bind_sources.values_mut() {
        source.canonical = "/etc".into();
    }
    let text = plan(&zone("default"), &request, &context).unwrap_err().to_string();
    assert!(text.contains("keeps /etc out"), "{text}");
}

#[test]
fn the_hosts_root_is_behind_no_id() {
    let request = request();
    let mut context = context_on(host(), &request);
    context.ids = cofferdam_policy::IdAllocation::OwnId;
    let text = plan(&zone("default"), &request, &context).unwrap_err().to_string();
    assert!(text.contains("host's root"), "{text}");
}
