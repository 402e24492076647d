//! `cofferdam plan`: what `run` would do, without doing it.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::command::Run;
use crate::flags::ContainerFlags;
use crate::globals::Globals;
use crate::plain;
use crate::plan_sheet;
use crate::report::{Outcome, Report};
use crate::session::{engine, start_failure};

/// Flags of `plan`: those of `run`, and how the plan is shown.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam plan [--format sheet|json] [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub(crate) struct PlanCommand {
    /// How the plan is shown
    #[arg(long, value_enum, default_value_t = Shape::Sheet)]
    format: Shape,
    /// Plan for a container with a terminal
    #[arg(short, long)]
    tty: bool,
    /// Plan for a container with standard input
    #[arg(short, long)]
    interactive: bool,
    /// Plan for a container in the background
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    container: ContainerFlags,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people
    Sheet,
    /// The whole plan as it is stored
    Json,
}

impl Run for PlanCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut request = self.container.into_request()?;
        (request.tty, request.interactive, request.detach) = (self.tty, self.interactive, self.detach);
        let plan = engine(globals)?.plan(&request, None).map_err(start_failure)?;
        let text = match self.format {
            Shape::Sheet => plan_sheet::sheet(&plan),
            Shape::Json => {
                let json = serde_json::to_string_pretty(&plan);
                json.map_err(|error| Report::new("cannot write the plan as JSON").because(&error))? + "\n"
            }
        };
        plain::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
