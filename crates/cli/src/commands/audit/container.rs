//! `cofferdam audit container`: what a container could do, whoever started it.

use clap::Parser;
use cofferdam_audit::Unknown;
use cofferdam_audit::container::{audit, find};

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `audit container`.
#[derive(Debug, Parser)]
pub(crate) struct AuditContainerCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// A container of ours by name or id; one of another engine by its id, or by Docker's name for it; any process by its number
    #[arg(value_name = "CONTAINER|PID")]
    container: String,
}

impl Run for AuditContainerCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let source = super::this_host()?;
        let unknown = |Unknown(reason): Unknown| Report::new(reason);
        let (pid, name) = match own(globals, &self.container) {
            Some(pid) => (pid, format!("cofferdam {}", self.container)),
            None => find(&source, &self.container).map_err(unknown)?,
        };
        self.output.show(globals, [audit(&source, pid, &name).map_err(unknown)?])
    }
}

/// The first process of a running container of ours.
fn own(globals: &Globals, word: &str) -> Option<u32> {
    let engine = engine(globals).ok()?;
    let id = engine.resolve(word).ok()?;
    let rows = engine.top(&id).ok()?;
    u32::try_from(rows.first()?.pid).ok()
}
