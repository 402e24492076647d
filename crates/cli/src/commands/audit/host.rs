//! `cofferdam audit host`: whether the vessel is secure.

use std::path::{Path, PathBuf};

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
            Some(root) => (Source::at_rest(root), format!("tree {}", root.display())),
            None => (Source::running(Path::new("/")), "this host".to_owned()),
        };
        let source = source.map_err(|error| {
            let root = self.root.as_deref().unwrap_or(Path::new("/"));
            Report::new(format!("cannot open {}", root.display())).because(&error)
        })?;
        self.output.show(audit(&source, &target))
    }
}
