//! Docker's containers by its own records: what the kernel does not show of them.

use serde_json::Value;

use crate::control::{Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::{DockerContainer, HostFacts};
use crate::line::{Line, lines};

fn host_number(container: &DockerContainer, name: &str) -> i64 {
    container.host.get(name).and_then(Value::as_i64).unwrap_or(0)
}

fn host_text<'a>(container: &'a DockerContainer, name: &str) -> &'a str {
    container.host.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Published ports: the container's port, and the host's address and port.
fn published(container: &DockerContainer) -> Vec<(&str, &str, &str)> {
    let Some(bindings) = container.host.get("PortBindings").and_then(Value::as_object) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (inside, list) in bindings {
        for binding in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            let field = |name: &str| binding.get(name).and_then(Value::as_str).unwrap_or_default();
            found.push((inside.as_str(), field("HostIp"), field("HostPort")));
        }
    }
    found
}

fn options(container: &DockerContainer) -> Vec<&str> {
    let list = container.host.get("SecurityOpt").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect()
}

fn lines() -> Vec<Line<Wrong>> {
    lines! { Wrong;
        Line { id: "docker.containers.privileged", title: "No container is privileged", why: "A privileged container is the host's root with another view of the files.", remedy: "start it without --privileged, with the one capability or device that it needs", severity: Severity::Critical, gain: Gain::HostRoot, references: [(CisDocker, "5.5")], judge: |container| container.host.get("Privileged").and_then(Value::as_bool).unwrap_or(false).then(|| "is privileged".to_owned()), weak: concat!("{}", "\n", r#"{"Privileged": true}"#), strong: concat!("{}", "\n", r#"{"Privileged": false}"#) },
        Line { id: "docker.containers.unconfined", title: "No container asks to be unconfined", why: "Each such word takes down one wall that every other container has.", remedy: "remove `unconfined` and `label=disable` from --security-opt", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.22")], judge: |container| options(container).into_iter().find(|option| option.contains("unconfined") || option.contains("label=disable") || option.contains("label:disable")).map(|option| format!("asks for {option}")), weak: concat!("{}", "\n", r#"{"SecurityOpt": ["seccomp=unconfined"]}"#), strong: concat!("{}", "\n", r#"{"SecurityOpt": ["no-new-privileges"]}"#) },
        Line { id: "docker.containers.privileged-ports", title: "No container is published on a port below 1024 without need", why: "Clients trust low ports to be the host's own services.", remedy: "publish it on a higher port, behind a proxy that you trust", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "5.8")], judge: |container| published(container).into_iter().find(|(_, _, port)| port.parse::<u16>().is_ok_and(|port| port < 1024 && port != 80 && port != 443)).map(|(_, _, port)| format!("is published on {port}")), weak: concat!("{}", "\n", r#"{"PortBindings": {"53/tcp": [{"HostIp": "", "HostPort": "53"}]}}"#), strong: concat!("{}", "\n", r#"{"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}"#) },
        Line { id: "docker.containers.bound-address", title: "Published ports listen on a named address", why: "A port published on all addresses is open to networks that nobody thought of.", remedy: "publish it as ADDRESS:PORT:PORT", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "5.14")], judge: |container| published(container).into_iter().find(|(_, ip, _)| matches!(*ip, "" | "0.0.0.0" | "::")).map(|(inside, _, port)| format!("publishes {inside} as {port} on all addresses")), weak: concat!("{}", "\n", r#"{"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}"#), strong: concat!("{}", "\n", r#"{"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}"#) },
        Line { id: "docker.containers.cpu-share", title: "Each container's share of the processors is set", why: "One container without a share takes the time of all others.", remedy: "start it with --cpus or --cpu-shares", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.12")], judge: |container| (host_number(container, "CpuShares") == 0 && host_number(container, "NanoCpus") == 0 && host_number(container, "CpuQuota") == 0).then(|| "has none".to_owned()), weak: concat!("{}", "\n", "{}"), strong: concat!("{}", "\n", r#"{"NanoCpus": 1000000000}"#) },
        Line { id: "docker.containers.restart", title: "Containers that fail are started again at most five times", why: "A container that is started for ever gives an exploit as many tries as it needs.", remedy: "start it with --restart on-failure:5", severity: Severity::Low, gain: Gain::KernelReach, references: [(CisDocker, "5.15")], judge: |container| { let policy = container.host.get("RestartPolicy")?; let name = policy.get("Name").and_then(Value::as_str).unwrap_or_default(); let count = policy.get("MaximumRetryCount").and_then(Value::as_i64).unwrap_or(0); (matches!(name, "always" | "unless-stopped") || name == "on-failure" && !(1..=5).contains(&count)).then(|| format!("restarts {name}")) }, weak: concat!("{}", "\n", r#"{"RestartPolicy": {"Name": "always"}}"#), strong: concat!("{}", "\n", r#"{"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}}"#) },
        Line { id: "docker.containers.health", title: "Each container's health is checked", why: "A container that was taken over or hangs is one that nobody replaces.", remedy: "add HEALTHCHECK to the image, or --health-cmd", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "5.27")], judge: |container| { let check = container.config.pointer("/Config/Healthcheck/Test").and_then(Value::as_array); check.is_none_or(|test| test.first().and_then(Value::as_str) == Some("NONE")).then(|| "is not checked".to_owned()) }, weak: concat!("{}", "\n", "{}"), strong: concat!(r#"{"Config": {"Healthcheck": {"Test": ["CMD", "x"]}}}"#, "\n", "{}") },
        Line { id: "docker.containers.latest", title: "No container runs an image that only says latest", why: "What latest means tomorrow is chosen by whoever pushes next.", remedy: "name the image by a version, or by its digest", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "5.28")], judge: |container| { let image = container.config.pointer("/Config/Image").and_then(Value::as_str)?; let last = image.rsplit('/').next().unwrap_or(image); (!image.contains('@') && (last.ends_with(":latest") || !last.contains(':'))).then(|| format!("runs {image}")) }, weak: concat!(r#"{"Config": {"Image": "nginx"}}"#, "\n", "{}"), strong: concat!(r#"{"Config": {"Image": "nginx:1.27"}}"#, "\n", "{}") },
        Line { id: "docker.containers.default-bridge", title: "No container is on Docker's default bridge", why: "On it every container reaches every other.", remedy: "make networks with `docker network create`, one for each group that trusts itself", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "5.30")], judge: |container| matches!(host_text(container, "NetworkMode"), "default" | "bridge").then(|| "is on it".to_owned()), weak: concat!("{}", "\n", r#"{"NetworkMode": "default"}"#), strong: concat!("{}", "\n", r#"{"NetworkMode": "front"}"#) },
        Line { id: "docker.containers.userns-host", title: "No container leaves the user namespace that Docker gives it", why: "With --userns=host its root is the host's root again.", remedy: "remove --userns=host", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.31")], judge: |container| (host_text(container, "UsernsMode") == "host").then(|| "does".to_owned()), weak: concat!("{}", "\n", r#"{"UsernsMode": "host"}"#), strong: concat!("{}", "\n", "{}") },
        Line { id: "docker.containers.socket", title: "No container is given Docker's socket", why: "Whoever speaks to it starts a container that is the host's root.", remedy: "remove the socket from its volumes", severity: Severity::Critical, gain: Gain::HostRoot, references: [(CisDocker, "5.32")], judge: |container| { let binds = container.host.get("Binds").and_then(Value::as_array)?; binds.iter().filter_map(Value::as_str).find(|bind| bind.split(':').next().is_some_and(|source| source.ends_with("docker.sock"))).map(|bind| format!("is given {bind}")) }, weak: concat!("{}", "\n", r#"{"Binds": ["/var/run/docker.sock:/s:ro"]}"#), strong: concat!("{}", "\n", r#"{"Binds": ["/srv/x:/x"]}"#) },
        Line { id: "docker.containers.devices", title: "No container is given the host's devices", why: "Through a disk's device it has every file of the host's.", remedy: "remove --device", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.18")], judge: |container| { let devices = container.host.get("Devices").and_then(Value::as_array)?; let first = devices.first()?; Some(format!("is given {}", first.get("PathOnHost").and_then(Value::as_str).unwrap_or("a device"))) }, weak: concat!("{}", "\n", r#"{"Devices": [{"PathOnHost": "/dev/sda"}]}"#), strong: concat!("{}", "\n", r#"{"Devices": []}"#) },
        Line { id: "docker.containers.secrets", title: "No container has a secret in its environment", why: "The environment is shown by inspect, inherited by every program and written into crash reports.", remedy: "give it as a file, from a secret store", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.10")], judge: |container| { let list = container.config.pointer("/Config/Env").and_then(Value::as_array)?; list.iter().filter_map(Value::as_str).find_map(|word| { let (name, value) = word.split_once('=')?; (!value.is_empty() && crate::secret::is_secret_name(name)).then(|| format!("has {name}")) }) }, weak: concat!(r#"{"Config": {"Env": ["DB_PASSWORD=x"]}}"#, "\n", "{}"), strong: concat!(r#"{"Config": {"Env": ["PATH=/bin", "DB_PASSWORD_FILE=/run/secrets/x"]}}"#, "\n", "{}") },
    }
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    lines().iter().map(control).collect()
}

/// What is wrong with a container, if anything is.
type Wrong = fn(&DockerContainer) -> Option<String>;

fn control(line: &Line<Wrong>) -> Control<HostFacts> {
    let wrong = line.judge;
    Control::new(line.about("docker", Dimension::Processes), move |facts: &HostFacts| {
        let Some(docker) = facts.engines.docker.get()? else {
            return Ok(Verdict::not_applicable("Docker is not installed"));
        };
        let containers = docker.containers.get()?;
        if containers.is_empty() {
            return Ok(Verdict::not_applicable("Docker has no containers"));
        }
        let found = containers
            .iter()
            .filter_map(|container| Some(Evidence::new(format!("{} {}", container.name, wrong(container)?))));
        Ok(Verdict::none_of(found, format!("none of {}", containers.len())))
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::Docker;
    use crate::host::checks::planted::nothing;

    fn judge(line: &Line<Wrong>, example: &str) -> Outcome {
        let records = example.split_once('\n').unwrap();
        let read = |text| serde_json::from_str(text).unwrap();
        let container =
            DockerContainer { name: "web".into(), config: read(records.0), host: read(records.1) };
        let mut facts = nothing();
        facts.engines.docker = Fact::Known(Some(Docker {
            file: Value::Null,
            words: Vec::new(),
            rootless: None,
            containers: Fact::Known(vec![container]),
        }));
        control(line).judge(&facts).outcome
    }

    #[test]
    pub(in crate::host::checks) fn every_record_can_pass_and_can_fail() {
        for line in &lines() {
            assert_eq!(judge(line, line.weak), Outcome::Fail, "{}", line.id());
            assert_eq!(judge(line, line.strong), Outcome::Pass, "{}", line.id());
        }
    }
}
