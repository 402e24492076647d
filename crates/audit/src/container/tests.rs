//! Each check on a container fails on a container made weak in its point, and passes on one that is confined.

use cofferdam_kernel::capability::CapSet;

use super::{ContainerFacts, HostPath, Limits, controls, paths};
use crate::control::Outcome;
use crate::fact::Fact;

pub(crate) fn confined() -> ContainerFacts {
    ContainerFacts {
        name: "docker web".into(),
        pid: 4711,
        uid: 100_000,
        shared: Fact::Known(Vec::new()),
        root_is: Fact::Known(Some(100_000)),
        capabilities: CapSet::EMPTY,
        no_new_privs: true,
        filtered: true,
        label: Fact::Known(Some("docker-default (enforce)".into())),
        root_read_only: Fact::Known(true),
        host_paths: Fact::Known(Vec::new()),
        kernel_paths: Fact::Known(Vec::new()),
        shared_mounts: Fact::Known(Vec::new()),
        limits: Fact::Known(Limits { memory: Some(1 << 28), processes: Some(100) }),
        programs: vec!["nginx".into()],
    }
}

fn path(host: &str) -> Fact<Vec<HostPath>> {
    Fact::Known(vec![HostPath { host: host.into(), inside: "/x".into(), writable: true }])
}

/// A container that is weak in the point of the check.
pub(crate) fn weak(id: &str) -> ContainerFacts {
    let mut facts = confined();
    if let Some(namespace) = id.strip_prefix("container.own_") {
        facts.shared = Fact::Known(vec![namespace.to_owned()]);
    } else if let Some(name) = id.strip_prefix("container.without_") {
        facts.shared = Fact::Known(vec!["user".to_owned()]);
        facts.capabilities.insert(name.parse().unwrap());
    } else {
        match id {
            "container.user_namespace" => facts.root_is = Fact::Known(Some(0)),
            "container.not_root" => facts.uid = 0,
            "container.seccomp" => facts.filtered = false,
            "container.no_new_privs" => facts.no_new_privs = false,
            "container.label" => facts.label = Fact::Known(Some("unconfined".into())),
            "container.read_only_root" => facts.root_read_only = Fact::Known(false),
            "container.mount_propagation" => facts.shared_mounts = Fact::Known(vec!["/x".into()]),
            "container.kernel_files" => {
                facts.root_is = Fact::Known(Some(0));
                facts.kernel_paths = Fact::Known(vec!["/proc/sys".into()]);
            }
            "container.no_engine_socket" => facts.host_paths = path("/run/docker.sock"),
            "container.no_host_folders" => facts.host_paths = path("/etc"),
            "container.no_host_devices" => facts.host_paths = path("/dev/sda"),
            "container.no_sshd" => facts.programs.push("sshd".into()),
            "container.memory_limit" => {
                facts.limits = Fact::Known(Limits { memory: None, processes: Some(1) })
            }
            "container.process_limit" => {
                facts.limits = Fact::Known(Limits { memory: Some(1), processes: None })
            }
            other => panic!("{other} has no weak container"),
        }
    }
    facts
}

#[test]
fn every_check_can_fail_and_can_pass() {
    let capabilities =
        controls().iter().filter(|control| control.about.id.starts_with("container.without_")).count();
    assert_eq!(capabilities, 17, "each line is understood");
    for control in controls() {
        let id = control.about.id.clone();
        assert_eq!(control.judge(&confined()).outcome, Outcome::Pass, "{id}");
        assert_eq!(control.judge(&weak(&id)).outcome, Outcome::Fail, "{id}");
    }
}

#[test]
fn ways_out() {
    assert!(paths(&Fact::Known(vec![confined()])).is_empty());
    for id in [
        "container.no_engine_socket",
        "container.no_host_folders",
        "container.no_host_devices",
        "container.without_cap_sys_module",
        "container.without_cap_sys_admin",
        "container.without_cap_dac_read_search",
    ] {
        let found = paths(&Fact::Known(vec![weak(id)]));
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        assert_eq!(found[0].to, "root on the host");
    }
    let mut root = weak("container.kernel_files");
    root.uid = 0;
    assert_eq!(paths(&Fact::Known(vec![root])).len(), 1);
    let mut network = weak("container.own_net");
    network.root_is = Fact::Known(Some(0));
    assert_eq!(paths(&Fact::Known(vec![network])).len(), 1);
}
