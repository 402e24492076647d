//! `cofferdam audit ...`: whether hosts, engines, containers and files are as they should be.

pub(super) mod container;
pub(super) mod document;
pub(super) mod engine;
pub(super) mod host;
pub(super) mod image;
pub(super) mod mend;
mod output;
pub(super) mod vm;

use std::path::Path;

use cofferdam_audit::host::Source;

use crate::report::Report;

/// The machine that this runs on.
fn this_host() -> Result<Source, Report> {
    Source::running(Path::new("/")).map_err(|error| Report::new("cannot open /").because(&error))
}
