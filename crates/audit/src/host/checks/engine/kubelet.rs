//! The kubelet's settings.

use crate::control::{Control, Dimension, Gain, Severity, Verdict};
use crate::host::{HostFacts, Kubelet};
use crate::line::{Line, lines};

/// What judges a setting.
type Judge = fn(&Kubelet) -> Verdict;

fn lines() -> Vec<Line<Judge>> {
    lines! { Judge;
        Line { id: "kubelet.authentication.anonymous.enabled", title: "The kubelet answers nobody without a name", why: "Whoever reaches it could run commands in every container of the node.", remedy: "set authentication.anonymous.enabled in the kubelet's configuration file", severity: Severity::Critical, gain: Gain::HostRoot, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.1")], judge: |kubelet| judge(kubelet, "authentication.anonymous.enabled", "anonymous-auth", "true", |value| value == "false"), weak: "true", strong: "false" },
        Line { id: "kubelet.authorization.mode", title: "The kubelet asks whether a caller may", why: "AlwaysAllow gives every certificate of the cluster every container of the node.", remedy: "set authorization.mode in the kubelet's configuration file", severity: Severity::Critical, gain: Gain::HostRoot, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.2")], judge: |kubelet| judge(kubelet, "authorization.mode", "authorization-mode", "AlwaysAllow", |value| !value.is_empty() && !value.contains("AlwaysAllow")), weak: "AlwaysAllow", strong: "Webhook" },
        Line { id: "kubelet.authentication.x509.clientCAFile", title: "The kubelet knows whose certificates to believe", why: "Without it nobody is told apart.", remedy: "set authentication.x509.clientCAFile in the kubelet's configuration file", severity: Severity::High, gain: Gain::HostRoot, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.3")], judge: |kubelet| judge(kubelet, "authentication.x509.clientCAFile", "client-ca-file", "", |value| !value.is_empty()), weak: "", strong: "/etc/kubernetes/pki/ca.crt" },
        Line { id: "kubelet.readOnlyPort", title: "The kubelet's read-only port is closed", why: "It tells everybody which containers run here, with environment and mounts.", remedy: "set readOnlyPort in the kubelet's configuration file", severity: Severity::High, gain: Gain::Information, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.4")], judge: |kubelet| judge(kubelet, "readOnlyPort", "read-only-port", "0", |value| value == "0"), weak: "10255", strong: "0" },
        Line { id: "kubelet.streamingConnectionIdleTimeout", title: "Idle sessions into containers end", why: "A session that nobody is behind any more is one to take over.", remedy: "set streamingConnectionIdleTimeout in the kubelet's configuration file", severity: Severity::Low, gain: Gain::Foothold, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.5")], judge: |kubelet| judge(kubelet, "streamingConnectionIdleTimeout", "streaming-connection-idle-timeout", "4h", |value| !matches!(value, "0" | "0s")), weak: "0s", strong: "5m" },
        Line { id: "kubelet.makeIPTablesUtilChains", title: "The kubelet keeps its packet filter chains", why: "Without them marked packets pass where they should not.", remedy: "set makeIPTablesUtilChains in the kubelet's configuration file", severity: Severity::Low, gain: Gain::OtherTenants, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.6")], judge: |kubelet| judge(kubelet, "makeIPTablesUtilChains", "make-iptables-util-chains", "true", |value| value == "true"), weak: "false", strong: "true" },
        Line { id: "kubelet.hostnameOverride", title: "The kubelet goes by the host's own name", why: "Under another name its certificate and the log do not say which host it is.", remedy: "set hostnameOverride in the kubelet's configuration file", severity: Severity::Low, gain: Gain::Concealment, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.7")], judge: |kubelet| judge(kubelet, "hostnameOverride", "hostname-override", "", str::is_empty), weak: "other", strong: "" },
        Line { id: "kubelet.eventRecordQPS", title: "The kubelet records events", why: "Events tell afterwards what was done to which container.", remedy: "set eventRecordQPS in the kubelet's configuration file", severity: Severity::Low, gain: Gain::Concealment, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.8")], judge: |kubelet| judge(kubelet, "eventRecordQPS", "event-qps", "50", |value| value.parse::<i64>().is_ok_and(|number| number >= 0)), weak: "-1", strong: "50" },
        Line { id: "kubelet.tlsCertFile", title: "The kubelet has a certificate that others can check", why: "With a self-made one the control plane speaks to whoever stands between.", remedy: "set tlsCertFile in the kubelet's configuration file", severity: Severity::Medium, gain: Gain::Foothold, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.9")], judge: |kubelet| judge(kubelet, "tlsCertFile", "tls-cert-file", "", |value| !value.is_empty()), weak: "", strong: "/x.crt" },
        Line { id: "kubelet.rotateCertificates", title: "The kubelet renews its certificate", why: "A stolen key of a node should not serve for ever.", remedy: "set rotateCertificates in the kubelet's configuration file", severity: Severity::Low, gain: Gain::Foothold, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.10")], judge: |kubelet| judge(kubelet, "rotateCertificates", "rotate-certificates", "true", |value| value == "true"), weak: "false", strong: "true" },
        Line { id: "kubelet.serverTLSBootstrap", title: "The kubelet renews the certificate that it serves", why: "One that runs out is replaced by trust without a check.", remedy: "set serverTLSBootstrap in the kubelet's configuration file", severity: Severity::Low, gain: Gain::Foothold, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.11")], judge: |kubelet| judge(kubelet, "serverTLSBootstrap", "rotate-server-certificates", "false", |value| value == "true"), weak: "false", strong: "true" },
        Line { id: "kubelet.tlsMinVersion", title: "The kubelet speaks TLS 1.2 or newer", why: "Older versions are broken.", remedy: "set tlsMinVersion in the kubelet's configuration file", severity: Severity::Medium, gain: Gain::Information, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.12")], judge: |kubelet| judge(kubelet, "tlsMinVersion", "tls-min-version", "VersionTLS12", |value| matches!(value, "VersionTLS12" | "VersionTLS13")), weak: "VersionTLS10", strong: "VersionTLS13" },
        Line { id: "kubelet.podPidsLimit", title: "The processes of a pod are limited", why: "A fork bomb in one pod takes the whole node's process numbers.", remedy: "set podPidsLimit in the kubelet's configuration file", severity: Severity::Medium, gain: Gain::Denial, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.13")], judge: |kubelet| judge(kubelet, "podPidsLimit", "pod-max-pids", "-1", |value| value.parse::<i64>().is_ok_and(|number| number > 0)), weak: "-1", strong: "4096" },
        Line { id: "kubelet.seccompDefault", title: "Pods are filtered by default", why: "Without it a pod that says nothing has every system call of the kernel.", remedy: "set seccompDefault in the kubelet's configuration file", severity: Severity::High, gain: Gain::KernelReach, references: [(NsaCisa, "Authentication and authorization"), (CisKubernetes, "4.2.14")], judge: |kubelet| judge(kubelet, "seccompDefault", "seccomp-default", "false", |value| value == "true"), weak: "false", strong: "true" },
        Line { id: "kubelet.protectKernelDefaults", title: "The kubelet does not change the kernel's parameters to its own", why: "It would undo what was hardened here.", remedy: "set protectKernelDefaults in the kubelet's configuration file", severity: Severity::Low, gain: Gain::KernelReach, references: [(NsaCisa, "Authentication and authorization")], judge: |kubelet| judge(kubelet, "protectKernelDefaults", "protect-kernel-defaults", "false", |value| value == "true"), weak: "false", strong: "true" },
    }
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    lines().iter().map(control).collect()
}

/// Whether a setting, by its path in the file or by its flag, is good; where it is not set, its default is judged.
fn judge(kubelet: &Kubelet, path: &str, flag: &str, default: &str, is_good: fn(&str) -> bool) -> Verdict {
    let value = kubelet.setting(path, flag);
    let seen = match &value {
        Some(value) => format!("{path} is {value:?}"),
        None => format!("{path} is not set; the default is {default:?}"),
    };
    if is_good(value.as_deref().unwrap_or(default)) { Verdict::pass(seen) } else { Verdict::fail(seen) }
}

fn control(line: &Line<Judge>) -> Control<HostFacts> {
    let judge = line.judge;
    Control::new(line.about("kubelet", Dimension::ControlPlane), move |facts: &HostFacts| {
        Ok(match facts.engines.kubelet.get()? {
            Some(kubelet) => judge(kubelet),
            None => Verdict::not_applicable("the kubelet is not installed"),
        })
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::host::checks::planted::{Plant, verdict};

    #[test]
    pub(in crate::host::checks) fn every_setting_can_pass_and_can_fail() {
        for line in lines() {
            let path = line.id().strip_prefix("kubelet.").unwrap();
            for (value, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let mut text = String::new();
                for (depth, name) in path.split('.').enumerate() {
                    text += &format!("\n{}{name}:", "  ".repeat(depth));
                }
                let text: &'static str = format!("{text} {value}\n").leak();
                let plants =
                    [Plant::File("usr/bin/kubelet", ""), Plant::File("var/lib/kubelet/config.yaml", text)];
                assert_eq!(verdict(line.id(), &plants).outcome, expected, "{path} {value}");
            }
        }
    }
}
