//! `cofferdam prune`: removes all containers that do not run.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::size;

/// Flags of `prune`.
#[derive(Debug, Parser)]
pub(crate) struct PruneCommand {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for PruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        if !self.force && !confirmed("This will remove all containers that do not run.")? {
            return Ok(ExitCode::SUCCESS);
        }
        let report = engine.prune()?;
        let mut out = std::io::stdout().lock();
        if !report.containers.is_empty() {
            writeln!(out, "Deleted Containers:")?;
            for id in &report.containers {
                writeln!(out, "{id}")?;
            }
            writeln!(out)?;
        }
        writeln!(out, "Total reclaimed space: {}", size::decimal(report.reclaimed))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks on the terminal; anything but yes is no.
pub(super) fn confirmed(warning: &str) -> Result<bool, Report> {
    let mut out = std::io::stdout().lock();
    write!(out, "WARNING! {warning}\nAre you sure you want to continue? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Report::new("cannot read the answer").because(&error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "YES" | "Yes"))
}
