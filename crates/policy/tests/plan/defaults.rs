//! What a container has that asks for nothing, or for what every zone allows.

use cofferdam_confinement::resources::Limit;
use cofferdam_confinement::{Flag, Mount, MountIdMap, MountKind, NamespaceSource, Plan, Setgroups};
use cofferdam_policy::{EnvEntry, EtcFiles, VolumeRequest};

use crate::fixture::{planned, refused, request, zone, zone_file};

fn mount<'p>(plan: &'p Plan, target: &str) -> &'p Mount {
    plan.mounts.iter().find(|mount| mount.target.as_str() == target).unwrap()
}

#[test]
fn a_plain_container_is_walled_off() {
    let plan = planned(&zone("default"), &request());
    let maps = plan.namespaces.id_maps.as_ref().unwrap();
    assert_eq!(
        (maps.host_uid(0), maps.host_uid(65_535), maps.host_uid(65_536)),
        (Some(1_000_000), Some(1_065_535), None)
    );
    assert_eq!(maps.setgroups, Setgroups::Allow);
    let process = &plan.process;
    assert!(process.no_new_privileges && plan.session_keyring && plan.loopback_up);
    assert_eq!(process.capabilities.bounding.iter().count(), 11);
    assert!(process.capabilities.inheritable.is_empty() && process.capabilities.ambient.is_empty());
    assert_eq!(process.args, ["/bin/sh"]);
    assert_eq!(process.user.additional_gids, [29]);
    assert!(process.seccomp.is_some());
    assert_eq!(plan.hostname.as_deref(), Some("0123456789ab"));
    assert_eq!(plan.cgroup.path.as_ref().unwrap().as_str(), "cofferdam/0123456789abcdef");
    assert_eq!(plan.cgroup.resources.pids, Some(Limit::Value(4096)));
    assert!(plan.masked_paths.iter().any(|path| path.as_str() == "/proc/interrupts"));
    assert!(plan.readonly_paths.iter().any(|path| path.as_str() == "/proc/sys"));
    let nofile = process.rlimits.iter().find(|limit| limit.resource.name() == "RLIMIT_NOFILE").unwrap();
    assert_eq!((nofile.soft, nofile.hard), (1024, 524_288));
}

#[test]
fn the_environment_is_dockers() {
    let mut request = request();
    request.tty = true;
    request.env = vec!["A=1".parse().unwrap(), EnvEntry::Unset { name: "LANG".to_owned() }];
    let plan = planned(&zone("default"), &request);
    assert_eq!(
        plan.process.env,
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME=0123456789ab",
            "TERM=xterm",
            "A=1",
            "HOME=/root",
        ]
    );
}

#[test]
fn only_root_starts_with_capabilities() {
    let mut request = request();
    request.user = Some("web".to_owned());
    let plan = planned(&zone("default"), &request);
    assert_eq!((plan.process.user.uid, plan.process.user.gid), (33, 33));
    assert!(plan.process.capabilities.effective.is_empty() && plan.process.capabilities.permitted.is_empty());
    assert!(plan.process.env.contains(&"HOME=/var/www".to_owned()));
}

#[test]
fn an_entry_point_drops_the_images_arguments() {
    let mut request = request();
    request.entrypoint = Some(vec!["/bin/echo".to_owned()]);
    assert_eq!(planned(&zone("default"), &request).process.args, ["/bin/echo"]);
    request.command = vec!["x".to_owned()];
    assert_eq!(planned(&zone("default"), &request).process.args, ["/bin/echo", "x"]);
    request.entrypoint = Some(Vec::new());
    request.command.clear();
    assert!(refused(&zone("default"), &request).contains("names a program"));
}

#[test]
fn volumes_are_mapped_and_read_only_where_the_zone_or_the_image_says_so() {
    let mut request = request();
    request.volumes = vec!["/srv/data:/data".parse().unwrap(), "/srv:/a/b:ro".parse().unwrap()];
    let plan = planned(&zone("default"), &request);
    let data = mount(&plan, "/data");
    assert_eq!(
        (data.flags.readonly, data.flags.nosuid, data.flags.nodev),
        (Flag::Keep, Flag::Set, Flag::Set)
    );
    assert!(matches!(
        &data.kind,
        MountKind::Bind { recursive: true, id_map: MountIdMap::Container { recursive: true }, .. }
    ));
    assert_eq!(mount(&plan, "/a/b").recursive_flags.readonly, Flag::Set);
    request.image = "host".to_owned();
    assert_eq!(mount(&planned(&zone("host-tools"), &request), "/data").flags.readonly, Flag::Set);
    assert_eq!(mount(&planned(&zone("default"), &request), "/data").flags.readonly, Flag::Set);
    request.volumes = vec!["/srv/data:/data:rw".parse().unwrap()];
    assert_eq!(mount(&planned(&zone("host-tools"), &request), "/data").flags.readonly, Flag::Keep);
}

