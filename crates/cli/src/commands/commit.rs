//! `cofferdam commit`: a container's changes become an image.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{CommitOptions, ContainerState};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `commit`.
#[derive(Debug, Parser)]
pub(crate) struct CommitCommand {
    /// Who made it
    #[arg(short, long, value_name = "TEXT")]
    author: Option<String>,
    /// What was done
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// A line of a Dockerfile that changes the image's configuration: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
    /// STOPSIGNAL, USER, VOLUME or WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Freeze the container meanwhile, if it runs (default: true)
    #[arg(short, long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The image's name
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Run for CommitCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let id = container(&engine, &self.container)?;
        let Self { name, author, message, change: changes, pause, .. } = self;
        let options = CommitOptions { name, author, message, changes };
        let running = engine.inspect(&id)?.summary.status.state == ContainerState::Running;
        let freeze = pause && running;
        if freeze {
            engine.pause(&id)?;
        }
        let committed = engine.commit(&id, &options);
        if freeze {
            engine.unpause(&id)?;
        }
        writeln!(std::io::stdout().lock(), "{}", committed?)?;
        Ok(ExitCode::SUCCESS)
    }
}
