//! `cofferdam zone show`: a zone with everything that it says, also what its file leaves to its base.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_names::ZoneName;

use crate::command::Run;
use crate::globals::Globals;
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
        std::io::stdout().lock().write_all(zone.to_toml().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
