//! Whether the kernel's audit watches the engines' programs and files.

use crate::control::{About, Body, Control, Dimension, Fix, Gain, Severity, Verdict};
use crate::host::HostFacts;

/// What should be watched, with the section that asks for it.
const WATCHED: &str = "\
/usr/bin/dockerd 1.1.3
/usr/sbin/dockerd 1.1.3
/run/containerd 1.1.4
/var/lib/docker 1.1.5
/etc/docker 1.1.6
/usr/lib/systemd/system/docker.service 1.1.7
/run/containerd/containerd.sock 1.1.8
/usr/lib/systemd/system/docker.socket 1.1.9
/etc/default/docker 1.1.10
/etc/docker/daemon.json 1.1.11
/etc/containerd/config.toml 1.1.12
/etc/sysconfig/docker 1.1.13
/usr/bin/containerd 1.1.14
/usr/bin/containerd-shim 1.1.15
/usr/bin/containerd-shim-runc-v1 1.1.16
/usr/bin/containerd-shim-runc-v2 1.1.17
/usr/bin/runc 1.1.18
/usr/sbin/runc 1.1.18
/usr/bin/crun
/usr/bin/podman
/var/lib/containers
/var/lib/cofferdam
";

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    watched().map(|(path, cis)| control(path, cis)).collect()
}

fn watched() -> impl Iterator<Item = (&'static str, &'static str)> {
    WATCHED.lines().map(|line| line.split_once(' ').unwrap_or((line, "")))
}

fn control(path: &'static str, cis: &'static str) -> Control<HostFacts> {
    let mut about = About::new("audit rules", format!("audit.{path}"))
        .title(format!("The audit watches {path}"))
        .why("Whoever changes what containers are started with is root on the host; only the audit's log tells who it was.")
        .remedy(format!("add `-w {path} -k containers` to a file in /etc/audit/rules.d"))
        .weight(Severity::Low, Gain::Concealment)
        .dimension(Dimension::Engine);
    if !cis.is_empty() {
        about = about.reference(Body::CisDocker, cis);
    }
    about.fix = Some(Fix::Watch { path: path.to_owned() });
    Control::new(about, move |facts: &HostFacts| {
        let rules = facts.audit_rules.get()?;
        if facts.file(path)?.is_none() {
            return Ok(Verdict::not_applicable(format!("there is no {path}")));
        }
        let watches = |rule: &&String| {
            let mut words = rule.split_whitespace();
            words.any(|word| {
                let named = word.trim_start_matches("path=").trim_start_matches("dir=");
                named == path
                    || path.strip_prefix(named).is_some_and(|rest| rest.starts_with('/') && named.len() > 1)
            })
        };
        Ok(match rules.iter().find(watches) {
            Some(rule) => Verdict::pass(rule.as_str()),
            None if rules.is_empty() => Verdict::fail("the audit has no rules"),
            None => Verdict::fail("no rule names it"),
        })
    })
}

/// Those that no other check asks the status of.
pub(super) const MORE_PATHS: &str = "\
/run/containerd
/usr/bin/containerd-shim
/usr/bin/containerd-shim-runc-v1
/usr/bin/containerd-shim-runc-v2
";

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::host::checks::planted::{Plant, verdict};

    #[test]
    pub(in crate::host::checks) fn every_path_is_found_where_a_rule_names_it_or_its_folder() {
        for (path, _) in watched() {
            let leak = |text: String| -> &'static str { text.leak() };
            let there = Plant::File(leak(path.trim_start_matches('/').to_owned()), "");
            let id = format!("audit.{path}");
            assert_eq!(verdict(&id, &[there]).outcome, Outcome::Fail, "{path}");
            let rule = leak(format!("-w {path} -k x\n"));
            let rules = Plant::File("etc/audit/rules.d/x.rules", rule);
            assert_eq!(verdict(&id, &[there, rules]).outcome, Outcome::Pass, "{path}");
        }
    }
}
