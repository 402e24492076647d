//! `cofferdam volume rm`: removes volumes.

use clap::Parser;
use cofferdam_engine::Error;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `volume rm`.
#[derive(Debug, Parser)]
pub(crate) struct VolumeRmCommand {
    /// Do not mind volumes that do not exist
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

impl Run for VolumeRmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.volumes, |name| match engine.remove_volume(name) {
            Err(Error::NoVolume { .. }) if self.force => Ok(()),
            other => Ok(other?),
        })
    }
}
