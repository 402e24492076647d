//! `cofferdam attach`: connects to a running container.

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};
use crate::streams::{self, RelayFlags};

/// Flags of `attach`.
#[derive(Debug, Parser)]
pub(crate) struct AttachCommand {
    /// Do not attach to its standard input
    #[arg(long)]
    no_stdin: bool,
    #[command(flatten)]
    relay: RelayFlags,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Run for AttachCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let id = container(&engine, &self.container)?;
        let request = engine.inspect(&id)?.request;
        let attach = streams::wanted(&[], request.interactive && !self.no_stdin);
        streams::check_terminal(request.tty, attach.stdin)?;
        let stream = engine.attach(&id, attach)?;
        streams::relay(stream, attach, request.tty, &self.relay)
    }
}
