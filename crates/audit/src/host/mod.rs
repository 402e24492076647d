//! The host: its facts and the checks over them.

mod checks;
mod facts;
mod questions;

pub use checks::controls;
pub(crate) use facts::Wanted;
pub use facts::*;
pub use questions::{Answer, questions};

use crate::{Assessment, Report};

/// Looks at a host and judges all of it.
#[must_use]
pub fn audit(source: &Source, target: &str) -> Report {
    let facts = HostFacts::of(source);
    let assessment = Assessment::of(target, &facts, controls());
    Report::new(assessment, questions(&facts), Vec::new())
}

impl HostFacts {
    /// Looks at everything that [`controls`] judge by, once. Nothing is changed, no program started.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        Self::gather(source, &checks::wanted())
    }
}
