//! Is the vessel secure? Facts about a host, gathered once, and checks, which are pure functions over them.
//!
//! A fact is a value or the reason why it is not known ([`Fact`]); a check that needs an unknown fact is unknown itself, never
//! passed. What is looked at may be hostile: a tree is read below a descriptor of its root, only regular files are opened, all
//! reads are bounded, and text is shown with `printable`.
//!
//! This crate changes the host in `mend::apply` and `mend::undo` alone. It starts no program, opens no network connection and
//! knows no terminal.

mod assessment;
mod condition;
pub mod container;
mod control;
mod disk;
pub mod document;
mod exceptions;
mod fact;
pub mod format;
pub mod host;
pub mod image;
#[cfg(test)]
mod judged;
mod lifetime;
mod line;
pub mod mend;
mod printable;
mod report;
pub mod rules;
mod secret;
mod survey;
mod tree;

pub use assessment::{Assessment, Counts, Finding};
pub use condition::{Condition, ConditionError};
pub use control::{
    About, Body, Control, Dimension, Evidence, Fix, Gain, Judgement, Outcome, Reference, Severity, Verdict,
};
pub use disk::DiskError;
pub use exceptions::{Baseline, Exception, WaiverError, Waivers, apply, today};
pub use fact::{Fact, Unknown};
pub use printable::printable;
pub use report::{AttackPath, Posture, Report, SCHEMA, Standing};
pub use survey::{Found, Survey};
pub use tree::{FileKind, FileStatus, Tree};
