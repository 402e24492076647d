//! `cofferdam diff`: what a container changed in its root.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{Change, ChangeKind};

use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `diff`.
#[derive(Debug, Parser)]
pub(crate) struct DiffCommand {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Run for DiffCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let changes = engine.diff(&container(&engine, &self.container)?)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        print(&changes, &mut out)?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One line for each change, as Docker prints them.
pub(super) fn print(changes: &[Change], out: &mut impl Write) -> std::io::Result<()> {
    changes.iter().try_for_each(|change| {
        let letter = match change.kind {
            ChangeKind::Changed => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        // Names of the container's choice: one with a line end in it must not look like two.
        writeln!(out, "{letter} {}", plain::cell(&change.path))
    })
}
