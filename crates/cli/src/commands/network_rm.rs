//! `cofferdam network rm`: removes networks.

use clap::Parser;
use cofferdam_engine::Error;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `network rm`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkRmCommand {
    /// Do not mind networks that do not exist
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Run for NetworkRmCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        each(&self.networks, |word| match engine.remove_network(word) {
            Err(Error::NoNetwork { .. }) if self.force => Ok(()),
            other => Ok(other?),
        })
    }
}
