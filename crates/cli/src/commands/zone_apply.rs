//! `cofferdam zone apply`: makes zone files this host's zones: their packet rules for containers that run, everything for those
//! that start from now on.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `zone apply`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneApplyCommand {
    /// Zone files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Run for ZoneApplyCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let store = engine.zones();
        for file in &self.files {
            let text = client_file::text(file, "zone file")?;
            let zone = store.apply(&file.display().to_string(), &text)?;
            writeln!(std::io::stdout().lock(), "{}", zone.name.value)?;
            let mut err = std::io::stderr().lock();
            for warning in zone.warnings(None) {
                writeln!(err, "{}: warning: {}", warning.place, warning.message)?;
            }
            let renewed = engine.renew_zone(&zone.name.value)?;
            if renewed.containers > 0 {
                writeln!(
                    err,
                    "new packet rules for {} running container(s); {} connection(s) that they forbid were ended",
                    renewed.containers, renewed.connections
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
