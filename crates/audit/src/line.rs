//! A line of a table of checks: the words, the judge, and two examples that prove that it can fail and can pass.

use crate::control::{About, Body, Control, Dimension, Gain, Judgement, Severity};

/// A check as one line of a table.
pub(crate) struct Line<T: ?Sized + 'static> {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    pub(crate) remedy: &'static str,
    pub(crate) severity: Severity,
    pub(crate) gain: Gain,
    pub(crate) references: &'static [(Body, &'static str)],
    pub(crate) judge: fn(&T) -> Judgement,
    /// An example on which it fails, in the words of its table's tests; empty where a test of its own shows it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests judge them"))]
    pub(crate) weak: &'static str,
    /// One on which it passes.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests judge them"))]
    pub(crate) strong: &'static str,
}

impl<T: ?Sized> Line<T> {
    /// The words about it.
    pub(crate) fn about(&self, area: &'static str, dimension: Dimension) -> About {
        About::new(area, self.id)
            .title(self.title)
            .why(self.why)
            .remedy(self.remedy)
            .weight(self.severity, self.gain)
            .dimension(dimension)
            .references(self.references)
    }

    /// The check.
    pub(crate) fn control(&'static self, area: &'static str, dimension: Dimension) -> Control<T> {
        Control::new(self.about(area, dimension), self.judge)
    }
}
