//! The host: its facts and the checks over them.

mod checks;
mod facts;
mod paths;
mod questions;

pub use checks::controls;
pub use facts::*;
pub(crate) use facts::{Parts, Wanted, distribution, gather_mounts, gather_processes};
pub use questions::{Answer, questions};

use std::path::Path;

use crate::disk::DiskError;
use crate::{Assessment, Control, Report, Verdict};

/// Looks at a host and judges all of it.
#[must_use]
pub fn audit(source: &Source, target: &str) -> Report {
    judged(&HostFacts::of(source), target)
}

/// Judges a host that was looked at.
#[must_use]
pub fn judged(facts: &HostFacts, target: &str) -> Report {
    judged_with(facts, target, Vec::new())
}

/// The same with checks of somebody's own behind ours.
#[must_use]
pub fn judged_with(facts: &HostFacts, target: &str, more: Vec<Control<HostFacts>>) -> Report {
    let mut controls = controls();
    controls.extend(more);
    let assessment = Assessment::of(target, facts, controls);
    let mut ways = crate::container::paths(&facts.containers);
    ways.extend(paths::to_the_engine(facts));
    Report::new(assessment, questions(facts), ways)
}

/// The verdicts of some checks, by their ids, for which only what they judge by is looked at. A check that there is not is
/// unknown.
#[must_use]
pub fn required(source: &Source, ids: &[String]) -> Vec<(String, Verdict)> {
    let controls = checks::controls_named(ids);
    let facts = HostFacts::gather(source, &checks::wanted_for(ids, &controls));
    let verdict = |id: &String| {
        let control = controls.iter().find(|control| control.about.id == id.as_str());
        let verdict = match control {
            Some(control) => control.judge(&facts),
            None => Verdict::unknown("the audit has no check of this name"),
        };
        (id.clone(), verdict)
    };
    ids.iter().map(verdict).collect()
}

/// Looks at the system on a disk's image, raw or qcow2, without mounting it, and judges all of it.
///
/// # Errors
/// It cannot be read, or has no system in a file system that is read here.
pub fn audit_disk(path: &Path, target: &str) -> Result<Report, DiskError> {
    let (source, left_out) = Source::of_disk(path)?;
    let facts = HostFacts::of(&source);
    let mut controls = controls();
    controls.push(checks::whole_disk(&left_out));
    let assessment = Assessment::of(target, &facts, controls);
    Ok(Report::new(assessment, questions(&facts), paths::to_the_engine(&facts)))
}

/// Looks at a host and judges its engines and containers alone.
#[must_use]
pub fn audit_engines(source: &Source, target: &str) -> Report {
    let mut report = audit(source, target);
    report.keep(|finding| {
        let area = finding.about.area;
        matches!(
            area,
            "docker" | "podman" | "containerd" | "kubelet" | "engine files" | "containers" | "audit rules"
        ) || finding.about.dimension == crate::Dimension::Engine
            || finding.about.id.starts_with("group.")
    });
    report
}

impl HostFacts {
    /// Looks at everything that [`controls`] judge by, once. Nothing is changed, no program started.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        Self::gather(source, &checks::wanted())
    }
}
