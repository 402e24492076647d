//! `cofferdam create`: makes a container without starting it.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::run::ClientFlags;
use crate::command::Run;
use crate::flags::ContainerFlags;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{engine, start_failure};
use crate::streams;

/// Flags of `create`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub(crate) struct CreateCommand {
    #[command(flatten)]
    client: ClientFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

impl Run for CreateCommand {
    fn run(self, globals: &Globals) -> Outcome {
        self.client.check()?;
        let (tty, interactive) = (self.client.tty, self.client.interactive);
        let mut request = self.container.into_request()?;
        (request.tty, request.interactive) = (tty, interactive);
        request.platform.clone_from(&self.client.platform);
        let window = if tty { streams::window() } else { None };
        let engine = engine(globals)?;
        self.client.bring(&engine, globals, &request)?;
        let id = engine.create(&request, window).map_err(start_failure)?;
        self.client.write_id(id.as_str())?;
        writeln!(std::io::stdout().lock(), "{id}")?;
        Ok(ExitCode::SUCCESS)
    }
}
