//! `cofferdam info`: this host and what is on it.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{ContainerState, Engine, HostInfo, ListFilters};
use cofferdam_policy::{CgroupMode, IdRange};
use serde_json::{Value, json};

use super::run::architecture;
use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::template::Template;
use crate::when;

/// Flags of `info`.
#[derive(Debug, Parser)]
pub(crate) struct InfoCommand {
    /// json or TEMPLATE
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Run for InfoCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let document = document(&engine)?;
        let text = match self.format.as_deref() {
            None => sheet(&document),
            Some("json") => format!("{document}\n"),
            Some(text) => Template::parse(text)?.render(&document)? + "\n",
        };
        plain::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What Docker's `info` tells where it means something here, and what this engine depends on beside it.
fn document(engine: &Engine) -> Result<Value, Report> {
    let containers = engine.list(&ListFilters { all: true, ..ListFilters::default() })?;
    let count = |state| containers.iter().filter(|container| container.status.state == state).count();
    let zones = engine.zones().names()?;
    let images = engine.images()?.len();
    let host = engine.host()?;
    let kernel = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let has = |controller: &str| host.facts.cgroup_controllers.contains(controller);
    let cgroup_version = match host.facts.cgroup_mode {
        CgroupMode::V1 => "1",
        CgroupMode::V2 => "2",
        CgroupMode::None => "",
    };
    Ok(json!({
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Name": text(kernel.nodename()),
        "OperatingSystem": host.system,
        "OSType": "linux",
        "KernelVersion": text(kernel.release()),
        "Architecture": architecture(),
        "NCPU": host.facts.cpus,
        "MemTotal": host.facts.memory,
        "SystemTime": when::now().to_string(),
        "Rootless": host.facts.rootless,
        "Containers": containers.len(),
        "ContainersRunning": count(ContainerState::Running),
        "ContainersPaused": count(ContainerState::Paused),
        "ContainersStopped": containers.iter().filter(|it| !it.status.state.has_shim()).count(),
        "Images": images,
        "Zones": zones.iter().map(cofferdam_names::ZoneName::as_str).collect::<Vec<_>>(),
        "Driver": "overlay",
        "LoggingDriver": "json-file",
        "DefaultRuntime": "cofferdam",
        "CgroupVersion": cgroup_version,
        "CgroupDriver": "cgroupfs",
        "CgroupDelegated": host.facts.cgroup_delegated,
        "CgroupControllers": host.facts.cgroup_controllers,
        "MemoryLimit": has("memory"),
        "SwapLimit": has("memory"),
        "CPUShares": has("cpu"),
        "CpuCfsPeriod": has("cpu"),
        "CpuCfsQuota": has("cpu"),
        "CPUSet": has("cpuset"),
        "PidsLimit": has("pids"),
        "SecurityOptions": security_options(&host),
        "SecurityModules": host.facts.lsms,
        "SeccompActions": host.seccomp_actions,
        "MaxUserNamespaces": host.max_user_namespaces,
        "UidRanges": ranges(&host.uid_ranges),
        "GidRanges": ranges(&host.gid_ranges),
        "DockerRootDir": engine.paths().state(),
        "StateDir": engine.paths().state(),
        "RunDir": engine.paths().run(),
        "Warnings": host.warnings,
    }))
}

/// What stands between a container and the host, in Docker's form.
fn security_options(host: &HostInfo) -> Vec<String> {
    let active = |name: &str| host.facts.lsms.iter().any(|module| module == name);
    let options = [
        (active("apparmor"), "name=apparmor"),
        (active("selinux"), "name=selinux"),
        (!host.seccomp_actions.is_empty(), "name=seccomp,profile=builtin"),
        (true, "name=userns"),
        (host.facts.rootless, "name=rootless"),
        (true, "name=cgroupns"),
    ];
    options.into_iter().filter(|(holds, _)| *holds).map(|(_, option)| option.to_owned()).collect()
}

/// `first:count`, as in subuid(5).
fn ranges(ranges: &[IdRange]) -> Vec<String> {
    ranges.iter().map(|range| format!("{}:{}", range.first, range.size)).collect()
}

/// The document as lines, without what says the same in another word.
fn sheet(document: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let fields = document.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, _)| !matches!(key.as_str(), "DockerRootDir" | "Warnings"));
    let mut text: String =
        fields.map(|(key, value)| format!("{:<19}{}\n", format!("{key}:"), shown(value))).collect();
    for warning in document.get("Warnings").and_then(Value::as_array).into_iter().flatten() {
        text += &format!("{:<19}{}\n", "Warning:", shown(warning));
    }
    text
}
