//! `cofferdam audit host`: whether the vessel is secure.

use std::path::{Path, PathBuf};

use clap::Parser;
use cofferdam_audit::host::{HostFacts, Source, judged};

use super::mend::MendFlags;
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
    mend: MendFlags,
    #[command(flatten)]
    output: OutputFlags,
}

impl Run for AuditHostCommand {
    fn run(self, _: &Globals) -> Outcome {
        let (source, target) = source(self.root.as_deref())?;
        let facts = HostFacts::of(&source);
        let report = judged(&facts, &target);
        if self.mend.are_given() {
            let root = self.root.as_deref().unwrap_or(Path::new("/"));
            let report = self.output.marked(report)?;
            return self.mend.run(root, &source, &facts, &report);
        }
        self.output.show([report])
    }
}

/// This machine, or a tree, with what reports call it.
pub(super) fn source(root: Option<&Path>) -> Result<(Source, String), Report> {
    let Some(root) = root else { return Ok((super::this_host()?, "this host".to_owned())) };
    let source = Source::at_rest(root)
        .map_err(|error| Report::new(format!("cannot open {}", root.display())).because(&error))?;
    Ok((source, format!("tree {}", root.display())))
}
