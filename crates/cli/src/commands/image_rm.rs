//! `cofferdam image rm`: removes imported images.

use clap::Parser;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `image rm`.
#[derive(Debug, Parser)]
pub(crate) struct ImageRmCommand {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Run for ImageRmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.names, |name| Ok(engine.remove_image(name)?))
    }
}
