//! Failures that do not count: those that somebody answers for until a day (waivers), and those that were there before
//! (a baseline).

use std::collections::BTreeSet;
use std::time::SystemTime;

use cofferdam_names::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::assessment::Finding;
use crate::report::Report;

/// Why a failure does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Exception {
    /// Somebody answers for it.
    Waiver {
        /// Who.
        owner: String,
        /// Why.
        reason: String,
        /// Until when: `2027-01-31`.
        until: String,
    },
    /// The baseline had it already.
    Baseline,
}

/// A file of waivers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waivers {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiver {
    check: String,
    owner: String,
    reason: String,
    until: String,
}

/// A file of waivers that cannot be used.
#[derive(Debug, Error)]
pub enum WaiverError {
    /// It is no TOML, or has other fields.
    #[error("cannot understand the waivers")]
    Format(#[source] toml::de::Error),
    /// A field is empty or no day.
    #[error("the waiver of {check} has no {what}")]
    Field {
        /// Whose.
        check: String,
        /// What is missing.
        what: &'static str,
    },
}

impl Waivers {
    /// Reads a file of `[[waiver]]` tables with `check`, `owner`, `reason` and `until` (a day), all of them needed.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, WaiverError> {
        let waivers: Self = toml::from_str(text).map_err(WaiverError::Format)?;
        for waiver in &waivers.waiver {
            let field = |what| WaiverError::Field { check: waiver.check.clone(), what };
            if waiver.owner.trim().is_empty() {
                return Err(field("owner"));
            }
            if waiver.reason.trim().is_empty() {
                return Err(field("reason"));
            }
            if !is_day(&waiver.until) {
                return Err(field("day until which it holds (YYYY-MM-DD)"));
            }
        }
        Ok(waivers)
    }

    /// The waiver of a finding that still holds on this day (`YYYY-MM-DD`).
    #[must_use]
    pub fn of(&self, finding: &Finding, today: &str) -> Option<Exception> {
        // Days of this form compare as text.
        let holds = |waiver: &&Waiver| waiver.check == finding.about.id && waiver.until.as_str() >= today;
        let waiver = self.waiver.iter().find(holds)?;
        Some(Exception::Waiver {
            owner: waiver.owner.clone(),
            reason: waiver.reason.clone(),
            until: waiver.until.clone(),
        })
    }

    /// The checks whose waiver is over.
    pub fn over<'a>(&'a self, today: &'a str) -> impl Iterator<Item = &'a str> {
        self.waiver
            .iter()
            .filter(move |waiver| waiver.until.as_str() < today)
            .map(|waiver| waiver.check.as_str())
    }
}

fn is_day(text: &str) -> bool {
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    text.len() == 10 && shape
}

/// Today in UTC, as waivers name days.
#[must_use]
pub fn today() -> String {
    let now = Timestamp::from(SystemTime::now()).to_string();
    now.get(..10).unwrap_or(&now).to_owned()
}

/// What an earlier report had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    failed: BTreeSet<(String, String)>,
}

impl Baseline {
    /// Reads a report that was written as JSON.
    ///
    /// # Errors
    /// It is no such report.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Earlier {
            findings: Vec<EarlierFinding>,
        }
        #[derive(Deserialize)]
        struct EarlierFinding {
            id: String,
            outcome: String,
            seen: Vec<EarlierEvidence>,
        }
        #[derive(Deserialize)]
        struct EarlierEvidence {
            text: String,
        }
        let earlier: Earlier = serde_json::from_str(text)?;
        let failed = earlier.findings.into_iter().filter(|finding| finding.outcome == "fail");
        let all = failed
            .flat_map(|finding| finding.seen.into_iter().map(move |seen| (finding.id.clone(), seen.text)));
        Ok(Self { failed: all.collect() })
    }

    /// Whether the earlier report had everything that was now seen.
    #[must_use]
    pub fn of(&self, finding: &Finding) -> Option<Exception> {
        let had = |text: &String| self.failed.contains(&(finding.about.id.to_string(), text.clone()));
        finding.verdict.seen.iter().all(|seen| had(&seen.text)).then_some(Exception::Baseline)
    }
}

/// Marks what a report's exceptions cover.
pub fn apply(report: &mut Report, waivers: Option<&Waivers>, baseline: Option<&Baseline>, today: &str) {
    report.except(|finding| {
        let waiver = waivers.and_then(|waivers| waivers.of(finding, today));
        waiver.or_else(|| baseline.and_then(|baseline| baseline.of(finding)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::dockerfile;

    #[test]
    fn waivers_hold_until_their_day_and_baselines_for_what_they_had() {
        let report = || dockerfile::audit("x", "FROM debian\nUSER root\n");
        let grave = |report: &Report| report.counts.fail;
        let waivers = Waivers::parse(
            "[[waiver]]\ncheck = \"dockerfile.user\"\nowner = \"me\"\nreason = \"x\"\nuntil = \"2027-01-31\"\n",
        )
        .unwrap();
        let counted = |report: &Report| report.findings.iter().filter(|finding| finding.counts()).count();
        let mut waived = report();
        let before = counted(&waived);
        apply(&mut waived, Some(&waivers), None, "2027-01-31");
        assert_eq!((counted(&waived), grave(&waived)), (before - 1, before));
        let mut late = report();
        apply(&mut late, Some(&waivers), None, "2027-02-01");
        assert_eq!(counted(&late), before);
        assert_eq!(waivers.over("2027-02-01").collect::<Vec<_>>(), ["dockerfile.user"]);
        let baseline = Baseline::parse(&serde_json::to_string(&report()).unwrap()).unwrap();
        let mut same = report();
        apply(&mut same, None, Some(&baseline), "2027-01-01");
        assert_eq!(counted(&same), 0);
        let mut other = dockerfile::audit("x", "FROM debian\nADD y /y\nUSER root\n");
        apply(&mut other, None, Some(&baseline), "2027-01-01");
        assert_eq!(counted(&other), 1, "only what is new");
    }

    #[test]
    fn a_waiver_needs_everything() {
        for text in [
            "[[waiver]]\ncheck = \"a\"\nowner = \"\"\nreason = \"x\"\nuntil = \"2027-01-31\"\n",
            "[[waiver]]\ncheck = \"a\"\nowner = \"b\"\nreason = \" \"\nuntil = \"2027-01-31\"\n",
            "[[waiver]]\ncheck = \"a\"\nowner = \"b\"\nreason = \"x\"\nuntil = \"soon\"\n",
            "[[waiver]]\ncheck = \"a\"\nowner = \"b\"\nreason = \"x\"\n",
            "x",
        ] {
            assert!(Waivers::parse(text).is_err(), "{text}");
        }
    }
}
