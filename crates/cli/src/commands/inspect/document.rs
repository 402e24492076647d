//! A container in the shape of Docker's `inspect`, with what only Cofferdam has beside it: `Zone`, `Plan`, `Request`.

use cofferdam_confinement::{Flag, MountKind, Plan};
use cofferdam_engine::{ContainerDetails, ContainerState, Health, Probe, Status};
use cofferdam_policy::{HealthWords, VolumeKind, VolumeRequest};
use serde_json::{Map, Value, json};

use super::{host_config, network_settings};
use crate::template::{Empty, Optional};

/// The time that Docker shows for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What a template may name though the document leaves it out, as Docker's JSON does.
pub(super) const OPTIONAL: Optional = &[
    ("Name", Empty::Text),
    ("Driver", Empty::Text),
    ("Health", Empty::Nothing),
    ("Healthcheck", Empty::Nothing),
    ("SizeRw", Empty::Nothing),
    ("SizeRootFs", Empty::Nothing),
];

/// Bytes of a container's files, where they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Of its writable layer.
    pub(super) writable: u64,
    /// With those of its image.
    pub(super) whole: u64,
}

/// The document.
pub(super) fn document(details: &ContainerDetails, sizes: Option<Sizes>) -> Value {
    let summary = &details.summary;
    let process = &details.plan.process;
    let (path, args) = process.args.split_first().map_or(("", &[][..]), |(path, args)| (path.as_str(), args));
    let mut document = json!({
        "Id": summary.id,
        "Created": summary.created.to_string(),
        "Path": path,
        "Args": args,
        "State": state(&summary.status, summary.health.as_ref()),
        "Image": summary.image_id,
        "Name": format!("/{}", summary.name),
        "RestartCount": summary.status.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "ResolvConfPath": source_of(&details.plan, "/etc/resolv.conf"),
        "HostnamePath": source_of(&details.plan, "/etc/hostname"),
        "HostsPath": source_of(&details.plan, "/etc/hosts"),
        "LogPath": details.log_path,
        "ReceiptPath": details.receipt_path,
        "AppArmorProfile": process.apparmor_profile.clone().unwrap_or_default(),
        "ProcessLabel": process.selinux_label.clone().unwrap_or_default(),
        "MountLabel": "",
        "ExecIDs": Value::Null,
        "Zone": summary.zone,
        "HostConfig": host_config::document(details),
        "GraphDriver": { "Name": "overlay", "Data": { "UpperDir": details.upper } },
        "Mounts": details.request.volumes.iter().map(|volume| mount(volume, &details.plan)).collect::<Vec<_>>(),
        "Config": config(details),
        "NetworkSettings": network_settings::document(summary, &details.plan),
        "Request": details.request,
        "Plan": details.plan,
    });
    if let (Some(sizes), Some(fields)) = (sizes, document.as_object_mut()) {
        fields.insert("SizeRw".to_owned(), sizes.writable.into());
        fields.insert("SizeRootFs".to_owned(), sizes.whole.into());
    }
    document
}

fn state(status: &Status, health: Option<&Health>) -> Value {
    let is = |state| status.state == state;
    let time = |time: Option<cofferdam_names::Timestamp>| {
        time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
    };
    let mut shown = json!({
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
    });
    if let (Some(health), Some(fields)) = (health, shown.as_object_mut()) {
        let probe = |probe: &Probe| {
            json!({
                "Start": probe.start.to_string(),
                "End": probe.end.to_string(),
                "ExitCode": probe.exit_code,
                "Output": probe.output,
            })
        };
        let document = json!({
            "Status": health.status.as_str(),
            "FailingStreak": health.failing_streak,
            "Log": health.log.iter().map(probe).collect::<Vec<_>>(),
        });
        fields.insert("Health".to_owned(), document);
    }
    shown
}

/// What the container's first process is, by its image and by what was asked for.
fn config(details: &ContainerDetails) -> Value {
    let (request, process, image) = (&details.request, &details.plan.process, &details.image_config);
    let attached = !request.detach;
    // Docker's sets: names that lead to nothing.
    let set = |names: Vec<&str>| -> Value {
        if names.is_empty() {
            return Value::Null;
        }
        names.into_iter().map(|name| (name.to_owned(), json!({}))).collect::<Map<_, _>>().into()
    };
    let list = |words: &[String]| if words.is_empty() { Value::Null } else { json!(words) };
    let command = match (&request.command, &request.entrypoint) {
        (words, _) if !words.is_empty() => list(words),
        // Another entry point does without the image's arguments.
        (_, Some(_)) => Value::Null,
        _ => list(&image.cmd),
    };
    let health = request.health.or(image.healthcheck.as_ref());
    let ports = image.exposed_ports.iter().chain(&request.network.expose).map(String::as_str);
    let mut shown = json!({
        "Hostname": details.plan.hostname.clone().unwrap_or_default(),
        "Domainname": details.plan.domainname.clone().unwrap_or_default(),
        "User": request.user.as_deref().unwrap_or(&image.user),
        "AttachStdin": attached && request.interactive,
        "AttachStdout": attached,
        "AttachStderr": attached,
        "ExposedPorts": set(ports.collect()),
        "Tty": request.tty,
        "OpenStdin": request.interactive,
        "StdinOnce": attached && request.interactive,
        "Env": process.env,
        "Cmd": command,
        "Image": request.image,
        "Volumes": set(image.volumes.iter().map(String::as_str).collect()),
        "WorkingDir": process.cwd,
        "Entrypoint": list(request.entrypoint.as_ref().unwrap_or(&image.entrypoint)),
        "OnBuild": Value::Null,
        "Labels": details.summary.labels,
        "StopSignal": request.stop_signal.as_ref().or(image.stop_signal.as_ref()).map_or("SIGTERM", |it| it),
        "StopTimeout": request.stop_timeout,
    });
    // As with Docker: what was not said is left out.
    if let (true, Some(fields)) = (health != HealthWords::default(), shown.as_object_mut()) {
        fields.insert("Healthcheck".to_owned(), healthcheck(&health));
    }
    shown
}

fn healthcheck(health: &HealthWords) -> Value {
    let numbers = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
        ("Retries", health.retries),
    ];
    let said = numbers.into_iter().filter(|(_, number)| *number > 0);
    let mut fields: Map<_, _> = said.map(|(name, number)| (name.to_owned(), number.into())).collect();
    if !health.test.is_empty() {
        fields.insert("Test".to_owned(), json!(health.test));
    }
    fields.into()
}

/// The host's file that is mounted there; empty if none is.
fn source_of(plan: &Plan, target: &str) -> String {
    let found = plan.mounts.iter().find(|mount| mount.target.as_str() == target);
    match found.map(|mount| &mount.kind) {
        Some(MountKind::Bind { source, .. }) => source.display().to_string(),
        _ => String::new(),
    }
}

/// One mount; its source on the host and whether it is writable are the plan's words.
fn mount(volume: &VolumeRequest, plan: &Plan) -> Value {
    let planned = plan.mounts.iter().find(|mount| mount.target == volume.target);
    let source = planned.and_then(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source.display().to_string()),
        MountKind::Image { id, .. } => Some(id.clone()),
        _ => None,
    });
    let (kind, name) = match &volume.kind {
        VolumeKind::Bind { .. } => ("bind", None),
        VolumeKind::Volume { name, .. } => ("volume", name.clone()),
        VolumeKind::Tmpfs { .. } => ("tmpfs", None),
        VolumeKind::Image { .. } => ("image", None),
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
