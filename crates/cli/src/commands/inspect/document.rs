//! A container in the shape of Docker's `inspect`, with what only Cofferdam has beside it: `Zone`, `Plan`, `Request`.

use cofferdam_confinement::{Flag, MountKind, Plan};
use cofferdam_engine::{ContainerDetails, ContainerState, Status};
use cofferdam_policy::{VolumeKind, VolumeRequest};
use serde_json::{Value, json};

/// The time that Docker shows for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The document; `size` is the bytes of the writable layer where they were asked for.
pub(super) fn document(details: &ContainerDetails, size: Option<u64>) -> Value {
    let summary = &details.summary;
    let process = &details.plan.process;
    let (path, args) = process.args.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let mut document = json!({
        "Id": summary.id,
        "Created": summary.created.to_string(),
        "Path": path,
        "Args": args,
        "State": state(&summary.status),
        "Image": summary.image_id,
        "Name": format!("/{}", summary.name),
        "RestartCount": summary.status.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "LogPath": details.log_path,
        "ReceiptPath": details.receipt_path,
        "AppArmorProfile": process.apparmor_profile.clone().unwrap_or_default(),
        "ProcessLabel": process.selinux_label.clone().unwrap_or_default(),
        "Zone": summary.zone,
        "HostConfig": host_config(details),
        "GraphDriver": { "Name": "overlay", "Data": { "UpperDir": details.upper } },
        "Mounts": details.request.volumes.iter().map(|volume| mount(volume, &details.plan)).collect::<Vec<_>>(),
        "Config": config(details),
        "NetworkSettings": { "Networks": { summary.network.clone(): {} }, "Ports": {} },
        "Request": details.request,
        "Plan": details.plan,
    });
    if let (Some(size), Some(fields)) = (size, document.as_object_mut()) {
        fields.insert("SizeRw".to_owned(), size.into());
    }
    document
}

fn state(status: &Status) -> Value {
    let is = |state| status.state == state;
    let time = |time: Option<cofferdam_names::Timestamp>| {
        time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
    };
    json!({
        "Status": status.state.as_str(),
        "Running": matches!(status.state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting),
        "Paused": is(ContainerState::Paused),
        "Restarting": is(ContainerState::Restarting),
        "OOMKilled": status.exit.is_some_and(|exit| exit.oom_killed),
        "Dead": is(ContainerState::Dead),
        "Pid": status.pid,
        "ExitCode": status.exit.map_or(0, |exit| exit.code),
        "Error": status.error.clone().unwrap_or_default(),
        "StartedAt": time(status.started),
        "FinishedAt": time(status.finished),
    })
}

fn config(details: &ContainerDetails) -> Value {
    let (request, process) = (&details.request, &details.plan.process);
    json!({
        "Hostname": details.plan.hostname.clone().unwrap_or_default(),
        "Domainname": details.plan.domainname.clone().unwrap_or_default(),
        "User": request.user.clone().unwrap_or_default(),
        "Tty": request.tty,
        "OpenStdin": request.interactive,
        "Env": process.env,
        "Cmd": request.command,
        "Entrypoint": request.entrypoint,
        "Image": request.image,
        "WorkingDir": process.cwd,
        "Labels": details.summary.labels,
        "StopSignal": request.stop_signal.clone().unwrap_or_else(|| "SIGTERM".to_owned()),
        "StopTimeout": request.stop_timeout,
    })
}

fn host_config(details: &ContainerDetails) -> Value {
    let request = &details.request;
    let resources = &request.resources;
    let mode = |mode: &Option<cofferdam_policy::NamespaceMode>| {
        mode.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let retries = match request.restart {
        cofferdam_policy::RestartPolicy::OnFailure { max_retries } => max_retries.unwrap_or(0),
        _ => 0,
    };
    let policy = request.restart.to_string();
    json!({
        "Binds": request.volumes.iter().filter_map(bind).collect::<Vec<_>>(),
        "NetworkMode": details.summary.network,
        "RestartPolicy": { "Name": policy.split(':').next(), "MaximumRetryCount": retries },
        "AutoRemove": request.rm,
        "CapAdd": request.cap_add,
        "CapDrop": request.cap_drop,
        "Privileged": request.privileged,
        "ReadonlyRootfs": details.plan.root.readonly,
        "Init": request.init,
        "PidMode": mode(&request.namespaces.pid),
        "IpcMode": mode(&request.namespaces.ipc),
        "UTSMode": mode(&request.namespaces.uts),
        "UsernsMode": mode(&request.namespaces.userns),
        "CgroupnsMode": mode(&request.namespaces.cgroupns),
        "CgroupParent": request.cgroup_parent.clone().unwrap_or_default(),
        "Memory": resources.memory.map_or(0, |memory| memory.0),
        "MemoryReservation": resources.memory_reservation.map_or(0, |memory| memory.0),
        "NanoCpus": resources.cpus.map_or(0, |cpus| cpus.0),
        "CpuShares": resources.cpu_shares.unwrap_or(0),
        "CpusetCpus": resources.cpuset_cpus.clone().unwrap_or_default(),
        "Sysctls": request.sysctls,
        "ShmSize": request.shm_size.map_or(64 << 20, |size| size.0),
        "GroupAdd": request.group_add,
        "OomScoreAdj": details.plan.process.oom_score_adj.unwrap_or(0),
        "MaskedPaths": details.plan.masked_paths,
        "ReadonlyPaths": details.plan.readonly_paths,
    })
}

fn bind(volume: &VolumeRequest) -> Option<String> {
    let source = match &volume.kind {
        VolumeKind::Bind { source, .. } => source.display().to_string(),
        VolumeKind::Volume { name: Some(name), anonymous: false, .. } => name.clone(),
        _ => return None,
    };
    let suffix = if volume.readonly == Some(true) { ":ro" } else { "" };
    Some(format!("{source}:{}{suffix}", volume.target))
}

/// One mount; its source on the host and whether it is writable are the plan's words.
fn mount(volume: &VolumeRequest, plan: &Plan) -> Value {
    let planned = plan.mounts.iter().find(|mount| mount.target == volume.target);
    let source = planned.and_then(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source.display().to_string()),
        _ => None,
    });
    let (kind, name) = match &volume.kind {
        VolumeKind::Bind { .. } => ("bind", None),
        VolumeKind::Volume { name, .. } => ("volume", name.clone()),
        VolumeKind::Tmpfs { .. } => ("tmpfs", None),
    };
    let writable = planned.is_some_and(|mount| mount.flags.readonly != Flag::Set);
    let mut shown = json!({
        "Type": kind,
        "Source": source.unwrap_or_default(),
        "Destination": volume.target,
        "Mode": "",
        "RW": writable,
        "Propagation": if kind == "bind" { "rprivate" } else { "" },
    });
    if let (Some(name), Some(fields)) = (name, shown.as_object_mut()) {
        fields.insert("Name".to_owned(), name.into());
        fields.insert("Driver".to_owned(), "local".into());
    }
    shown
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
}
