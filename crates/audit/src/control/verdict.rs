//! What a check comes to, with what was seen.

use serde::Serialize;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as it should be.
    Pass,
    /// It is not.
    Fail,
    /// There is nothing here that it speaks of.
    NotApplicable,
    /// Nobody could tell. Never counted as a pass.
    Unknown,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that was seen, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What was seen.
    pub text: String,
    /// The file it was seen in, as named from the root that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// The outcome of a check with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// What was seen: for a failure, each thing that is not as it should be.
    pub seen: Vec<Evidence>,
}

/// How many pieces of evidence a verdict keeps; a hostile tree can hold any number.
const MOST_EVIDENCE: usize = 50;

impl Verdict {
    fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, seen: vec![Evidence { text: text.into(), path: None, line: None }] }
    }

    /// As it should be.
    pub fn pass(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, seen)
    }

    /// Not as it should be.
    pub fn fail(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, seen)
    }

    /// Nothing to judge, for this reason.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::new(Outcome::NotApplicable, reason)
    }

    /// Not known, for this reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, reason)
    }

    /// A failure if anything was found, a pass with these words otherwise.
    pub fn none_of(found: impl IntoIterator<Item = Evidence>, otherwise: impl Into<String>) -> Self {
        let mut found = found.into_iter();
        let seen: Vec<Evidence> = found.by_ref().take(MOST_EVIDENCE).collect();
        if seen.is_empty() {
            return Self::pass(otherwise);
        }
        let mut verdict = Self { outcome: Outcome::Fail, seen };
        let more = found.count();
        if more > 0 {
            verdict.seen.push(Evidence::new(format!("and {more} more")));
        }
        verdict
    }

    /// Adds the place of what was seen.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>, line: Option<usize>) -> Self {
        if let Some(last) = self.seen.last_mut() {
            last.path = Some(path.into());
            last.line = line;
        }
        self
    }

    /// What was seen, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        self.seen.iter().map(|evidence| evidence.text.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Evidence {
    /// Something seen at no place in particular.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), path: None, line: None }
    }

    /// Something seen in a file.
    pub fn at(text: impl Into<String>, path: impl Into<String>, line: Option<usize>) -> Self {
        Self { text: text.into(), path: Some(path.into()), line }
    }
}