#[test]
fn mounts_go_from_the_root_downwards_and_a_users_mount_takes_its_place() {
    let mut request = request();
    request.volumes = vec!["/srv/x:/etc/x/y".parse().unwrap(), "/srv/etc:/etc".parse().unwrap()];
    request.tmpfs = vec!["/dev/shm:size=1m".parse().unwrap()];
    let plan = planned(&zone("default"), &request);
    let place = |target: &str| plan.mounts.iter().position(|m| m.target.as_str() == target).unwrap();
    assert!(place("/dev") < place("/dev/shm"));
    assert!(place("/etc") < place("/etc/hosts") && place("/etc/hosts") < place("/etc/x/y"));
    assert_eq!(plan.mounts.iter().filter(|mount| mount.target.as_str() == "/dev/shm").count(), 1);
}

#[test]
fn a_strict_container_is_read_only_and_bare() {
    let plan = planned(&zone("strict"), &request());
    assert!(plan.root.readonly && plan.process.capabilities.bounding.is_empty());
    assert_eq!(mount(&plan, "/etc/hosts").flags.readonly, Flag::Set);
}

#[test]
fn limits_are_dockers() {
    let mut request = request();
    request.resources.memory = Some("64m".parse().unwrap());
    request.resources.cpus = Some("1.5".parse().unwrap());
    request.resources.blkio_weight = Some(300);
    let resources = planned(&zone("default"), &request).cgroup.resources;
    assert_eq!(resources.memory.limit, Some(Limit::Value(64 << 20)));
    assert_eq!(resources.memory.swap, Some(Limit::Value(128 << 20)));
    assert_eq!((resources.cpu.quota, resources.cpu.period), (Some(Limit::Value(150_000)), Some(100_000)));
    let zone = zone_file("zone = \"z\"\n[limits]\nmemory = \"32m\"\ncpus = 0.5\n");
    let resources = planned(&zone, &self::request()).cgroup.resources;
    assert_eq!(resources.memory.limit, Some(Limit::Value(32 << 20)));
    assert_eq!(resources.cpu.quota, Some(Limit::Value(50_000)));
}

#[test]
fn a_neighbours_namespaces_come_with_its_user_namespace() {
    let mut request = request();
    request.namespaces.pid = Some("container:web".parse().unwrap());
    let plan = planned(&zone("default"), &request);
    assert_eq!(plan.namespaces.pid, NamespaceSource::Join("/proc/7/ns/pid".into()));
    assert_eq!(plan.namespaces.user, NamespaceSource::Join("/proc/7/ns/user".into()));
    assert_eq!(plan.namespaces.id_maps.unwrap().host_uid(0), Some(2_000_000));
    assert!(plan.namespaces.uts.is_new() && plan.namespaces.mount.is_new());
}

#[test]
fn init_goes_in_front_and_is_read_only() {
    let mut request = request();
    request.init = true;
    let plan = planned(&zone("default"), &request);
    assert_eq!(plan.process.args, ["/dev/.cofferdam-init", "--", "/bin/sh"]);
    assert_eq!(mount(&plan, "/dev/.cofferdam-init").flags.readonly, Flag::Set);
}

#[test]
fn the_files_below_etc() {
    let mut request = request();
    request.hostname = Some("box".to_owned());
    request.network.add_hosts = vec!["db:10.0.0.1".to_owned(), "six=[fe80::1]".to_owned()];
    request.network.dns = vec!["10.0.0.2".to_owned()];
    let plan = planned(&zone("default"), &request);
    let files = EtcFiles::new(&plan, &request).unwrap();
    assert_eq!(files.hostname, "box\n");
    assert!(
        files.hosts.contains("\n10.0.0.1\tdb\nfe80::1\tsix\n10.207.0.16\tbox\nfdcf:0:0:1::10\tbox\n"),
        "{}",
        files.hosts
    );
    assert!(files.resolv_conf.ends_with("nameserver 10.0.0.2\n"));
    for bad in ["db", "db:x", "a b:10.0.0.1", "a\nb:10.0.0.1"] {
        request.network.add_hosts = vec![bad.to_owned()];
        assert!(EtcFiles::new(&plan, &request).is_err(), "{bad:?}");
    }
}

