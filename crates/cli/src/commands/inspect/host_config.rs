//! `HostConfig` of a container: what was asked of the host, with every field that Docker's has.

use cofferdam_engine::ContainerDetails;
use cofferdam_policy::{
    ByteSize, Ceiling, ContainerRequest, DeviceRate, LabelOption, NamespaceMode, ResourceRequest,
    RestartPolicy, SeccompChoice, SecurityOption, TmpfsOptions, VolumeKind, VolumeRequest,
};
use serde_json::{Map, Value, json};

pub(super) fn document(details: &ContainerDetails) -> Value {
    let request = &details.request;
    let mut all = Map::new();
    for part in [of_the_container(details), of_the_network(details), of_the_limits(&request.resources)] {
        if let Value::Object(fields) = part {
            all.extend(fields);
        }
    }
    Value::Object(all)
}

fn of_the_container(details: &ContainerDetails) -> Value {
    let request = &details.request;
    let namespaces = &request.namespaces;
    // Where nobody says anything, Docker shows these as private and the others as empty.
    let private = |mode: &Option<NamespaceMode>| {
        mode.as_ref().map_or_else(|| NamespaceMode::Private.to_string(), ToString::to_string)
    };
    let mode = |mode: &Option<NamespaceMode>| mode.as_ref().map(ToString::to_string).unwrap_or_default();
    let retries = match request.restart {
        RestartPolicy::OnFailure { max_retries } => max_retries.unwrap_or(0),
        _ => 0,
    };
    let policy = request.restart.to_string();
    json!({
        "Binds": list(request.volumes.iter().filter_map(bind).collect()),
        "ContainerIDFile": "",
        "LogConfig": {
            "Type": request.log_driver.as_deref().unwrap_or("json-file"),
            "Config": request.log_options,
        },
        "RestartPolicy": { "Name": policy.split(':').next(), "MaximumRetryCount": retries },
        "AutoRemove": request.rm,
        "VolumeDriver": "",
        "VolumesFrom": list(request.volumes_from.clone()),
        "ConsoleSize": [0, 0],
        "Annotations": request.annotations,
        "CapAdd": list(request.cap_add.iter().map(ToString::to_string).collect()),
        "CapDrop": list(request.cap_drop.iter().map(ToString::to_string).collect()),
        "CgroupnsMode": private(&namespaces.cgroupns),
        "GroupAdd": list(request.group_add.clone()),
        "IpcMode": private(&namespaces.ipc),
        "Cgroup": "",
        "Links": null,
        "OomScoreAdj": details.plan.process.oom_score_adj.unwrap_or(0),
        "PidMode": mode(&namespaces.pid),
        "Privileged": request.privileged,
        "ReadonlyRootfs": details.plan.root.readonly,
        "SecurityOpt": list(request.security_options.iter().map(security_option).collect()),
        "StorageOpt": {},
        "Tmpfs": tmpfs(request),
        "UTSMode": mode(&namespaces.uts),
        "UsernsMode": mode(&namespaces.userns),
        "ShmSize": request.shm_size.map_or(64 << 20, |size| size.0),
        "Sysctls": request.sysctls,
        "Runtime": "cofferdam",
        "Isolation": "",
        "CgroupParent": request.cgroup_parent.clone().unwrap_or_default(),
        "Devices": devices(request),
        "DeviceCgroupRules": list(request.device_cgroup_rules.iter().map(device_rule).collect()),
        "DeviceRequests": null,
        "Ulimits": ulimits(request),
        "Mounts": request.volumes.iter().filter_map(mount).collect::<Vec<_>>(),
        "MaskedPaths": details.plan.masked_paths,
        "ReadonlyPaths": details.plan.readonly_paths,
        "Init": request.init,
    })
}

fn of_the_network(details: &ContainerDetails) -> Value {
    let network = &details.request.network;
    json!({
        "NetworkMode": details.summary.networks.first(),
        "PortBindings": network.publish.iter().filter_map(|text| port_binding(text)).collect::<Map<_, _>>(),
        "PublishAllPorts": network.publish_all,
        "Dns": network.dns,
        "DnsOptions": network.dns_options,
        "DnsSearch": network.dns_search,
        "ExtraHosts": list(network.add_hosts.clone()),
    })
}

