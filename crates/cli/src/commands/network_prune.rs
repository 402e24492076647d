//! `cofferdam network prune`: removes the networks that no container is in.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::prune::{PruneFilters, confirmed};
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `network prune`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkPruneCommand {
    #[command(flatten)]
    filters: PruneFilters,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for NetworkPruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let which = self.filters.selection()?;
        let engine = engine(globals)?;
        if !self.force && !confirmed("This will remove all networks that no container is in.")? {
            return Ok(ExitCode::SUCCESS);
        }
        let removed = engine.prune_networks(&which)?;
        if !removed.is_empty() {
            writeln!(std::io::stdout().lock(), "Deleted Networks:\n{}\n", removed.join("\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
