//! `cofferdam pause`: freezes all processes of containers.

use clap::Parser;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `pause`.
#[derive(Debug, Parser)]
pub(crate) struct PauseCommand {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for PauseCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.containers, |word| Ok(engine.pause(&container(&engine, word)?)?))
    }
}
