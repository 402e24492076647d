//! All verdicts about one target, and what they add up to.

use serde::Serialize;

use crate::control::{About, Control, Dimension, Outcome, Severity, Verdict};
use crate::exceptions::Exception;

/// A check and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The words about the check.
    #[serde(flatten)]
    pub about: About,
    /// What it came to.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why a failure does not count: somebody answers for it, or it was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
}

/// How many checks came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// As it should be.
    pub pass: usize,
    /// Not so.
    pub fail: usize,
    /// Nothing to judge.
    pub not_applicable: usize,
    /// Not known.
    pub unknown: usize,
    /// Failures of severity high or critical.
    pub grave: usize,
}

/// Everything found about one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// What was looked at, in words: `host thinkpad`, `tree /srv/root`.
    pub target: String,
    /// One for each check, in the order of the table of checks.
    pub findings: Vec<Finding>,
}

impl Assessment {
    /// Judges facts by all controls.
    pub fn of<F: ?Sized>(target: impl Into<String>, facts: &F, controls: Vec<Control<F>>) -> Self {
        let judge = |control: Control<F>| Finding {
            verdict: control.judge(facts),
            about: control.about,
            exception: None,
        };
        Self { target: target.into(), findings: controls.into_iter().map(judge).collect() }
    }

    /// How many checks came to what, among those that the filter keeps.
    pub fn counts(&self, keep: impl Fn(&Finding) -> bool) -> Counts {
        let mut counts = Counts::default();
        for finding in self.findings.iter().filter(|finding| keep(finding)) {
            match finding.verdict.outcome {
                Outcome::Pass => counts.pass += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::NotApplicable => counts.not_applicable += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
            counts.grave += usize::from(finding.is_grave());
        }
        counts
    }

    /// The counts of one dimension.
    #[must_use]
    pub fn posture(&self, dimension: Dimension) -> Counts {
        self.counts(|finding| finding.about.dimension == dimension)
    }

    /// The failures whose mending buys most, first those that give an escaping container most. Of those that share their
    /// reason, only the first.
    #[must_use]
    pub fn worst(&self, most: usize) -> Vec<&Finding> {
        let mut failures: Vec<&Finding> = self.findings.iter().filter(|finding| finding.counts()).collect();
        // Severity says how open the way is, gain where it leads: the product of both is what mending buys.
        failures.sort_by_key(|finding| std::cmp::Reverse(finding.weight()));
        let mut reasons = std::collections::BTreeSet::new();
        failures.retain(|finding| reasons.insert(&finding.about.why));
        failures.truncate(most);
        failures
    }

    /// The verdict on one check.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.about.id == id)
    }
}

impl Finding {
    /// Whether it is a failure that nobody answers for.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.verdict.outcome == Outcome::Fail && self.exception.is_none()
    }

    /// A failure of severity high or critical.
    #[must_use]
    pub fn is_grave(&self) -> bool {
        self.counts() && self.about.severity >= Severity::High
    }

    /// What mending it buys.
    #[must_use]
    pub fn weight(&self) -> u32 {
        // Each step of severity counts double; so a low severity with the worst gain stays below a high one.
        let open = 1u32 << (2 * self.about.severity as u32);
        open * (self.about.gain as u32 + 1)
    }
}
