//! `cofferdam exec`: one more process in a running container.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::ExecRequest;
use cofferdam_names::ContainerPath;
use cofferdam_policy::EnvEntry;

use crate::command::Run;
use crate::flags::{EnvironmentFlags, split_command};
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine, exec_failure};
use crate::streams::{self, RelayFlags};

/// Flags of `exec`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
pub(crate) struct ExecCommand {
    /// Run it in the background
    #[arg(short, long)]
    detach: bool,
    /// Keep its standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Ask for everything at once: all capabilities, no filter
    #[arg(long)]
    privileged: bool,
    /// Run as this user inside the container
    #[arg(short, long, value_name = "NAME|UID[:GROUP|GID]")]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<ContainerPath>,
    #[command(flatten)]
    environment: EnvironmentFlags,
    #[command(flatten)]
    relay: RelayFlags,
    /// The container, and the command to run in it
    #[arg(value_name = "CONTAINER COMMAND [ARG...]", required = true, num_args = 1.., trailing_var_arg = true)]
    words: Vec<String>,
}

impl Run for ExecCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let (name, command) = split_command(self.words);
        if command.is_empty() {
            return Err(Report::new("missing argument: COMMAND").hint("see `cofferdam exec --help`"));
        }
        if !self.detach {
            streams::check_terminal(self.tty, self.interactive)?;
        }
        let engine = engine(globals)?;
        let id = container(&engine, &name)?;
        let request = ExecRequest {
            command,
            env: self.environment.entries()?.into_iter().map(resolved).collect(),
            user: self.user,
            workdir: self.workdir,
            privileged: self.privileged,
            tty: self.tty,
            interactive: self.interactive,
            detach: self.detach,
            window: if self.tty { streams::window() } else { None },
        };
        match engine.exec(&id, &request).map_err(exec_failure)? {
            Some(session) => {
                let attach = streams::wanted(&[], self.interactive);
                streams::relay(session, attach, self.tty, &self.relay)
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// `-e NAME` takes the value of this shell, if it has one.
fn resolved(entry: EnvEntry) -> EnvEntry {
    match entry {
        EnvEntry::FromClient { name } => match std::env::var(&name) {
            Ok(value) => EnvEntry::Set { name, value },
            Err(_) => EnvEntry::Unset { name },
        },
        entry => entry,
    }
}
