//! `cofferdam image rm`: takes names of images away, and images with their last.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::ImageRemoval;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image rm`.
#[derive(Debug, Parser)]
pub(crate) struct ImageRmCommand {
    /// Also all names of an image that is meant by its id, and the name of one that a container uses
    #[arg(short, long)]
    force: bool,
    /// As Docker has it: there are no images in between to keep
    #[arg(long, hide = true)]
    no_prune: bool,
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Run for ImageRmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let mut status = None;
        for name in &self.names {
            match engine.remove_image(name, self.force) {
                Ok(removal) => print(&removal)?,
                Err(error) => {
                    let code = Report::from(error).finish();
                    status.get_or_insert(code);
                }
            }
        }
        Ok(status.unwrap_or(ExitCode::SUCCESS))
    }
}

/// As Docker says it.
pub(super) fn print(removal: &ImageRemoval) -> Result<(), Report> {
    let mut out = std::io::stdout().lock();
    for name in &removal.untagged {
        writeln!(out, "Untagged: {}", name.familiar())?;
    }
    for id in &removal.deleted {
        writeln!(out, "Deleted: {id}")?;
    }
    Ok(())
}