#[test]
fn a_device_of_the_zone() {
    let zone = zone_file("zone = \"z\"\n[devices.access]\n\"/dev/fuse\" = \"rw\"\n");
    let mut request = request();
    request.devices = vec!["/dev/fuse:/dev/fuse:rw".parse().unwrap()];
    let plan = planned(&zone, &request);
    assert!(plan.devices.iter().any(|device| device.path.as_str() == "/dev/fuse" && device.mode == 0o666));
    assert_eq!(plan.cgroup.resources.devices.last().unwrap().to_string(), "allow c 10:229 rw");
}

#[test]
fn a_device_rule_reaches_as_far_as_the_zones_devices() {
    let zone = zone_file("zone = \"z\"\n[devices.access]\n\"/dev/fuse\" = \"rw\"\n");
    let asking = |rule: &str| {
        let mut request = request();
        request.device_cgroup_rules = vec![rule.parse().unwrap()];
        request
    };
    let plan = planned(&zone, &asking("c 10:229 r"));
    assert_eq!(plan.cgroup.resources.devices.last().unwrap().to_string(), "allow c 10:229 r");
    assert_eq!(plan.devices.len(), 6, "a rule brings no node");
    for (rule, ceiling) in [
        ("c 10:229 rwm", "allows \"rw\" for /dev/fuse"),
        ("b 10:229 r", "no device of this number"),
        ("c 10:200 rw", "no device of this number"),
        ("c 10:* r", "one by one"),
        ("c *:* rwm", "one by one"),
        ("a 10:229 r", "one by one"),
    ] {
        let text = refused(&zone, &asking(rule));
        assert!(text.contains(ceiling) && text.contains("zone `z`"), "{rule}: {text}");
    }
    assert!(refused(&crate::fixture::zone("default"), &asking("c 1:1 r")).contains("devices.access"));
}

#[test]
fn the_group_is_below_a_parent_that_the_zone_has() {
    let asking = |parent: &str| {
        let mut request = request();
        request.cgroup_parent = Some(parent.to_owned());
        request
    };
    let path = |zone: &cofferdam_policy::Zone, request: &cofferdam_policy::ContainerRequest| {
        planned(zone, request).cgroup.path.unwrap().as_str().to_owned()
    };
    let anywhere = zone("default");
    assert_eq!(path(&anywhere, &request()), "cofferdam/0123456789abcdef");
    assert_eq!(path(&anywhere, &asking("")), "cofferdam/0123456789abcdef");
    assert_eq!(path(&anywhere, &asking("/batch.slice/")), "batch.slice/0123456789abcdef");
    for bad in ["/", "a/../b", "..", "a//b"] {
        assert!(refused(&anywhere, &asking(bad)).contains("--cgroup-parent"), "{bad}");
    }
    let some = zone_file("zone = \"z\"\n[limits]\ncgroup_parents = [\"batch/*\"]\n");
    assert_eq!(path(&some, &asking("/batch/night")), "batch/night/0123456789abcdef");
    assert_eq!(path(&some, &request()), "cofferdam/0123456789abcdef");
    for beyond in ["batch", "other", "/x/batch/y"] {
        let text = refused(&some, &asking(beyond));
        assert!(text.contains("limits.cgroup_parents is [batch/*]"), "{text}");
    }
    assert!(refused(&zone("strict"), &asking("x")).contains("limits.cgroup_parents"));
}

#[test]
fn a_mount_option_is_a_volume() {
    let mut request = request();
    request.volumes = vec![
        VolumeRequest::parse_mount("type=bind,src=/srv,dst=/srv,bind-recursive=disabled,readonly").unwrap(),
    ];
    let plan = planned(&zone("default"), &request);
    let srv = mount(&plan, "/srv");
    assert!(matches!(srv.kind, MountKind::Bind { recursive: false, .. }));
    assert_eq!((srv.flags.readonly, srv.recursive_flags.readonly), (Flag::Set, Flag::Keep));
}
