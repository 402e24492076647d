//! `cofferdam kill`: sends a signal to containers.

use clap::Parser;
use cofferdam_kernel::signal::Signal;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `kill`.
#[derive(Debug, Parser)]
pub(crate) struct KillCommand {
    /// The signal
    #[arg(short, long, default_value_t = Signal::KILL)]
    signal: Signal,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for KillCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.containers, |word| Ok(engine.kill(&container(&engine, word)?, self.signal)?))
    }
}
