//! `cofferdam zone show`: a zone with everything that it says, also what its file leaves to its base.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_names::ZoneName;

use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `zone show`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneShowCommand {
    /// The zone's name
    #[arg(value_name = "ZONE")]
    name: ZoneName,
}

impl Run for ZoneShowCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let zone = engine(globals)?.zones().load(&self.name)?;
        plain::print(&zone.to_toml())?;
        Ok(ExitCode::SUCCESS)
    }
}
