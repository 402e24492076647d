//! The settings of Podman and containerd: `name = value` lines of their TOML files.

use crate::control::{About, Control, Dimension, Gain, Severity, Verdict};
use crate::fact::Fact;
use crate::host::HostFacts;

/// Whose file.
#[derive(Clone, Copy)]
enum File {
    Podman,
    Containerd,
}

/// A setting that is bad with some values; not set is good.
struct Line {
    file: File,
    name: &'static str,
    bad: fn(&str) -> bool,
    title: &'static str,
    why: &'static str,
    severity: Severity,
    gain: Gain,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    weak: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests plant them"))]
    strong: &'static str,
}

#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { file: File::Podman, name: "seccomp_profile", bad: |value| value == "unconfined", title: "Podman filters system calls by default", why: "Without the filter every system call of the kernel is within every container's reach.", severity: Severity::High, gain: Gain::KernelReach, weak: "\"unconfined\"", strong: "\"/usr/share/containers/seccomp.json\"" },
    Line { file: File::Podman, name: "apparmor_profile", bad: |value| value == "unconfined", title: "Podman confines containers with AppArmor by default", why: "The module's policy still stands where capabilities and namespaces were got around.", severity: Severity::High, gain: Gain::HostRoot, weak: "\"unconfined\"", strong: "\"containers-default\"" },
    Line { file: File::Podman, name: "label", bad: |value| value == "false", title: "Podman labels containers for SELinux", why: "Without labels SELinux sees all containers as one.", severity: Severity::High, gain: Gain::OtherTenants, weak: "false", strong: "true" },
    Line { file: File::Podman, name: "netns", bad: |value| value == "host", title: "Podman gives containers a network of their own", why: "On the host's network a container reaches everything that listens on 127.0.0.1.", severity: Severity::High, gain: Gain::OtherTenants, weak: "\"host\"", strong: "\"private\"" },
    Line { file: File::Podman, name: "pidns", bad: |value| value == "host", title: "Podman gives containers processes of their own", why: "A container that sees the host's processes reads their command lines, and as root their memory.", severity: Severity::High, gain: Gain::HostRoot, weak: "\"host\"", strong: "\"private\"" },
    Line { file: File::Podman, name: "ipcns", bad: |value| value == "host", title: "Podman gives containers shared memory of their own", why: "Shared memory of the host's programs could be read and changed.", severity: Severity::Medium, gain: Gain::OtherTenants, weak: "\"host\"", strong: "\"shareable\"" },
    Line { file: File::Podman, name: "cgroupns", bad: |value| value == "host", title: "Podman gives containers a view of control groups of their own", why: "A container sees the names of all groups on the host.", severity: Severity::Low, gain: Gain::Information, weak: "\"host\"", strong: "\"private\"" },
    Line { file: File::Podman, name: "pids_limit", bad: |value| matches!(value, "0" | "-1"), title: "Podman limits the processes of a container", why: "A fork bomb takes the host's process numbers.", severity: Severity::Medium, gain: Gain::Denial, weak: "0", strong: "2048" },
    Line { file: File::Podman, name: "no_new_privileges", bad: |value| value == "false", title: "Podman does not switch set-id programs on", why: "A set-id program that an image forgot makes root out of a user inside the container.", severity: Severity::Low, gain: Gain::Foothold, weak: "false", strong: "true" },
    Line { file: File::Podman, name: "privileged", bad: |value| value == "true", title: "Podman's containers are not privileged by default", why: "A privileged container is the host's root with another view of the files.", severity: Severity::Critical, gain: Gain::HostRoot, weak: "true", strong: "false" },
    Line { file: File::Podman, name: "http_proxy", bad: |value| value == "true", title: "Podman does not hand the host's proxy settings to containers", why: "They often hold a name and a password.", severity: Severity::Low, gain: Gain::Foothold, weak: "true", strong: "false" },
    Line { file: File::Podman, name: "env_host", bad: |value| value == "true", title: "Podman does not hand the host's environment to containers", why: "It holds tokens and agents' sockets of whoever started the container.", severity: Severity::High, gain: Gain::Foothold, weak: "true", strong: "false" },
    Line { file: File::Containerd, name: "tcp_address", bad: |value| !value.is_empty() && !value.starts_with("127."), title: "containerd listens on no network", why: "Whoever reaches it is root on the host.", severity: Severity::Critical, gain: Gain::HostRoot, weak: "\"0.0.0.0:1234\"", strong: "\"\"" },
    Line { file: File::Containerd, name: "disable_apparmor", bad: |value| value == "true", title: "containerd confines containers with AppArmor where there is one", why: "The module's policy still stands where capabilities and namespaces were got around.", severity: Severity::High, gain: Gain::HostRoot, weak: "true", strong: "false" },
    Line { file: File::Containerd, name: "enable_selinux", bad: |value| value == "false", title: "containerd labels containers for SELinux where it was told to speak of it", why: "Without labels SELinux sees all containers as one.", severity: Severity::Low, gain: Gain::OtherTenants, weak: "false", strong: "true" },
    Line { file: File::Containerd, name: "disable_proc_mount", bad: |value| value == "true", title: "containerd keeps parts of /proc hidden", why: "Through them a container reaches the kernel's parameters.", severity: Severity::Medium, gain: Gain::HostRoot, weak: "true", strong: "false" },
    Line { file: File::Containerd, name: "insecure_skip_verify", bad: |value| value == "true", title: "containerd checks the certificates of registries", why: "Whoever stands between host and registry chooses what runs here.", severity: Severity::High, gain: Gain::Foothold, weak: "true", strong: "false" },
    Line { file: File::Containerd, name: "stream_server_address", bad: |value| !matches!(value, "" | "127.0.0.1" | "::1"), title: "containerd's streams listen on the host alone", why: "Whoever reaches them takes over sessions into containers.", severity: Severity::High, gain: Gain::Foothold, weak: "\"0.0.0.0\"", strong: "\"127.0.0.1\"" },
    Line { file: File::Containerd, name: "privileged_without_host_devices", bad: |value| value == "false", title: "containerd gives privileged containers no devices, where it was told to speak of it", why: "Through a disk's device a container has every file of the host's.", severity: Severity::Low, gain: Gain::HostRoot, weak: "false", strong: "true" },
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    LINES.iter().map(control).collect()
}

