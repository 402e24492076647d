//! The settings of Podman and containerd: `name = value` lines of their TOML files.

use crate::control::{Control, Dimension, Gain, Severity, Verdict};
use crate::fact::Fact;
use crate::host::HostFacts;
use crate::line::{Line, lines};

/// Whether a value is bad.
type IsBad = fn(&str) -> bool;

/// Settings that are bad with some values; not set is good.
fn lines() -> Vec<Line<IsBad>> {
    lines! { IsBad;
        Line { id: "podman.seccomp_profile", title: "Podman filters system calls by default", why: "Without the filter every system call of the kernel is within every container's reach.", remedy: "remove seccomp_profile from podman's configuration", severity: Severity::High, gain: Gain::KernelReach, references: [], judge: |value| value == "unconfined", weak: "\"unconfined\"", strong: "\"/usr/share/containers/seccomp.json\"" },
        Line { id: "podman.apparmor_profile", title: "Podman confines containers with AppArmor by default", why: "The module's policy still stands where capabilities and namespaces were got around.", remedy: "remove apparmor_profile from podman's configuration", severity: Severity::High, gain: Gain::HostRoot, references: [], judge: |value| value == "unconfined", weak: "\"unconfined\"", strong: "\"containers-default\"" },
        Line { id: "podman.label", title: "Podman labels containers for SELinux", why: "Without labels SELinux sees all containers as one.", remedy: "remove label from podman's configuration", severity: Severity::High, gain: Gain::OtherTenants, references: [], judge: |value| value == "false", weak: "false", strong: "true" },
        Line { id: "podman.netns", title: "Podman gives containers a network of their own", why: "On the host's network a container reaches everything that listens on 127.0.0.1.", remedy: "remove netns from podman's configuration", severity: Severity::High, gain: Gain::OtherTenants, references: [], judge: |value| value == "host", weak: "\"host\"", strong: "\"private\"" },
        Line { id: "podman.pidns", title: "Podman gives containers processes of their own", why: "A container that sees the host's processes reads their command lines, and as root their memory.", remedy: "remove pidns from podman's configuration", severity: Severity::High, gain: Gain::HostRoot, references: [], judge: |value| value == "host", weak: "\"host\"", strong: "\"private\"" },
        Line { id: "podman.ipcns", title: "Podman gives containers shared memory of their own", why: "Shared memory of the host's programs could be read and changed.", remedy: "remove ipcns from podman's configuration", severity: Severity::Medium, gain: Gain::OtherTenants, references: [], judge: |value| value == "host", weak: "\"host\"", strong: "\"shareable\"" },
        Line { id: "podman.cgroupns", title: "Podman gives containers a view of control groups of their own", why: "A container sees the names of all groups on the host.", remedy: "remove cgroupns from podman's configuration", severity: Severity::Low, gain: Gain::Information, references: [], judge: |value| value == "host", weak: "\"host\"", strong: "\"private\"" },
        Line { id: "podman.pids_limit", title: "Podman limits the processes of a container", why: "A fork bomb takes the host's process numbers.", remedy: "remove pids_limit from podman's configuration", severity: Severity::Medium, gain: Gain::Denial, references: [], judge: |value| matches!(value, "0" | "-1"), weak: "0", strong: "2048" },
        Line { id: "podman.no_new_privileges", title: "Podman does not switch set-id programs on", why: "A set-id program that an image forgot makes root out of a user inside the container.", remedy: "remove no_new_privileges from podman's configuration", severity: Severity::Low, gain: Gain::Foothold, references: [], judge: |value| value == "false", weak: "false", strong: "true" },
        Line { id: "podman.privileged", title: "Podman's containers are not privileged by default", why: "A privileged container is the host's root with another view of the files.", remedy: "remove privileged from podman's configuration", severity: Severity::Critical, gain: Gain::HostRoot, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "podman.http_proxy", title: "Podman does not hand the host's proxy settings to containers", why: "They often hold a name and a password.", remedy: "remove http_proxy from podman's configuration", severity: Severity::Low, gain: Gain::Foothold, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "podman.env_host", title: "Podman does not hand the host's environment to containers", why: "It holds tokens and agents' sockets of whoever started the container.", remedy: "remove env_host from podman's configuration", severity: Severity::High, gain: Gain::Foothold, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "containerd.tcp_address", title: "containerd listens on no network", why: "Whoever reaches it is root on the host.", remedy: "remove tcp_address from containerd's configuration", severity: Severity::Critical, gain: Gain::HostRoot, references: [], judge: |value| !value.is_empty() && !value.starts_with("127."), weak: "\"0.0.0.0:1234\"", strong: "\"\"" },
        Line { id: "containerd.disable_apparmor", title: "containerd confines containers with AppArmor where there is one", why: "The module's policy still stands where capabilities and namespaces were got around.", remedy: "remove disable_apparmor from containerd's configuration", severity: Severity::High, gain: Gain::HostRoot, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "containerd.enable_selinux", title: "containerd labels containers for SELinux where it was told to speak of it", why: "Without labels SELinux sees all containers as one.", remedy: "remove enable_selinux from containerd's configuration", severity: Severity::Low, gain: Gain::OtherTenants, references: [], judge: |value| value == "false", weak: "false", strong: "true" },
        Line { id: "containerd.disable_proc_mount", title: "containerd keeps parts of /proc hidden", why: "Through them a container reaches the kernel's parameters.", remedy: "remove disable_proc_mount from containerd's configuration", severity: Severity::Medium, gain: Gain::HostRoot, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "containerd.insecure_skip_verify", title: "containerd checks the certificates of registries", why: "Whoever stands between host and registry chooses what runs here.", remedy: "remove insecure_skip_verify from containerd's configuration", severity: Severity::High, gain: Gain::Foothold, references: [], judge: |value| value == "true", weak: "true", strong: "false" },
        Line { id: "containerd.stream_server_address", title: "containerd's streams listen on the host alone", why: "Whoever reaches them takes over sessions into containers.", remedy: "remove stream_server_address from containerd's configuration", severity: Severity::High, gain: Gain::Foothold, references: [], judge: |value| !matches!(value, "" | "127.0.0.1" | "::1"), weak: "\"0.0.0.0\"", strong: "\"127.0.0.1\"" },
        Line { id: "containerd.privileged_without_host_devices", title: "containerd gives privileged containers no devices, where it was told to speak of it", why: "Through a disk's device a container has every file of the host's.", remedy: "remove privileged_without_host_devices from containerd's configuration", severity: Severity::Low, gain: Gain::HostRoot, references: [], judge: |value| value == "false", weak: "false", strong: "true" },
    }
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    lines().iter().map(control).collect()
}

