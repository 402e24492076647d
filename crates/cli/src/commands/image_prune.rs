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
    /// Also images that have a name
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
        let removal = engine.prune_images(self.all, &which)?;
        if !removal.deleted.is_empty() {
            writeln!(std::io::stdout().lock(), "Deleted Images:")?;
            super::image_rm::print(&removal)?;
            writeln!(std::io::stdout().lock())?;
        }
        writeln!(std::io::stdout().lock(), "Total reclaimed space: {}", size::decimal(removal.freed))?;
        Ok(ExitCode::SUCCESS)
    }
}
