//! `cofferdam audit host`: whether the vessel is secure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_audit::host::{HostFacts, Source, judged_with};
use cofferdam_audit::rules;

use super::mend::MendFlags;
use super::output::OutputFlags;
use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `audit host`.
#[derive(Debug, Parser)]
pub(crate) struct AuditHostCommand {
    /// Look at the tree of another host, which does not run, instead of this one
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Checks of your own, behind ours: a TOML file of expressions over the facts
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Show the facts that checks judge by, as JSON, instead of a report
    #[arg(long)]
    facts: bool,
    #[command(flatten)]
    mend: MendFlags,
    #[command(flatten)]
    output: OutputFlags,
}

impl Run for AuditHostCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let (source, target) = source(self.root.as_deref())?;
        let facts = HostFacts::of(&source);
        if self.facts {
            let failed = |error| Report::new("cannot write the facts as JSON").because(&error);
            let text = serde_json::to_string_pretty(&facts).map_err(failed)?;
            writeln!(std::io::stdout().lock(), "{text}")?;
            return Ok(ExitCode::SUCCESS);
        }
        let own = match &self.rules {
            Some(path) => rules::parse(&client_file::text(path, "rules")?)
                .map_err(|error| Report::from_error(&error))?,
            None => Vec::new(),
        };
        let report = judged_with(&facts, &target, own);
        if self.mend.are_given() {
            let root = self.root.as_deref().unwrap_or(Path::new("/"));
            let report = self.output.marked(globals, report)?;
            return self.mend.run(root, &source, &facts, &report);
        }
        self.output.show(globals, [report])
    }
}

/// This machine, or a tree, with what reports call it.
pub(super) fn source(root: Option<&Path>) -> Result<(Source, String), Report> {
    let Some(root) = root else { return Ok((super::this_host()?, "this host".to_owned())) };
    let source = Source::at_rest(root)
        .map_err(|error| Report::new(format!("cannot open {}", root.display())).because(&error))?;
    Ok((source, format!("tree {}", root.display())))
}
