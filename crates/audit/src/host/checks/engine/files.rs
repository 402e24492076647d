//! Owner and mode of the engines' files and sockets.

use crate::control::Body::{CisDocker, CisKubernetes};
use crate::control::{Control, Dimension, Gain, Severity};
use crate::host::HostFacts;
use crate::host::checks::access::files::{Line, control, line};

const ROOT: Gain = Gain::HostRoot;
const HIGH: Severity = Severity::High;

#[rustfmt::skip]
const LINES: &[Line] = &[
    line("/usr/lib/systemd/system/docker.service", 0o644, HIGH, ROOT).asked_by(&[(CisDocker, "3.1"), (CisDocker, "3.2")]),
    line("/usr/lib/systemd/system/docker.socket", 0o644, HIGH, ROOT).asked_by(&[(CisDocker, "3.3"), (CisDocker, "3.4")]),
    line("/usr/lib/systemd/system/containerd.service", 0o644, HIGH, ROOT),
    line("/etc/docker", 0o755, HIGH, ROOT).asked_by(&[(CisDocker, "3.5"), (CisDocker, "3.6")]),
    line("/etc/docker/certs.d", 0o755, HIGH, ROOT).asked_by(&[(CisDocker, "3.7"), (CisDocker, "3.8")]),
    line("/etc/docker/ca.pem", 0o444, HIGH, ROOT).asked_by(&[(CisDocker, "3.9"), (CisDocker, "3.10")]),
    line("/etc/docker/server-cert.pem", 0o444, HIGH, ROOT).asked_by(&[(CisDocker, "3.11"), (CisDocker, "3.12")]),
    line("/etc/docker/server-key.pem", 0o400, Severity::Critical, ROOT).asked_by(&[(CisDocker, "3.13"), (CisDocker, "3.14")]),
    line("/run/docker.sock", 0o660, Severity::Critical, ROOT).asked_by(&[(CisDocker, "3.15"), (CisDocker, "3.16")]),
    line("/etc/docker/daemon.json", 0o644, HIGH, ROOT).asked_by(&[(CisDocker, "3.17"), (CisDocker, "3.18")]),
    line("/etc/default/docker", 0o644, HIGH, ROOT).asked_by(&[(CisDocker, "3.19"), (CisDocker, "3.20")]),
    line("/etc/sysconfig/docker", 0o644, HIGH, ROOT).asked_by(&[(CisDocker, "3.21"), (CisDocker, "3.22")]),
    line("/run/containerd/containerd.sock", 0o660, Severity::Critical, ROOT).asked_by(&[(CisDocker, "3.23"), (CisDocker, "3.24")]),
    line("/run/podman/podman.sock", 0o660, Severity::Critical, ROOT),
    line("/run/crio/crio.sock", 0o660, Severity::Critical, ROOT),
    line("/var/lib/docker", 0o711, HIGH, Gain::OtherTenants),
    line("/var/lib/containers", 0o755, Severity::Medium, Gain::OtherTenants),
    line("/var/lib/containers/storage", 0o711, HIGH, Gain::OtherTenants),
    line("/var/lib/containerd", 0o711, HIGH, Gain::OtherTenants),
    line("/var/lib/cofferdam", 0o711, HIGH, Gain::OtherTenants),
    line("/var/lib/cofferdam/keys", 0o700, HIGH, Gain::Concealment),
    line("/etc/containerd/config.toml", 0o644, HIGH, ROOT),
    line("/etc/containers/policy.json", 0o644, HIGH, Gain::Foothold),
    line("/etc/containers/registries.conf", 0o644, HIGH, Gain::Foothold),
    line("/etc/containers/containers.conf", 0o644, HIGH, ROOT),
    line("/etc/containers/auth.json", 0o600, HIGH, Gain::Foothold),
    line("/root/.docker/config.json", 0o600, HIGH, Gain::Foothold),
    line("/usr/bin/runc", 0o755, Severity::Critical, ROOT),
    line("/usr/bin/crun", 0o755, Severity::Critical, ROOT),
    line("/usr/bin/dockerd", 0o755, Severity::Critical, ROOT),
    line("/usr/bin/containerd", 0o755, Severity::Critical, ROOT),
    line("/usr/bin/podman", 0o755, Severity::Critical, ROOT),
    line("/opt/cni/bin", 0o755, Severity::Critical, ROOT),
    line("/etc/cni/net.d", 0o755, HIGH, ROOT).asked_by(&[(CisKubernetes, "1.1.9"), (CisKubernetes, "1.1.10")]),
    line("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", 0o600, HIGH, ROOT).asked_by(&[(CisKubernetes, "4.1.1"), (CisKubernetes, "4.1.2")]),
    line("/var/lib/kube-proxy/kubeconfig.conf", 0o600, HIGH, Gain::Foothold).asked_by(&[(CisKubernetes, "4.1.3"), (CisKubernetes, "4.1.4")]),
    line("/etc/kubernetes/kubelet.conf", 0o600, HIGH, Gain::Foothold).asked_by(&[(CisKubernetes, "4.1.5"), (CisKubernetes, "4.1.6")]),
    line("/etc/kubernetes/pki/ca.crt", 0o644, HIGH, Gain::Foothold).asked_by(&[(CisKubernetes, "4.1.7"), (CisKubernetes, "4.1.8")]),
    line("/var/lib/kubelet/config.yaml", 0o600, HIGH, ROOT).asked_by(&[(CisKubernetes, "4.1.9"), (CisKubernetes, "4.1.10")]),
    line("/var/lib/kubelet/pki", 0o755, HIGH, Gain::Foothold),
    line("/etc/kubernetes/manifests", 0o700, Severity::Critical, ROOT).asked_by(&[(CisKubernetes, "1.1.1")]),
    line("/etc/kubernetes/pki", 0o755, HIGH, Gain::Foothold).asked_by(&[(CisKubernetes, "1.1.19")]),
    line("/etc/kubernetes/admin.conf", 0o600, Severity::Critical, ROOT).asked_by(&[(CisKubernetes, "1.1.13"), (CisKubernetes, "1.1.14")]),
];

pub(in crate::host::checks) fn paths() -> impl Iterator<Item = &'static str> {
    LINES
        .iter()
        .map(Line::path)
        .chain(["/var/lib/docker/swarm/docker-state.json"])
        .chain(super::audit_rules::MORE_PATHS)
}

/// One check for each line.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let control = |line| {
        let mut control = control(line);
        control.about.area = "engine files";
        control.about.dimension = Dimension::Engine;
        control
    };
    LINES.iter().map(control).collect()
}
