//! What a check is: words about it, and one pure function over facts.

mod about;
mod reference;
mod verdict;
mod weight;

pub use about::{About, Fix};
pub use reference::{Body, Reference};
pub use verdict::{Evidence, Outcome, Verdict};
pub use weight::{Dimension, Gain, Severity};

use crate::fact::Unknown;

/// What a check's function gives: `?` on an unknown fact makes the verdict unknown.
pub type Judgement = Result<Verdict, Unknown>;

/// One check over facts of type `F`.
pub struct Control<F: ?Sized> {
    /// The words about it.
    pub about: About,
    judge: Box<dyn Fn(&F) -> Judgement + Send + Sync>,
}

impl<F: ?Sized> Control<F> {
    /// A check with its words.
    pub fn new(about: About, judge: impl Fn(&F) -> Judgement + Send + Sync + 'static) -> Self {
        Self { about, judge: Box::new(judge) }
    }

    /// Judges the facts.
    pub fn judge(&self, facts: &F) -> Verdict {
        let verdict = (self.judge)(facts).unwrap_or_else(|Unknown(reason)| Verdict::unknown(reason));
        #[cfg(test)]
        crate::judged::remember(&self.about.id, verdict.outcome);
        verdict
    }
}

impl<F: ?Sized> std::fmt::Debug for Control<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("about", &self.about).finish_non_exhaustive()
    }
}
