//! `cofferdam audit engine`: the engines of this host, their settings and files, and the containers that they run.

use clap::Parser;
use cofferdam_audit::host::audit_engines;

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;

/// Flags of `audit engine`.
#[derive(Debug, Parser)]
pub(crate) struct AuditEngineCommand {
    #[command(flatten)]
    output: OutputFlags,
}

impl Run for AuditEngineCommand {
    fn run(self, globals: &Globals) -> Outcome {
        self.output.show(globals, [audit_engines(&super::this_host()?, "this host's engines")])
    }
}
