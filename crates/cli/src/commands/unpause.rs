//! `cofferdam unpause`: lets frozen containers go on.

use clap::Parser;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `unpause`.
#[derive(Debug, Parser)]
pub(crate) struct UnpauseCommand {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for UnpauseCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.containers, |word| Ok(engine.unpause(&container(&engine, word)?)?))
    }
}
