//! `cofferdam volume prune`: removes the volumes that no container uses.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::VolumePruneOptions;

use super::prune::confirmed;
use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;
use crate::size;

/// Flags of `volume prune`.
#[derive(Debug, Parser)]
pub(crate) struct VolumePruneCommand {
    /// Also volumes that have a name of somebody's choice
    #[arg(short, long)]
    all: bool,
    /// Remove only what matches: label=KEY[=VALUE]
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for VolumePruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut options = VolumePruneOptions { all: self.all, ..VolumePruneOptions::default() };
        for filter in &self.filter {
            match filter.key.as_str() {
                "label" => options.which.labels.push(filter.label()),
                "all" => options.all = filter.parsed("true or false")?,
                _ => return Err(filter.unknown(&["label", "all"])),
            }
        }
        let engine = engine(globals)?;
        let which = if options.all { "all" } else { "all anonymous" };
        if !self.force && !confirmed(&format!("This will remove {which} volumes that no container uses."))? {
            return Ok(ExitCode::SUCCESS);
        }
        let (removed, freed) = engine.prune_volumes(&options)?;
        let mut out = std::io::stdout().lock();
        if !removed.is_empty() {
            writeln!(out, "Deleted Volumes:\n{}\n", removed.join("\n"))?;
        }
        writeln!(out, "Total reclaimed space: {}", size::decimal(freed))?;
        Ok(ExitCode::SUCCESS)
    }
}