fn of_the_limits(resources: &ResourceRequest) -> Value {
    let size = |size: Option<ByteSize>| size.map_or(0, |size| size.0);
    // Docker gives as much swap as memory where nobody says how much.
    let swap = match resources.memory_swap {
        None => json!(size(resources.memory).saturating_mul(2)),
        Some(Ceiling::Unlimited) => json!(-1),
        Some(Ceiling::Max(bytes)) => json!(bytes),
    };
    let pids = match resources.pids_limit {
        None => Value::Null,
        Some(Ceiling::Unlimited) => json!(-1),
        Some(Ceiling::Max(most)) => json!(most),
    };
    json!({
        "CpuShares": resources.cpu_shares.unwrap_or(0),
        "Memory": size(resources.memory),
        "NanoCpus": resources.cpus.map_or(0, |cpus| cpus.0),
        "BlkioWeight": resources.blkio_weight.unwrap_or(0),
        "BlkioWeightDevice": resources
            .blkio_weight_devices
            .iter()
            .map(|it| json!({ "Path": it.device, "Weight": it.weight }))
            .collect::<Vec<_>>(),
        "BlkioDeviceReadBps": rates(&resources.device_read_bps),
        "BlkioDeviceWriteBps": rates(&resources.device_write_bps),
        "BlkioDeviceReadIOps": rates(&resources.device_read_iops),
        "BlkioDeviceWriteIOps": rates(&resources.device_write_iops),
        "CpuPeriod": resources.cpu_period.unwrap_or(0),
        "CpuQuota": resources.cpu_quota.unwrap_or(0),
        "CpuRealtimePeriod": resources.cpu_rt_period.unwrap_or(0),
        "CpuRealtimeRuntime": resources.cpu_rt_runtime.unwrap_or(0),
        "CpusetCpus": resources.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": resources.cpuset_mems.clone().unwrap_or_default(),
        "MemoryReservation": size(resources.memory_reservation),
        "MemorySwap": swap,
        "MemorySwappiness": resources.memory_swappiness,
        "OomKillDisable": resources.oom_kill_disable,
        "PidsLimit": pids,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })
}

/// A list as Go writes one that nobody filled.
fn list(words: Vec<String>) -> Value {
    if words.is_empty() { Value::Null } else { json!(words) }
}

fn rates(rates: &[DeviceRate]) -> Vec<Value> {
    rates.iter().map(|rate| json!({ "Path": rate.device, "Rate": rate.rate })).collect()
}

fn devices(request: &ContainerRequest) -> Vec<Value> {
    let shown = |device: &cofferdam_policy::DeviceRequest| {
        json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.access.to_string(),
        })
    };
    request.devices.iter().map(shown).collect()
}

/// `c 1:3 rwm`: what is asked for is always to be allowed.
fn device_rule(rule: &cofferdam_policy::DeviceRuleRequest) -> String {
    let text = rule.0.to_string();
    text.strip_prefix("allow ").map_or(text.clone(), str::to_owned)
}

fn ulimits(request: &ContainerRequest) -> Vec<Value> {
    let name = |resource: String| resource.trim_start_matches("RLIMIT_").to_ascii_lowercase();
    // Docker has -1 for no limit.
    let value = |limit: u64| i64::try_from(limit).unwrap_or(-1);
    let shown = |it: &cofferdam_policy::Ulimit| json!({ "Name": name(it.resource.into()), "Hard": value(it.hard), "Soft": value(it.soft) });
    request.ulimits.iter().map(shown).collect()
}

/// `--security-opt` as it is typed.
fn security_option(option: &SecurityOption) -> String {
    match option {
        SecurityOption::NoNewPrivileges(true) => "no-new-privileges".to_owned(),
        SecurityOption::NoNewPrivileges(false) => "no-new-privileges=false".to_owned(),
        SecurityOption::Seccomp(SeccompChoice::Unconfined) => "seccomp=unconfined".to_owned(),
        SecurityOption::Seccomp(SeccompChoice::Builtin) => "seccomp=builtin".to_owned(),
        SecurityOption::Seccomp(SeccompChoice::Strict) => "seccomp=strict".to_owned(),
        SecurityOption::Seccomp(SeccompChoice::File { path, .. }) => format!("seccomp={}", path.display()),
        SecurityOption::AppArmor(profile) => format!("apparmor={profile}"),
        SecurityOption::Label(LabelOption::Disable) => "label=disable".to_owned(),
        SecurityOption::Label(LabelOption::User(user)) => format!("label=user:{user}"),
        SecurityOption::Label(LabelOption::Role(role)) => format!("label=role:{role}"),
        SecurityOption::Label(LabelOption::Type(kind)) => format!("label=type:{kind}"),
        SecurityOption::Label(LabelOption::Level(level)) => format!("label=level:{level}"),
        SecurityOption::SystemPathsUnconfined => "systempaths=unconfined".to_owned(),
    }
}

fn tmpfs(request: &ContainerRequest) -> Map<String, Value> {
    let shown =
        |it: &cofferdam_policy::TmpfsRequest| (it.target.to_string(), tmpfs_options(&it.options).into());
    request.tmpfs.iter().map(shown).collect()
}

