//! `cofferdam builder prune`: removes results of build steps.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::prune::confirmed;
use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::{duration, size};

/// Flags of `builder prune`.
#[derive(Debug, Parser)]
pub(crate) struct BuilderPruneCommand {
    /// Remove all of it: without, what the latest builds used stays, up to --keep-storage
    #[arg(short, long)]
    all: bool,
    /// Remove only what was not used for so long: until=24h
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// The most bytes of layers that stay
    #[arg(long, value_name = "BYTES", default_value = "1g", hide_default_value = true)]
    keep_storage: cofferdam_policy::ByteSize,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run for BuilderPruneCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut older = None;
        for filter in &self.filter {
            if filter.key != "until" {
                return Err(filter.unknown(&["until"]));
            }
            let span = duration::parse(&filter.value);
            older = Some(span.map_err(|error| {
                Report::new(format!("invalid value {:?} for until: {error}", filter.value))
                    .hint("it is a time like 24h")
            })?);
        }
        let engine = engine(globals)?;
        if !self.force && !confirmed("This will remove results of build steps.")? {
            return Ok(ExitCode::SUCCESS);
        }
        // With a time everything younger stays.
        let most = match (self.all, older) {
            (true, None) => 0,
            (_, Some(_)) => u64::MAX,
            (false, None) => self.keep_storage.0,
        };
        let gone = engine.prune_build_cache(older, most)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "Deleted results: {}", gone.entries)?;
        writeln!(out, "Total reclaimed space: {}", size::decimal(gone.bytes))?;
        Ok(ExitCode::SUCCESS)
    }
}
