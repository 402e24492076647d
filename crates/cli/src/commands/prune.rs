//! `cofferdam prune`: removes all containers that do not run.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use clap::{Args, Parser};
use cofferdam_engine::Selection;

use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::{size, when};

/// Which are removed of those that may be.
#[derive(Debug, Clone, Args)]
pub(super) struct PruneFilters {
    /// Remove only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
}

impl PruneFilters {
    pub(super) fn selection(&self) -> Result<Selection, Report> {
        let mut selection = Selection::default();
        for filter in &self.filter {
            match filter.key.as_str() {
                "until" => {
                    let time = when::parse(&filter.value);
                    let time =
                        time.map_err(|error| Report::new("cannot read filter until").because(&error))?;
                    selection.until = Some(selection.until.map_or(time, |before| before.min(time)));
                }
                "label" => selection.labels.push(filter.label()),
                "label!" => selection.without_labels.push(filter.label()),
                _ => return Err(filter.unknown(&["until", "label", "label!"])),
            }
        }
        Ok(selection)
    }
}

/// Flags of `prune`.
#[derive(Debug, Parser)]
pub(crate) struct PruneCommand {
    #[command(flatten)]
    filters: PruneFilters,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for PruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let selection = self.filters.selection()?;
        let engine = engine(globals)?;
        if !self.force && !confirmed("This will remove all containers that do not run.")? {
            return Ok(ExitCode::SUCCESS);
        }
        let report = engine.prune(&selection)?;
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
