//! `cofferdam restart`: stops containers and starts them again.

use clap::Parser;
use cofferdam_engine::StopOptions;
use cofferdam_kernel::signal::Signal;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `restart`.
#[derive(Debug, Parser)]
pub(crate) struct RestartCommand {
    /// The first signal (default: the container's own)
    #[arg(short, long)]
    signal: Option<Signal>,
    /// Seconds to wait before it is killed (-1: for ever)
    #[arg(short = 't', long = "timeout", visible_alias = "time", value_name = "SECONDS")]
    timeout: Option<i32>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for RestartCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let options = StopOptions { signal: self.signal, timeout: self.timeout };
        each(&self.containers, |word| Ok(engine.restart(&container(&engine, word)?, &options)?))
    }
}
