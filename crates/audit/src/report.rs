//! A report: the answer first, then everything it rests on.

use serde::Serialize;

use crate::assessment::{Assessment, Counts, Finding};
use crate::control::{Dimension, Severity};
use crate::exceptions::Exception;
use crate::host::Answer;

/// The shape of [`Report`] as JSON. Changed when a field changes its meaning or goes away.
pub const SCHEMA: &str = "cofferdam.audit/1";

/// How a dimension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing of weight is wrong.
    Sound,
    /// Something of medium severity is.
    Fair,
    /// Something of high severity is.
    Weak,
    /// A way is open.
    Open,
    /// Most of it could not be looked at.
    Unknown,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Fair => "fair",
            Self::Weak => "weak",
            Self::Open => "open",
            Self::Unknown => "unknown",
        }
    }
}

/// One dimension with its counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// Which.
    pub dimension: Dimension,
    /// How it stands.
    pub standing: Standing,
    /// Its checks.
    pub counts: Counts,
}

/// A way from a container to something it should not reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AttackPath {
    /// Where it starts: a container, a user, the network.
    pub from: String,
    /// What it leads to.
    pub to: String,
    /// How, in one sentence.
    pub by: String,
    /// How bad it is.
    pub severity: Severity,
}

/// Everything about one target.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was looked at.
    pub target: String,
    /// The talk's questions with this host's answers; none for other targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Answer>,
    /// How each dimension that was looked at stands.
    pub posture: Vec<Posture>,
    /// Ways out that are open now.
    pub paths: Vec<AttackPath>,
    /// The checks whose mending buys most, by id.
    pub worst: Vec<String>,
    /// All counts.
    pub counts: Counts,
    /// Every check.
    pub findings: Vec<Finding>,
}

/// How many findings stand at the top.
const WORST: usize = 10;

impl Report {
    /// Puts a report together.
    #[must_use]
    pub fn new(assessment: Assessment, questions: Vec<Answer>, mut paths: Vec<AttackPath>) -> Self {
        paths.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        let posture = Dimension::ALL.into_iter().filter_map(|dimension| {
            let counts = assessment.posture(dimension);
            let any = counts != Counts::default();
            any.then(|| Posture { dimension, standing: standing(&assessment, dimension, counts), counts })
        });
        Self {
            schema: SCHEMA,
            questions,
            posture: posture.collect(),
            paths,
            worst: assessment.worst(WORST).iter().map(|finding| finding.about.id.to_string()).collect(),
            counts: assessment.counts(|_| true),
            target: assessment.target,
            findings: assessment.findings,
        }
    }

    /// Marks failures that do not count, and adds everything up anew.
    pub fn except(&mut self, exception: impl Fn(&Finding) -> Option<Exception>) {
        for finding in &mut self.findings {
            if finding.counts() {
                finding.exception = exception(finding);
            }
        }
        let questions = std::mem::take(&mut self.questions);
        self.keep(|_| true);
        self.questions = questions;
    }

    /// Leaves only some findings, with what they add up to; the questions go.
    pub fn keep(&mut self, keep: impl Fn(&Finding) -> bool) {
        let mut findings = std::mem::take(&mut self.findings);
        findings.retain(keep);
        let paths = std::mem::take(&mut self.paths);
        let target = std::mem::take(&mut self.target);
        *self = Self::new(Assessment { target, findings }, Vec::new(), paths);
    }

    /// The findings that stand at the top, in order.
    pub fn worst(&self) -> impl Iterator<Item = &Finding> {
        self.worst
            .iter()
            .filter_map(|id| self.findings.iter().find(|finding| finding.about.id == id.as_str()))
    }

    /// The worst severity among the failures.
    #[must_use]
    pub fn worst_severity(&self) -> Option<Severity> {
        let failed = self.findings.iter().filter(|finding| finding.counts());
        failed.map(|finding| finding.about.severity).max()
    }
}

fn standing(assessment: &Assessment, dimension: Dimension, counts: Counts) -> Standing {
    let failed =
        assessment.findings.iter().filter(|finding| finding.about.dimension == dimension && finding.counts());
    match failed.map(|finding| finding.about.severity).max() {
        Some(Severity::Critical) => Standing::Open,
        Some(Severity::High) => Standing::Weak,
        _ if counts.unknown > counts.pass + counts.fail => Standing::Unknown,
        Some(Severity::Medium) => Standing::Fair,
        Some(Severity::Low) | None => Standing::Sound,
    }
}
