//! `cofferdam update`: changes limits of containers, also while they run.

use clap::Parser;
use cofferdam_engine::UpdateRequest;
use cofferdam_policy::RestartPolicy;

use crate::command::Run;
use crate::each::each;
use crate::flags::LimitFlags;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};

/// Flags of `update`.
#[derive(Debug, Parser)]
pub(crate) struct UpdateCommand {
    #[command(flatten)]
    limits: LimitFlags,
    /// When to start it again: no, always, unless-stopped, on-failure[:MAX-RETRIES]
    #[arg(long, value_name = "POLICY")]
    restart: Option<RestartPolicy>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Run for UpdateCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut request = UpdateRequest { restart: self.restart, ..UpdateRequest::default() };
        self.limits.apply(&mut request.resources);
        if request == UpdateRequest::default() {
            return Err(Report::new("nothing to change").hint("give at least one of the flags"));
        }
        let engine = engine(globals)?;
        each(&self.containers, |word| Ok(engine.update(&container(&engine, word)?, &request)?))
    }
}
