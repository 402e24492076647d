//! The kubelet's settings.

use crate::control::{About, Body, Control, Dimension, Gain, Severity, Verdict};
use crate::host::HostFacts;

/// A setting: its path in the file, its flag, the default, what is good, why.
struct Line {
    path: &'static str,
    flag: &'static str,
    default: &'static str,
    good: fn(&str) -> bool,
    title: &'static str,
    why: &'static str,
    severity: Severity,
    gain: Gain,
    cis: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    weak: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    strong: &'static str,
}

#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { path: "authentication.anonymous.enabled", flag: "anonymous-auth", default: "true", good: |value| value == "false", title: "The kubelet answers nobody without a name", why: "Whoever reaches it could run commands in every container of the node.", severity: Severity::Critical, gain: Gain::HostRoot, cis: "4.2.1", weak: "true", strong: "false" },
    Line { path: "authorization.mode", flag: "authorization-mode", default: "AlwaysAllow", good: |value| !value.is_empty() && !value.contains("AlwaysAllow"), title: "The kubelet asks whether a caller may", why: "AlwaysAllow gives every certificate of the cluster every container of the node.", severity: Severity::Critical, gain: Gain::HostRoot, cis: "4.2.2", weak: "AlwaysAllow", strong: "Webhook" },
    Line { path: "authentication.x509.clientCAFile", flag: "client-ca-file", default: "", good: |value| !value.is_empty(), title: "The kubelet knows whose certificates to believe", why: "Without it nobody is told apart.", severity: Severity::High, gain: Gain::HostRoot, cis: "4.2.3", weak: "", strong: "/etc/kubernetes/pki/ca.crt" },
    Line { path: "readOnlyPort", flag: "read-only-port", default: "0", good: |value| value == "0", title: "The kubelet's read-only port is closed", why: "It tells everybody which containers run here, with environment and mounts.", severity: Severity::High, gain: Gain::Information, cis: "4.2.4", weak: "10255", strong: "0" },
    Line { path: "streamingConnectionIdleTimeout", flag: "streaming-connection-idle-timeout", default: "4h", good: |value| !matches!(value, "0" | "0s"), title: "Idle sessions into containers end", why: "A session that nobody is behind any more is one to take over.", severity: Severity::Low, gain: Gain::Foothold, cis: "4.2.5", weak: "0s", strong: "5m" },
    Line { path: "makeIPTablesUtilChains", flag: "make-iptables-util-chains", default: "true", good: |value| value == "true", title: "The kubelet keeps its packet filter chains", why: "Without them marked packets pass where they should not.", severity: Severity::Low, gain: Gain::OtherTenants, cis: "4.2.6", weak: "false", strong: "true" },
    Line { path: "hostnameOverride", flag: "hostname-override", default: "", good: str::is_empty, title: "The kubelet goes by the host's own name", why: "Under another name its certificate and the log do not say which host it is.", severity: Severity::Low, gain: Gain::Concealment, cis: "4.2.7", weak: "other", strong: "" },
    Line { path: "eventRecordQPS", flag: "event-qps", default: "50", good: |value| value.parse::<i64>().is_ok_and(|number| number >= 0), title: "The kubelet records events", why: "Events tell afterwards what was done to which container.", severity: Severity::Low, gain: Gain::Concealment, cis: "4.2.8", weak: "-1", strong: "50" },
    Line { path: "tlsCertFile", flag: "tls-cert-file", default: "", good: |value| !value.is_empty(), title: "The kubelet has a certificate that others can check", why: "With a self-made one the control plane speaks to whoever stands between.", severity: Severity::Medium, gain: Gain::Foothold, cis: "4.2.9", weak: "", strong: "/x.crt" },
    Line { path: "rotateCertificates", flag: "rotate-certificates", default: "true", good: |value| value == "true", title: "The kubelet renews its certificate", why: "A stolen key of a node should not serve for ever.", severity: Severity::Low, gain: Gain::Foothold, cis: "4.2.10", weak: "false", strong: "true" },
    Line { path: "serverTLSBootstrap", flag: "rotate-server-certificates", default: "false", good: |value| value == "true", title: "The kubelet renews the certificate that it serves", why: "One that runs out is replaced by trust without a check.", severity: Severity::Low, gain: Gain::Foothold, cis: "4.2.11", weak: "false", strong: "true" },
    Line { path: "tlsMinVersion", flag: "tls-min-version", default: "VersionTLS12", good: |value| matches!(value, "VersionTLS12" | "VersionTLS13"), title: "The kubelet speaks TLS 1.2 or newer", why: "Older versions are broken.", severity: Severity::Medium, gain: Gain::Information, cis: "4.2.12", weak: "VersionTLS10", strong: "VersionTLS13" },
    Line { path: "podPidsLimit", flag: "pod-max-pids", default: "-1", good: |value| value.parse::<i64>().is_ok_and(|number| number > 0), title: "The processes of a pod are limited", why: "A fork bomb in one pod takes the whole node's process numbers.", severity: Severity::Medium, gain: Gain::Denial, cis: "4.2.13", weak: "-1", strong: "4096" },
    Line { path: "seccompDefault", flag: "seccomp-default", default: "false", good: |value| value == "true", title: "Pods are filtered by default", why: "Without it a pod that says nothing has every system call of the kernel.", severity: Severity::High, gain: Gain::KernelReach, cis: "4.2.14", weak: "false", strong: "true" },
    Line { path: "protectKernelDefaults", flag: "protect-kernel-defaults", default: "false", good: |value| value == "true", title: "The kubelet does not change the kernel's parameters to its own", why: "It would undo what was hardened here.", severity: Severity::Low, gain: Gain::KernelReach, cis: "", weak: "false", strong: "true" },
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    LINES.iter().map(control).collect()
}

fn control(line: &'static Line) -> Control<HostFacts> {
    let mut about = About::new("kubelet", format!("kubelet.{}", line.path))
        .title(line.title)
        .why(line.why)
        .remedy(format!("set {} in the kubelet's configuration file", line.path))
        .weight(line.severity, line.gain)
        .dimension(Dimension::ControlPlane)
        .reference(Body::NsaCisa, "Authentication and authorization");
    if !line.cis.is_empty() {
        about = about.reference(Body::CisKubernetes, line.cis);
    }
    Control::new(about, move |facts: &HostFacts| {
        let Some(kubelet) = facts.engines.kubelet.get()? else {
            return Ok(Verdict::not_applicable("the kubelet is not installed"));
        };
        let value = kubelet.setting(line.path, line.flag);
        let seen = match &value {
            Some(value) => format!("{} is {value:?}", line.path),
            None => format!("{} is not set; the default is {:?}", line.path, line.default),
        };
        Ok(if (line.good)(value.as_deref().unwrap_or(line.default)) {
            Verdict::pass(seen)
        } else {
            Verdict::fail(seen)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::host::checks::planted::{Plant, verdict};

    #[test]
    fn every_setting_can_pass_and_can_fail() {
        for line in LINES {
            for (value, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let mut text = String::new();
                for (depth, name) in line.path.split('.').enumerate() {
                    text += &format!("\n{}{name}:", "  ".repeat(depth));
                }
                let text: &'static str = format!("{text} {value}\n").leak();
                let plants =
                    [Plant::File("usr/bin/kubelet", ""), Plant::File("var/lib/kubelet/config.yaml", text)];
                assert_eq!(
                    verdict(&format!("kubelet.{}", line.path), &plants).outcome,
                    expected,
                    "{} {value}",
                    line.path
                );
            }
        }
    }
}
