//! `cofferdam healthcheck run`: one check of a container's health, now.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::Error;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{ENGINE_FAILED, Outcome, Report};
use crate::session::engine;

/// Flags of `healthcheck run`.
#[derive(Debug, Parser)]
pub(crate) struct HealthcheckRunCommand {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Run for HealthcheckRunCommand {
    /// As podman's: 0 for a check that succeeds, 1 for one that fails, 125 where there is none or it cannot be made.
    fn run(self, globals: &Globals) -> Outcome {
        let failed = |error: Error| Report::from(error).status(ENGINE_FAILED);
        let engine = engine(globals)?;
        let id = engine.resolve(&self.container).map_err(failed)?;
        let probed = engine.probe(&id).map_err(failed)?;
        if probed.succeeded {
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(std::io::stdout().lock(), "{}", probed.status.as_str())?;
        Ok(ExitCode::from(1))
    }
}
