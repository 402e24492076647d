//! Docker's settings, by the flags of dockerd and by daemon.json.

use serde_json::Value;

use crate::control::{About, Body, Control, Dimension, Gain, Judgement, Severity, Verdict};
use crate::host::{Docker, HostFacts};
use crate::line::{Line, lines};

fn verdict(good: bool, name: &str, value: Option<&Value>) -> Verdict {
    let seen = match value {
        Some(value) => format!("{name} is {value}"),
        None => format!("{name} is not set"),
    };
    if good { Verdict::pass(seen) } else { Verdict::fail(seen) }
}

/// A switch that should be as given, with Docker's own default.
fn switch(docker: &Docker, name: &str, wanted: bool, default: bool) -> Verdict {
    verdict(docker.switch(name, default) == wanted, name, docker.setting(name).as_ref())
}

fn is_set(docker: &Docker, name: &str) -> Verdict {
    let value = docker.setting(name);
    let empty = |value: &Value| match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    verdict(value.as_ref().is_some_and(|value| !empty(value)), name, value.as_ref())
}

fn word(docker: &Docker, name: &str, good: impl Fn(Option<&str>) -> bool) -> Verdict {
    let value = docker.setting(name);
    verdict(good(value.as_ref().and_then(Value::as_str)), name, value.as_ref())
}

/// The addresses on the network that dockerd is told to listen on.
fn network_hosts(docker: &Docker) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    if let Some(list) = docker.file.get("hosts").and_then(Value::as_array) {
        hosts.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    for (index, word) in docker.words.iter().enumerate() {
        let value = match word.as_str() {
            "-H" | "--host" => docker.words.get(index + 1).map(String::as_str),
            word => word.strip_prefix("--host=").or_else(|| word.strip_prefix("-H")),
        };
        hosts.extend(value.map(str::to_owned));
    }
    hosts.retain(|host| host.starts_with("tcp://"));
    hosts
}

/// What judges a setting.
type Judge = fn(&Docker) -> Verdict;

