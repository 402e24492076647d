//! `cofferdam image prune`: removes images that no container uses.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::prune::{PruneFilters, confirmed};
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;
use crate::size;

/// Flags of `image prune`.
#[derive(Debug, Parser)]
pub(crate) struct ImagePruneCommand {
    /// Also images that have a name (those without one go by themselves)
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    filters: PruneFilters,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for ImagePruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let which = self.filters.selection()?;
        let engine = engine(globals)?;
        let what = if self.all { "all images that no container uses" } else { "all images without a name" };
        if !self.force && !confirmed(&format!("This will remove {what}."))? {
            return Ok(ExitCode::SUCCESS);
        }
        let (removed, freed) = engine.prune_images(self.all, &which)?;
        let mut out = std::io::stdout().lock();
        if !removed.is_empty() {
            writeln!(out, "Deleted Images:\n{}\n", removed.join("\n"))?;
        }
        writeln!(out, "Total reclaimed space: {}", size::decimal(freed))?;
        Ok(ExitCode::SUCCESS)
    }
}