/// The last value of a name; quotes are taken off.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        (key.trim() == name).then(|| value.split(" #").next().unwrap_or(value).trim().trim_matches('"'))
    })
}

fn control(line: &Line<IsBad>) -> Control<HostFacts> {
    let (engine, name) = line.id().split_once('.').unwrap_or_default();
    let is_bad = line.judge;
    Control::new(line.about(engine, Dimension::Engine), move |facts: &HostFacts| {
        let text: &Fact<Option<String>> =
            if engine == "podman" { &facts.engines.podman } else { &facts.engines.containerd };
        let Some(text) = text.get()? else {
            return Ok(Verdict::not_applicable(format!("{engine} is not installed")));
        };
        Ok(match value(text, name) {
            None => Verdict::pass("not set: the default is good"),
            Some(value) if is_bad(value) => Verdict::fail(format!("{name} is {value:?}")),
            Some(value) => Verdict::pass(format!("{name} is {value:?}")),
        })
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::host::checks::planted::nothing;

    #[test]
    pub(in crate::host::checks) fn every_setting_can_pass_and_can_fail() {
        for line in &lines() {
            let (engine, name) = line.id().split_once('.').unwrap();
            for (value, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let mut facts = nothing();
                let text = Fact::Known(Some(format!("[x]\n# {name} = 1\n{name} = {value} # why\n")));
                match engine {
                    "podman" => facts.engines.podman = text,
                    _ => facts.engines.containerd = text,
                }
                assert_eq!(control(line).judge(&facts).outcome, expected, "{name} {value}");
            }
        }
    }
}