fn tmpfs_options(options: &TmpfsOptions) -> String {
    let number = |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}"));
    let word = |name: &str, given: bool| given.then(|| name.to_owned());
    let words = [
        number("size", options.size.map(|size| size.0)),
        options.mode.map(|mode| format!("mode={mode:o}")),
        number("uid", options.uid.map(u64::from)),
        number("gid", options.gid.map(u64::from)),
        number("nr_inodes", options.inodes),
        word("ro", options.readonly),
        word("exec", options.exec),
        word("suid", options.suid),
        word("dev", options.dev),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// `-v` in the form in which it can be typed.
fn bind(volume: &VolumeRequest) -> Option<String> {
    let source = match &volume.kind {
        VolumeKind::Bind { source, .. } => source.display().to_string(),
        VolumeKind::Volume { name: Some(name), anonymous: false, subpath: None, .. } => name.clone(),
        _ => return None,
    };
    let suffix = if volume.readonly == Some(true) { ":ro" } else { "" };
    Some(format!("{source}:{}{suffix}", volume.target))
}

/// `--mount`, of what `-v` has no form for.
fn mount(volume: &VolumeRequest) -> Option<Value> {
    let readonly = volume.readonly == Some(true);
    match &volume.kind {
        VolumeKind::Tmpfs { options } => Some(json!({
            "Type": "tmpfs",
            "Target": volume.target,
            "ReadOnly": readonly || options.readonly,
            "TmpfsOptions": {
                "SizeBytes": options.size.map_or(0, |size| size.0),
                "Mode": options.mode.unwrap_or(0),
            },
        })),
        VolumeKind::Volume { name: Some(name), no_copy, subpath: Some(subpath), .. } => Some(json!({
            "Type": "volume",
            "Source": name,
            "Target": volume.target,
            "ReadOnly": readonly,
            "VolumeOptions": { "NoCopy": no_copy, "Subpath": subpath },
        })),
        VolumeKind::Image { image, subpath, .. } => Some(json!({
            "Type": "image",
            "Source": image,
            "Target": volume.target,
            "ReadOnly": true,
            "ImageOptions": { "Subpath": subpath },
        })),
        _ => None,
    }
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`
fn port_binding(text: &str) -> Option<(String, Value)> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (host, container) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, port) = host.rsplit_once(':').unwrap_or(("", host));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let bindings = json!([{ "HostIp": address, "HostPort": port }]);
    (!container.is_empty()).then(|| (format!("{container}/{protocol}"), bindings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_read_as_typed() {
        let volume = |text: &str| text.parse::<VolumeRequest>().unwrap();
        assert_eq!(bind(&volume("/a:/b:ro")).as_deref(), Some("/a:/b:ro"));
        assert_eq!(bind(&volume("/a:/b")).as_deref(), Some("/a:/b"));
        assert_eq!(bind(&volume("/b")), None);
        assert_eq!(bind(&volume("data:/b")).as_deref(), Some("data:/b"));
    }

    #[test]
    fn options_read_as_typed() {
        for text in [
            "no-new-privileges",
            "seccomp=unconfined",
            "apparmor=x",
            "label=type:t",
            "systempaths=unconfined",
        ] {
            assert_eq!(security_option(&text.parse().unwrap()), text);
        }
        let mut request = ContainerRequest::new("host");
        request.tmpfs.push("/run:size=64k,mode=1777,exec".parse().unwrap());
        request.ulimits.push("nofile=100:200".parse().unwrap());
        request.ulimits.push("core=-1".parse().unwrap());
        assert_eq!(tmpfs(&request)["/run"], "size=65536,mode=1777,exec");
        assert_eq!(
            Value::from(ulimits(&request)),
            json!([{ "Name": "nofile", "Hard": 200, "Soft": 100 }, { "Name": "core", "Hard": -1, "Soft": -1 }])
        );
        let resources = ResourceRequest { memory: Some(ByteSize(5)), ..ResourceRequest::default() };
        let limits = of_the_limits(&resources);
        assert_eq!(
            (&limits["Memory"], &limits["MemorySwap"], &limits["PidsLimit"]),
            (&json!(5), &json!(10), &Value::Null)
        );
    }

    #[test]
    fn ports_as_typed() {
        let shown = |text: &str| port_binding(text).map(|(port, to)| format!("{port} {to}")).unwrap();
        assert_eq!(shown("80"), r#"80/tcp [{"HostIp":"","HostPort":""}]"#);
        assert_eq!(shown("127.0.0.1:8080:80/udp"), r#"80/udp [{"HostIp":"127.0.0.1","HostPort":"8080"}]"#);
        assert_eq!(shown("[::1]:8080:80"), r#"80/tcp [{"HostIp":"::1","HostPort":"8080"}]"#);
    }
}
