//! `cofferdam audit host`: whether the vessel is secure.

use std::path::PathBuf;

use clap::Parser;
use cofferdam_audit::host::{Source, audit};

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `audit host`.
#[derive(Debug, Parser)]
pub(crate) struct AuditHostCommand {
    /// Look at the tree of another host, which does not run, instead of this one
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    output: OutputFlags,
}

impl Run for AuditHostCommand {
    fn run(self, _: &Globals) -> Outcome {
        let (source, target) = match &self.root {
            Some(root) => {
                let source = Source::at_rest(root).map_err(|error| {
                    Report::new(format!("cannot open {}", root.display())).because(&error)
                })?;
                (source, format!("tree {}", root.display()))
            }
            None => (super::this_host()?, "this host".to_owned()),
        };
        self.output.show([audit(&source, &target)])
    }
}
