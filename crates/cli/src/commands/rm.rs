//! `cofferdam rm`: removes containers.

use clap::Parser;
use cofferdam_engine::{Error, RemoveOptions};

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};

/// Flags of `rm`.
#[derive(Debug, Parser)]
pub(crate) struct RmCommand {
    /// Kill containers that run, and do not mind those that are gone
    #[arg(short, long)]
    force: bool,
    /// Remove their anonymous volumes as well
    #[arg(short, long)]
    volumes: bool,
    /// Remove a link
    #[arg(short, long)]
    link: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for RmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if self.link {
            return Err(Report::new("cannot remove a link: containers have no links here"));
        }
        let engine = engine(globals)?;
        let options = RemoveOptions { force: self.force, volumes: self.volumes };
        each(&self.containers, |word| {
            let removed = container(&engine, word).and_then(|id| Ok(engine.remove(&id, &options)?));
            // As with Docker: scripts begin by removing what may not be there.
            let is_gone = self.force && matches!(engine.resolve(word), Err(Error::NoContainer { .. }));
            removed.map_err(|report| if is_gone { report.status(0) } else { report })
        })
    }
}
