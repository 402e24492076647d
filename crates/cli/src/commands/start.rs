//! `cofferdam start`: starts containers that do not run.

use clap::Parser;
use cofferdam_engine::Error;

use crate::command::Run;
use crate::each::each;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine, start_failure};
use crate::streams::{self, RelayFlags};

/// Flags of `start`.
#[derive(Debug, Parser)]
pub(crate) struct StartCommand {
    /// Attach to its output, and end with its exit status
    #[arg(short, long)]
    attach: bool,
    /// Attach to its standard input
    #[arg(short, long)]
    interactive: bool,
    #[command(flatten)]
    relay: RelayFlags,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for StartCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        if !self.attach && !self.interactive {
            return each(&self.containers, |word| match engine.start(&container(&engine, word)?, None) {
                // As with Docker: what runs is as it was asked to be.
                Ok(_) | Err(Error::Running { .. }) => Ok(()),
                Err(error) => Err(Report::from(error)),
            });
        }
        let [word] = self.containers.as_slice() else {
            return Err(Report::new("can attach to one container at a time only"));
        };
        let id = container(&engine, word)?;
        let tty = engine.inspect(&id)?.request.tty;
        streams::check_terminal(tty, self.interactive)?;
        let attach = streams::wanted(&[], self.interactive);
        let stream = match engine.start(&id, Some(attach)) {
            Ok(started) => started.stream,
            Err(Error::Running { .. }) => Some(engine.attach(&id, attach)?),
            Err(error) => return Err(start_failure(error)),
        };
        match stream {
            Some(stream) => streams::relay(stream, attach, tty, &self.relay),
            None => Err(Report::new(format!("container {word} started without its streams"))),
        }
    }
}
