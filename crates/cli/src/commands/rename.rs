//! `cofferdam rename`: gives a container another name.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_names::ContainerName;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `rename`.
#[derive(Debug, Parser)]
pub(crate) struct RenameCommand {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The new name
    #[arg(value_name = "NEW_NAME")]
    name: ContainerName,
}

impl Run for RenameCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        engine.rename(&container(&engine, &self.container)?, &self.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
