//! `cofferdam network connect` and `disconnect`: a container enters a network, or leaves it.

use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `network connect`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkConnectCommand {
    /// Add a name by which the network knows it
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Name or id of the network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Run for NetworkConnectCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let id = container(&engine, &self.container)?;
        engine.connect_network(&self.network, &id, self.alias)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Flags of `network disconnect`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkDisconnectCommand {
    /// As without: nothing has to be forced
    #[arg(short, long)]
    force: bool,
    /// Name or id of the network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Run for NetworkDisconnectCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let id = container(&engine, &self.container)?;
        let _ = self.force;
        engine.disconnect_network(&self.network, &id)?;
        Ok(ExitCode::SUCCESS)
    }
}