/// The last value of a name; quotes are taken off.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        (key.trim() == name).then(|| value.split(" #").next().unwrap_or(value).trim().trim_matches('"'))
    })
}

fn control(line: &'static Line) -> Control<HostFacts> {
    let engine = match line.file {
        File::Podman => "podman",
        File::Containerd => "containerd",
    };
    let about = About::new(engine, format!("{engine}.{}", line.name))
        .title(line.title)
        .why(line.why)
        .remedy(format!("remove {} from {engine}'s configuration", line.name))
        .weight(line.severity, line.gain)
        .dimension(Dimension::Engine);
    Control::new(about, move |facts: &HostFacts| {
        let text: &Fact<Option<String>> = match line.file {
            File::Podman => &facts.engines.podman,
            File::Containerd => &facts.engines.containerd,
        };
        let Some(text) = text.get()? else {
            return Ok(Verdict::not_applicable(format!("{engine} is not installed")));
        };
        Ok(match value(text, line.name) {
            None => Verdict::pass("not set: the default is good"),
            Some(value) if (line.bad)(value) => Verdict::fail(format!("{} is {value:?}", line.name)),
            Some(value) => Verdict::pass(format!("{} is {value:?}", line.name)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::host::checks::planted::nothing;

    #[test]
    fn every_setting_can_pass_and_can_fail() {
        for line in LINES {
            for (value, expected) in [(line.weak, Outcome::Fail), (line.strong, Outcome::Pass)] {
                let mut facts = nothing();
                let text = Fact::Known(Some(format!("[x]\n# {0} = 1\n{0} = {value} # why\n", line.name)));
                match line.file {
                    File::Podman => facts.engines.podman = text,
                    File::Containerd => facts.engines.containerd = text,
                }
                assert_eq!(control(line).judge(&facts).outcome, expected, "{} {value}", line.name);
            }
        }
    }
}
