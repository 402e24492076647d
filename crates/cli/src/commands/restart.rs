//! `cofferdam restart`: stops containers and starts them again.

use clap::Parser;

use crate::command::Run;
use crate::each::each;
use crate::flags::StopFlags;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `restart`.
#[derive(Debug, Parser)]
pub(crate) struct RestartCommand {
    #[command(flatten)]
    flags: StopFlags,
}

impl Run for RestartCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let options = self.flags.options();
        each(&self.flags.containers, |word| Ok(engine.restart(&container(&engine, word)?, &options)?))
    }
}
