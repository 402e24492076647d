//! `cofferdam stop`: ends containers: a signal, then SIGKILL.

use clap::Parser;

use crate::command::Run;
use crate::each::each;
use crate::flags::StopFlags;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `stop`.
#[derive(Debug, Parser)]
pub(crate) struct StopCommand {
    #[command(flatten)]
    flags: StopFlags,
}

impl Run for StopCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let options = self.flags.options();
        each(&self.flags.containers, |word| Ok(engine.stop(&container(&engine, word)?, &options)?))
    }
}