fn lines() -> Vec<Line<Judge>> {
    lines! { Judge;
        Line { id: "docker.rootless", title: "dockerd runs as an ordinary user", why: "Whoever breaks dockerd, or speaks to it, is what it runs as.", remedy: "set up rootless mode with dockerd-rootless-setuptool.sh", severity: Severity::Medium, gain: Gain::HostRoot, references: [(CisDocker, "2.1")], judge: |docker| match docker.rootless { Some(true) => Verdict::pass("it does"), Some(false) => Verdict::fail("it runs as root"), None => Verdict::not_applicable("it does not run") }, weak: "", strong: "" },
        Line { id: "docker.icc", title: "Containers on Docker's default bridge cannot speak to each other", why: "On the default bridge every container reaches every port of every other one.", remedy: "set `\"icc\": false` in daemon.json, and use networks of your own", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "2.2")], judge: |docker| switch(docker, "icc", false, true), weak: "{}", strong: r#"{"icc": false}"# },
        Line { id: "docker.log-level", title: "Docker logs at the level info", why: "Less hides what was done to containers, more fills the disk and writes secrets down.", remedy: "remove log-level from daemon.json", severity: Severity::Low, gain: Gain::Concealment, references: [(CisDocker, "2.3")], judge: |docker| word(docker, "log-level", |level| matches!(level, None | Some("info"))), weak: r#"{"log-level": "debug"}"#, strong: "{}" },
        Line { id: "docker.iptables", title: "Docker may write packet filter rules", why: "Without its rules no published port is fenced and no network of containers is apart.", remedy: "remove `\"iptables\": false` from daemon.json", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "2.4")], judge: |docker| switch(docker, "iptables", true, true), weak: r#"{"iptables": false}"#, strong: "{}" },
        Line { id: "docker.insecure-registry", title: "Docker takes images from registries with TLS only", why: "Whoever stands between host and registry chooses what runs here.", remedy: "remove insecure-registries from daemon.json, and give the registry a certificate", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "2.5")], judge: |docker| { let value = docker.setting("insecure-registry").or_else(|| docker.setting("insecure-registries")).or_else(|| docker.file.get("insecure-registries").cloned()); let set = value.as_ref().is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())); verdict(!set, "insecure-registries", value.as_ref()) }, weak: r#"{"insecure-registries": ["10.0.0.1:5000"]}"#, strong: r#"{"insecure-registries": []}"# },
        Line { id: "docker.storage-driver", title: "Docker does not use a storage driver that nobody keeps in order", why: "aufs and devicemapper in loop mode are no longer maintained, and lose or leak data.", remedy: "use overlay2", severity: Severity::Medium, gain: Gain::Denial, references: [(CisDocker, "2.6")], judge: |docker| word(docker, "storage-driver", |driver| !matches!(driver, Some("aufs" | "devicemapper" | "overlay"))), weak: r#"{"storage-driver": "aufs"}"#, strong: r#"{"storage-driver": "overlay2"}"# },
        Line { id: "docker.tls", title: "Docker's interface on the network asks for client certificates", why: "Whoever reaches an interface without them is root on the host.", remedy: "remove the tcp host, or set tlsverify with tlscacert, tlscert and tlskey", severity: Severity::Critical, gain: Gain::HostRoot, references: [(CisDocker, "2.7")], judge: |docker| { let hosts = network_hosts(docker); if hosts.is_empty() { Verdict::pass("it listens on no network") } else if docker.switch("tlsverify", false) { Verdict::pass(format!("{} with tlsverify", hosts.join(", "))) } else { Verdict::fail(format!("{} without tlsverify", hosts.join(", "))) } }, weak: r#"{"hosts": ["tcp://0.0.0.0:2375"]}"#, strong: r#"{"hosts": ["tcp://0.0.0.0:2376"], "tlsverify": true}"# },
        Line { id: "docker.default-ulimit", title: "Docker gives containers limits on files and processes", why: "A container without limits opens files and starts processes until the host has none left.", remedy: "set default-ulimits in daemon.json", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "2.8")], judge: |docker| is_set(docker, "default-ulimit"), weak: "{}", strong: r#"{"default-ulimits": {"nofile": {"Soft": 64000, "Hard": 64000}}}"# },
        Line { id: "docker.userns-remap", title: "Docker maps containers' root to an ordinary user", why: "Without it, what leaves a container as root is root on the host.", remedy: "set `\"userns-remap\": \"default\"` in daemon.json, or use rootless mode", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "2.9")], judge: |docker| if docker.rootless == Some(true) { Verdict::pass("rootless") } else { is_set(docker, "userns-remap") }, weak: "{}", strong: r#"{"userns-remap": "default"}"# },
        Line { id: "docker.cgroup-parent", title: "Docker's containers are in its own control group", why: "In another group a container takes part in limits that were meant for others.", remedy: "remove cgroup-parent from daemon.json", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "2.10")], judge: |docker| word(docker, "cgroup-parent", |parent| matches!(parent, None | Some("" | "docker" | "/docker"))), weak: r#"{"cgroup-parent": "/"}"#, strong: "{}" },
        Line { id: "docker.basesize", title: "Docker's base device size is as it was", why: "A larger one takes the limit away that kept one container from filling the pool.", remedy: "remove dm.basesize from storage-opts", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "2.11")], judge: |docker| { let value = docker.setting("storage-opt"); let set = value.as_ref().is_some_and(|value| value.to_string().contains("dm.basesize")); verdict(!set, "storage-opts", value.as_ref()) }, weak: r#"{"storage-opts": ["dm.basesize=50G"]}"#, strong: "{}" },
        Line { id: "docker.authorization-plugin", title: "Docker asks somebody whether a client may do what it wants", why: "By itself Docker gives everybody who reaches its socket everything.", remedy: "set authorization-plugins in daemon.json (or serve people through `cofferdam` with rights per zone)", severity: Severity::Medium, gain: Gain::HostRoot, references: [(CisDocker, "2.12")], judge: |docker| is_set(docker, "authorization-plugin"), weak: "{}", strong: r#"{"authorization-plugins": ["opa"]}"# },
        Line { id: "docker.log-driver", title: "Docker sends containers' logs elsewhere", why: "A log that lies only on the host goes with the host, or with the container.", remedy: "set log-driver to syslog, journald, fluentd or another one that leaves the container", severity: Severity::Low, gain: Gain::Concealment, references: [(CisDocker, "2.13")], judge: |docker| word(docker, "log-driver", |driver| !matches!(driver, None | Some("json-file" | "local" | "none"))), weak: "{}", strong: r#"{"log-driver": "journald"}"# },
        Line { id: "docker.no-new-privileges", title: "Docker's containers cannot gain rights by set-id programs, unless asked for", why: "A set-id program that an image forgot makes root out of a user inside the container.", remedy: "set `\"no-new-privileges\": true` in daemon.json", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "2.14")], judge: |docker| switch(docker, "no-new-privileges", true, false), weak: "{}", strong: r#"{"no-new-privileges": true}"# },
        Line { id: "docker.live-restore", title: "Containers outlive a restart of dockerd", why: "An update of the engine that stops all containers is one that is put off.", remedy: "set `\"live-restore\": true` in daemon.json", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "2.15")], judge: |docker| switch(docker, "live-restore", true, false), weak: "{}", strong: r#"{"live-restore": true}"# },
        Line { id: "docker.userland-proxy", title: "Published ports go through the kernel alone", why: "The proxy is one more root process per port, and hides the caller's address from the container.", remedy: "set `\"userland-proxy\": false` in daemon.json", severity: Severity::Low, gain: Gain::Concealment, references: [(CisDocker, "2.16")], judge: |docker| switch(docker, "userland-proxy", false, true), weak: "{}", strong: r#"{"userland-proxy": false}"# },
        Line { id: "docker.seccomp-profile", title: "Docker filters system calls by default", why: "Without the filter every system call of the kernel is within every container's reach.", remedy: "remove seccomp-profile from daemon.json", severity: Severity::High, gain: Gain::KernelReach, references: [(CisDocker, "2.17")], judge: |docker| word(docker, "seccomp-profile", |profile| profile != Some("unconfined")), weak: r#"{"seccomp-profile": "unconfined"}"#, strong: "{}" },
        Line { id: "docker.experimental", title: "Docker's experimental features are off", why: "What is not finished has not been looked at by those who look for holes.", remedy: "remove `\"experimental\": true` from daemon.json", severity: Severity::Low, gain: Gain::KernelReach, references: [(CisDocker, "2.18")], judge: |docker| switch(docker, "experimental", false, false), weak: r#"{"experimental": true}"#, strong: "{}" },
        Line { id: "docker.debug", title: "Docker's debugging interface is off", why: "It shows the memory of the engine, and with it what clients sent, to whoever reaches the socket.", remedy: "remove `\"debug\": true` from daemon.json", severity: Severity::Low, gain: Gain::Information, references: [(CisDocker, "2.3")], judge: |docker| switch(docker, "debug", false, false), weak: r#"{"debug": true}"#, strong: "{}" },
        Line { id: "docker.disable-legacy-registry", title: "Docker speaks no registry protocol without digests", why: "Version 1 of the protocol does not check what it gets.", remedy: "remove `\"disable-legacy-registry\": false` from daemon.json", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "C.2")], judge: |docker| switch(docker, "disable-legacy-registry", true, true), weak: r#"{"disable-legacy-registry": false}"#, strong: "{}" },
        Line { id: "docker.ip", title: "Published ports listen on the address that was chosen for it", why: "By default a published port is open to every network that the host has.", remedy: "set `\"ip\": \"127.0.0.1\"` in daemon.json, and name an address where others are to reach it", severity: Severity::Medium, gain: Gain::OtherTenants, references: [(CisDocker, "5.14")], judge: |docker| word(docker, "ip", |ip| ip.is_some_and(|ip| ip != "0.0.0.0")), weak: "{}", strong: r#"{"ip": "127.0.0.1"}"# },
        Line { id: "docker.default-runtime", title: "Docker's default runtime is one of its own", why: "The runtime is root on the host for each start; one that is named by a file elsewhere is whoever's can write there.", remedy: "remove default-runtime from daemon.json, or name runc, crun or cofferdam-oci", severity: Severity::Low, gain: Gain::HostRoot, references: [], judge: |docker| word(docker, "default-runtime", |runtime| matches!(runtime, None | Some("runc" | "crun" | "runsc" | "kata-runtime" | "kata" | "cofferdam" | "cofferdam-oci" | "io.containerd.runc.v2"))), weak: r#"{"default-runtime": "/tmp/x"}"#, strong: "{}" },
        Line { id: "docker.raw-logs", title: "Docker's log is not written raw", why: "Escape sequences from a container would reach the terminal of whoever reads it.", remedy: "remove `\"raw-logs\": true` from daemon.json", severity: Severity::Low, gain: Gain::Foothold, references: [], judge: |docker| switch(docker, "raw-logs", false, false), weak: r#"{"raw-logs": true}"#, strong: "{}" },
        Line { id: "docker.bip6", title: "Docker's fixed addresses do not put containers on a public network", why: "A routable prefix on the default bridge puts every container on the internet, without a published port.", remedy: "remove fixed-cidr-v6 with a global prefix from daemon.json", severity: Severity::Low, gain: Gain::OtherTenants, references: [], judge: |docker| word(docker, "fixed-cidr-v6", |prefix| prefix.is_none_or(|prefix| !prefix.starts_with('2'))), weak: r#"{"fixed-cidr-v6": "2001:db8::/64"}"#, strong: r#"{"fixed-cidr-v6": "fd00::/80"}"# },
        Line { id: "docker.metrics-addr", title: "Docker's metrics are not for everybody", why: "They tell who asks what runs here and how much.", remedy: "let metrics-addr be on 127.0.0.1", severity: Severity::Low, gain: Gain::Information, references: [], judge: |docker| word(docker, "metrics-addr", |address| address.is_none_or(|address| address.starts_with("127.") || address.starts_with("localhost"))), weak: r#"{"metrics-addr": "0.0.0.0:9323"}"#, strong: r#"{"metrics-addr": "127.0.0.1:9323"}"# },
    }
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let mut controls: Vec<_> = lines().iter().map(control).collect();
    controls.push(swarm());
    controls
}

fn control(line: &Line<Judge>) -> Control<HostFacts> {
    let dimension = match line.id() {
        "docker.tls" | "docker.authorization-plugin" => Dimension::ControlPlane,
        _ => Dimension::Engine,
    };
    let judge = line.judge;
    Control::new(line.about("docker", dimension), move |facts: &HostFacts| -> Judgement {
        Ok(match facts.engines.docker.get()? {
            Some(docker) => judge(docker),
            None => Verdict::not_applicable("Docker is not installed"),
        })
    })
}

fn swarm() -> Control<HostFacts> {
    let about = About::new("docker", "docker.swarm")
        .title("Docker's swarm mode is off")
        .why("It opens ports for a cluster that gives each member work for this host.")
        .remedy("run `docker swarm leave` where no swarm is used")
        .weight(Severity::Low, Gain::Foothold)
        .dimension(Dimension::ControlPlane)
        .reference(Body::CisDocker, "5.1")
        .reference(Body::CisDocker, "7.1");
    Control::new(about, |facts: &HostFacts| {
        if facts.engines.docker.get()?.is_none() {
            return Ok(Verdict::not_applicable("Docker is not installed"));
        }
        Ok(match facts.file("/var/lib/docker/swarm/docker-state.json")? {
            None => Verdict::pass("the host is in no swarm"),
            Some(_) => {
                Verdict::fail("the host is in a swarm").at("/var/lib/docker/swarm/docker-state.json", None)
            }
        })
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    fn judge(line: &Line<Judge>, file: &str, rootless: bool) -> Outcome {
        let mut facts = nothing();
        facts.engines.docker = Fact::Known(Some(Docker {
            file: serde_json::from_str(if file.is_empty() { "{}" } else { file }).unwrap(),
            words: Vec::new(),
            rootless: Some(rootless),
            containers: Fact::Known(Vec::new()),
        }));
        control(line).judge(&facts).outcome
    }

    #[test]
    pub(in crate::host::checks) fn every_setting_can_pass_and_can_fail() {
        for line in &lines() {
            let id = line.id();
            assert_eq!(judge(line, line.weak, false), Outcome::Fail, "{id}");
            assert_eq!(judge(line, line.strong, id == "docker.rootless"), Outcome::Pass, "{id}");
        }
    }
}
