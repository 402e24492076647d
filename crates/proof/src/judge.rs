//! Where a control writes down what it finds.

use crate::finding::{Finding, Verdict};
use crate::observation::Reading;

/// Collects the findings of one control.
#[derive(Debug)]
pub struct Judge {
    control: &'static str,
    findings: Vec<Finding>,
}

impl Judge {
    pub(crate) fn new(control: &'static str) -> Self {
        Self { control, findings: Vec::new() }
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Judges the control as a whole.
    pub(crate) fn whole(&mut self) -> Item<'_> {
        Item { judge: self, item: None, planned: String::new() }
    }

    /// Judges one item of it.
    pub(crate) fn item(&mut self, item: impl Into<String>) -> Item<'_> {
        Item { judge: self, item: Some(item.into()), planned: String::new() }
    }
}

/// One finding in the making; dropped without a verdict it leaves nothing.
pub(crate) struct Item<'a> {
    judge: &'a mut Judge,
    item: Option<String>,
    planned: String,
}

impl Item<'_> {
    /// What the plan says.
    pub(crate) fn planned(mut self, planned: impl Into<String>) -> Self {
        self.planned = planned.into();
        self
    }

    fn push(self, observed: String, verdict: Verdict, note: Option<String>) {
        self.judge.findings.push(Finding {
            control: self.judge.control.to_owned(),
            item: self.item,
            planned: self.planned,
            observed,
            verdict,
            note,
        });
    }

    pub(crate) fn holds(self, observed: impl Into<String>) {
        self.push(observed.into(), Verdict::Holds, None);
    }

    /// It holds in another way than word for word: stricter, or changed by the container as it may.
    pub(crate) fn holds_with(self, observed: impl Into<String>, note: impl Into<String>) {
        self.push(observed.into(), Verdict::Holds, Some(note.into()));
    }

    pub(crate) fn differs(self, observed: impl Into<String>) {
        self.push(observed.into(), Verdict::Differs, None);
    }

    pub(crate) fn differs_because(self, observed: impl Into<String>, note: impl Into<String>) {
        self.push(observed.into(), Verdict::Differs, Some(note.into()));
    }

    pub(crate) fn unknown(self, why: impl Into<String>) {
        self.push(String::new(), Verdict::Unknown, Some(why.into()));
    }

    /// Something was read, and whether it is as planned cannot be told.
    pub(crate) fn unclear(self, observed: impl Into<String>, why: impl Into<String>) {
        self.push(observed.into(), Verdict::Unknown, Some(why.into()));
    }

    /// Holds exactly where both are equal.
    pub(crate) fn equal<T: PartialEq>(self, planned: &T, observed: &Reading<T>, show: impl Fn(&T) -> String) {
        let item = self.planned(show(planned));
        match observed {
            Err(why) => item.unknown(why.to_string()),
            Ok(observed) if observed == planned => item.holds(show(observed)),
            Ok(observed) => item.differs(show(observed)),
        }
    }
}
