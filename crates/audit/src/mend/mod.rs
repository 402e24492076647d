//! Mending: what would be written for the checks that failed, writing it, and taking it back.
//!
//! The plan is made from facts and changes nothing. Only [`apply()`] and [`undo()`] write, and only drop-ins of our own, below a
//! descriptor of the root, each with a record of what was there before.

mod apply;
mod diff;
mod drop_in;
mod export;
mod ssh;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::assessment::Finding;
use crate::control::{Fix, Outcome, Severity};
use crate::host::{HostFacts, Source};
use crate::report::Report;
use drop_in::DropIn;

pub use apply::{MendError, Undone, apply, undo};
pub use export::{Export, export};

/// What would be written, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mending {
    /// Files.
    pub changes: Vec<Change>,
    /// Kernel parameters that are set at once on a running system: name and value.
    pub parameters: Vec<(String, String)>,
    /// Words that the kernel is to be started with.
    pub boot_words: Vec<String>,
    /// Checks that it is for.
    pub checks: Vec<String>,
    /// Checks that could be mended and are not, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path.
    pub path: &'static str,
    /// Its text now; `None` where it does not exist.
    pub before: Option<String>,
    /// Its text afterwards.
    pub after: String,
    /// What has to happen before it is in force on a running system.
    pub then: Option<&'static str>,
}

impl Change {
    /// The lines that go and come, as diff(1) shows them.
    #[must_use]
    pub fn diff(&self) -> String {
        diff::unified(self.path, self.before.as_deref(), &self.after)
    }
}

/// Which failures are to be mended.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// All that can be mended without a risk.
    Safe,
    /// These, by their ids.
    Only(&'a [String]),
    /// All that have a fix: for an export, which somebody reads before it is used.
    Every,
}

