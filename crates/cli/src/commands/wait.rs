//! `cofferdam wait`: waits for containers to end and prints their exit codes.

use clap::Parser;
use cofferdam_engine::WaitCondition;

use crate::command::Run;
use crate::each::each_printing;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `wait`.
#[derive(Debug, Parser)]
pub(crate) struct WaitCommand {
    /// What to wait for
    #[arg(long, value_enum, default_value_t = Condition::NotRunning)]
    condition: Condition,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Condition {
    /// Until it does not run
    NotRunning,
    /// Until its next end
    NextExit,
    /// Until it is removed
    Removed,
}

impl Run for WaitCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let condition = match self.condition {
            Condition::NotRunning => WaitCondition::NotRunning,
            Condition::NextExit => WaitCondition::NextExit,
            Condition::Removed => WaitCondition::Removed,
        };
        each_printing(&self.containers, |word| {
            Ok(engine.wait(&container(&engine, word)?, condition)?.code.to_string())
        })
    }
}
