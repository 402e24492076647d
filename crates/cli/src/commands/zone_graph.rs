//! `cofferdam zone graph`: who may talk to whom, by the rules of zones.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use cofferdam_names::ZoneName;
use cofferdam_policy::graph::Graph;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `zone graph`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneGraphCommand {
    /// How it is written: lines, for Graphviz, or a picture
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The zones; all of them where none is named
    #[arg(value_name = "ZONE")]
    names: Vec<ZoneName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Dot,
    Svg,
}

impl Run for ZoneGraphCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let store = engine(globals)?.zones();
        let names = if self.names.is_empty() { store.names()? } else { self.names };
        let zones = names.iter().map(|name| store.load(name)).collect::<Result<Vec<_>, _>>()?;
        let graph = Graph::new(&zones);
        let text = match self.format {
            Format::Text => graph.to_text(),
            Format::Dot => graph.to_dot(),
            Format::Svg => graph.to_svg(),
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