impl Mending {
    /// What would be written for the failures of a report.
    #[must_use]
    pub fn plan(source: &Source, facts: &HostFacts, report: &Report, wanted: Wanted<'_>) -> Self {
        let mut mending = Self::default();
        let chosen = chosen(report, wanted, &mut mending.left_out);
        let planned: Vec<(String, String)> = chosen
            .iter()
            .filter_map(|(_, fix)| match fix {
                Fix::SshSetting { name, value } => Some((name.clone(), value.clone())),
                _ => None,
            })
            .collect();
        let mut lines: BTreeMap<DropIn, Vec<String>> = BTreeMap::new();
        for (id, fix) in chosen {
            if let Some(reason) = obstacle(source, facts, fix, &planned) {
                mending.left_out.push((id.to_owned(), reason));
                continue;
            }
            let (drop_in, line) = fix.line();
            lines.entry(drop_in).or_default().push(line);
            mending.checks.push(id.to_owned());
            match fix {
                Fix::Parameter { name, value } => mending.parameters.push((name.clone(), value.clone())),
                Fix::BootWord { word } => mending.boot_words.push(word.clone()),
                _ => {}
            }
        }
        for (drop_in, lines) in lines {
            let path = drop_in.path();
            // What is there and cannot be read is not written over.
            let before = match source.tree.text(path).get() {
                Ok(before) => before.clone(),
                Err(reason) => {
                    mending.left_out.push((path.to_owned(), reason.0));
                    continue;
                }
            };
            let after = drop_in.with(before.as_deref(), &lines);
            if before.as_deref() != Some(after.as_str()) {
                mending.changes.push(Change { path, before, after, then: drop_in.then() });
            }
        }
        mending
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// The failures that are wanted, with their fixes.
fn chosen<'r>(
    report: &'r Report,
    wanted: Wanted<'_>,
    left_out: &mut Vec<(String, String)>,
) -> Vec<(&'r str, &'r Fix)> {
    let mut chosen = Vec::new();
    if let Wanted::Only(ids) = wanted {
        for id in ids {
            let found = report.findings.iter().find(|finding| finding.about.id == id.as_str());
            let reason = match found {
                None => "no check is called so",
                Some(finding) if finding.about.fix.is_none() => "it has no fix that a machine can make",
                Some(finding) if finding.verdict.outcome == Outcome::Pass => "it passes already",
                Some(_) => continue,
            };
            left_out.push((id.clone(), reason.to_owned()));
        }
    }
    for finding in report.findings.iter().filter(|finding| finding.verdict.outcome == Outcome::Fail) {
        let Some(fix) = &finding.about.fix else { continue };
        let id = finding.about.id.as_ref();
        match wanted {
            Wanted::Only(ids) if !ids.iter().any(|wanted| wanted == id) => continue,
            Wanted::Safe if finding.exception.is_some() => continue,
            Wanted::Safe => {
                if let Some(risk) = risk(finding, fix) {
                    left_out.push((id.to_owned(), format!("{risk}; name it with --only to have it")));
                    continue;
                }
            }
            Wanted::Only(_) | Wanted::Every => {}
        }
        chosen.push((id, fix));
    }
    chosen
}

/// Why a fix is made only where somebody asks for it by name.
fn risk(finding: &Finding, fix: &Fix) -> Option<&'static str> {
    const PARAMETERS: [(&str, &str); 9] = [
        ("kernel.modules_disabled", "no module can be loaded any more until a reboot"),
        ("kernel.panic_on_oops", "a fault in a driver stops the host"),
        ("kernel.panic_on_warn", "a warning stops the host"),
        ("kernel.apparmor_restrict_unprivileged_userns", "rootless containers need a profile then"),
        ("kernel.apparmor_restrict_unprivileged_unconfined", "rootless containers need a profile then"),
        ("kernel.io_uring_disabled", "programs that use io_uring need its group then"),
        ("net.ipv6.conf.all.accept_ra", "a host that gets its address this way loses it"),
        ("net.ipv6.conf.default.accept_ra", "a host that gets its address this way loses it"),
        ("net.ipv4.conf.all.rp_filter", "packets that come by another way than they go are dropped"),
    ];
    match fix {
        Fix::Parameter { name, .. } => {
            PARAMETERS.iter().find(|(risky, _)| risky == name).map(|(_, why)| *why)
        }
        Fix::BootWord { .. } if finding.about.severity < Severity::High => {
            Some("a word on the command line can slow the host down or keep it from starting")
        }
        Fix::BarModule { .. }
            if finding.verdict.summary().contains("loaded")
                && finding.verdict.summary() == "it is loaded" =>
        {
            Some("something uses the module now")
        }
        Fix::SshSetting { name, .. }
            if matches!(name.as_str(), "AllowTcpForwarding" | "DisableForwarding") =>
        {
            Some("whoever comes through this host to another one could not any more")
        }
        _ => None,
    }
}

/// Why a fix cannot be made here.
fn obstacle(source: &Source, facts: &HostFacts, fix: &Fix, planned: &[(String, String)]) -> Option<String> {
    let exists = |path: &str| source.tree.exists(path).known().copied().unwrap_or(false);
    let lacks = |path: &str, what: &str| (!exists(path)).then(|| format!("{what}: there is no {path}"));
    match fix {
        Fix::SshSetting { name, value } => ssh::lock_out(facts, &source.tree, name, value, planned),
        Fix::BootWord { .. } => {
            lacks("/etc/default/grub", "no boot loader with drop-ins for its command line is known here")
        }
        Fix::Watch { .. } => lacks("/etc/audit", "the audit is not installed"),
        Fix::CoreDumpSetting { .. } | Fix::JournalSetting { .. } => {
            lacks("/etc/systemd", "there is no systemd here")
        }
        Fix::NoCoreDumps => lacks("/etc/security", "logins have no limits here"),
        // A module that was barred by hand, or a parameter that this kernel has not, would not have failed.
        Fix::Parameter { .. } | Fix::BarModule { .. } => None,
    }
}
