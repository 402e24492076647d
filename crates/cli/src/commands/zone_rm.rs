//! `cofferdam zone rm`: removes zones that no container lives in.

use clap::Parser;
use cofferdam_engine::ListFilters;
use cofferdam_names::{InvalidName, ZoneName};

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `zone rm`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneRmCommand {
    /// The zones' names
    #[arg(value_name = "ZONE", required = true)]
    names: Vec<String>,
}

impl Run for ZoneRmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.names, |word| {
            let zone: ZoneName = word.parse().map_err(|error: InvalidName| Report::from_error(&error))?;
            let filters = ListFilters { all: true, zones: vec![zone.clone()], ..ListFilters::default() };
            let inside = engine.list(&filters)?;
            if let Some(container) = inside.first() {
                let count = inside.len();
                return Err(Report::new(format!(
                    "cannot remove zone {zone}: {count} container(s) live in it"
                ))
                .hint(format!("remove {} and the others first", container.name)));
            }
            Ok(engine.zones().remove(&zone)?)
        })
    }
}
