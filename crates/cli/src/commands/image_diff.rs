//! `cofferdam image diff`: in which files two images differ.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::diff::print;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `image diff`.
#[derive(Debug, Parser)]
pub(crate) struct ImageDiffCommand {
    /// The first image: a name or an id
    #[arg(value_name = "IMAGE")]
    first: String,
    /// The one whose differences are shown: A for what only it has, D for what it lacks, C for what is another
    #[arg(value_name = "IMAGE")]
    second: String,
}

impl Run for ImageDiffCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let changes = engine(globals)?.image_difference(&self.first, &self.second)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        print(&changes, &mut out)?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}
