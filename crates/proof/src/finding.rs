//! What comes out of a comparison: findings, each with a verdict.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a control stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The kernel enforces what was planned, or something stricter (then a note says so).
    Holds,
    /// It could not be read back. Never a pass.
    Unknown,
    /// The kernel enforces something else.
    Differs,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Unknown => "unknown",
            Self::Differs => "differs",
        })
    }
}

/// One control, or one item of a control (one mount, one limit), compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The name of the control, one of [`crate::CONTROLS`].
    pub control: String,
    /// Which item of it, where it has several: a mount's target, a limit's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// What the plan says.
    pub planned: String,
    /// What the kernel says; empty where that is unknown.
    pub observed: String,
    /// How they compare.
    pub verdict: Verdict,
    /// Why it is unknown, in what way it is stricter, or how it was read where there are several ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The verdict over all: the worst one; [`Verdict::Unknown`] where nothing was compared.
#[must_use]
pub fn overall(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict) -> Finding {
        Finding {
            control: "x".to_owned(),
            item: None,
            planned: String::new(),
            observed: String::new(),
            verdict,
            note: None,
        }
    }

    #[test]
    fn the_worst_verdict_counts_and_nothing_compared_is_no_pass() {
        use Verdict::{Differs, Holds, Unknown};
        let all = |verdicts: &[Verdict]| overall(&verdicts.iter().map(|v| finding(*v)).collect::<Vec<_>>());
        assert_eq!(all(&[]), Unknown);
        assert_eq!(all(&[Holds, Holds]), Holds);
        assert_eq!(all(&[Holds, Unknown]), Unknown);
        assert_eq!(all(&[Differs, Unknown, Holds]), Differs);
    }
}
