//! `cofferdam audit host --fix` and `--export`, and `cofferdam audit undo`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Parser, ValueEnum};
use cofferdam_audit::host::{HostFacts, Source, judged};
use cofferdam_audit::mend::{Export, Mending, Wanted, apply, export, undo};
use cofferdam_audit::{Outcome as Verdict, Report as Audit, printable};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// The exit status when something that was mended does not pass afterwards.
const UNMENDED: u8 = 3;

/// Flags of `audit host` that mend.
#[derive(Debug, Args)]
pub(crate) struct MendFlags {
    /// Write drop-in files that mend what failed; shows them first, and `audit undo` takes them back
    #[arg(long, conflicts_with = "export")]
    fix: bool,
    /// With --fix or --export: only these checks, by id
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// With --fix: show what would be written, and write nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// With --fix: do not ask at a terminal
    #[arg(short, long, requires = "fix")]
    yes: bool,
    /// Write what would be mended for other hosts, instead of a report
    #[arg(long, value_enum, value_name = "TOOL")]
    export: Option<Tool>,
}

/// What `--export` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// A playbook
    Ansible,
    /// A script for sh
    Shell,
    /// Ignition 3.4
    Ignition,
}

impl From<Tool> for Export {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::Ansible => Self::Ansible,
            Tool::Shell => Self::Shell,
            Tool::Ignition => Self::Ignition,
        }
    }
}

impl MendFlags {
    /// Whether a report is not what is wanted.
    pub(super) fn are_given(&self) -> bool {
        self.fix || self.export.is_some()
    }

    pub(super) fn run(&self, root: &Path, source: &Source, facts: &HostFacts, report: &Audit) -> Outcome {
        let mut out = std::io::stdout().lock();
        if let Some(tool) = self.export {
            let wanted = if self.only.is_empty() { Wanted::Safe } else { Wanted::Only(&self.only) };
            let mending = Mending::plan(source, facts, report, wanted);
            out.write_all(export(&mending, tool.into()).as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let wanted = if self.only.is_empty() { Wanted::Safe } else { Wanted::Only(&self.only) };
        let mending = Mending::plan(source, facts, report, wanted);
        for (id, reason) in &mending.left_out {
            writeln!(out, "left out: {}: {}", printable(id), printable(reason))?;
        }
        for change in &mending.changes {
            out.write_all(change.diff().as_bytes())?;
        }
        if mending.is_empty() {
            writeln!(out, "nothing to write")?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.dry_run || !(self.yes || agreed(&mut out)?) {
            writeln!(
                out,
                "{} files would be written, for {} checks",
                mending.changes.len(),
                mending.checks.len()
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let failed = |error| Report::new("cannot mend this host").because(&error);
        apply(root, source, &mending).map_err(failed)?;
        if source.is_running() && mending.changes.iter().any(|change| change.path.starts_with("/etc/ssh/")) {
            refuse_bad_ssh(root, source)?;
        }
        verified(&mut out, source, &mending)
    }
}

/// Asks at a terminal; elsewhere the flag says enough.
fn agreed(out: &mut impl Write) -> std::io::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    write!(out, "Write these? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The server itself reads its files; if it cannot, everything is taken back, so that nobody is locked out by a reload.
fn refuse_bad_ssh(root: &Path, source: &Source) -> Result<(), Report> {
    let Ok(output) = Command::new("/usr/sbin/sshd").arg("-t").output() else { return Ok(()) };
    // Without host keys or its own folder it says no to any file: such a server does not run here.
    if output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("cofferdam") {
        return Ok(());
    }
    let failed =
        |error| Report::new("cannot take back what the SSH server does not understand").because(&error);
    undo(root, source).map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Report::new(format!(
        "the SSH server does not understand the new file, and all was taken back: {}",
        printable(said.trim())
    )))
}

/// Looks again, and says what passes now.
fn verified(out: &mut impl Write, source: &Source, mending: &Mending) -> Outcome {
    let report = judged(&HostFacts::of(source), "afterwards");
    let mut waiting = 0;
    for id in &mending.checks {
        let finding = report.findings.iter().find(|finding| finding.about.id == id.as_str());
        let outcome = finding.map_or(Verdict::Unknown, |finding| finding.verdict.outcome);
        writeln!(out, "{}: {id}", outcome.name())?;
        waiting += usize::from(outcome != Verdict::Pass);
    }
    for change in &mending.changes {
        if let Some(then) = change.then.filter(|_| source.is_running()) {
            writeln!(out, "{}: {then}", change.path)?;
        }
    }
    let done = mending.checks.len() - waiting;
    writeln!(out, "{done} checks pass now, {waiting} do not yet; `cofferdam audit undo` takes it back")?;
    Ok(if waiting == 0 { ExitCode::SUCCESS } else { ExitCode::from(UNMENDED) })
}

/// Flags of `audit undo`.
#[derive(Debug, Parser)]
pub(crate) struct AuditUndoCommand {
    /// The tree that was mended, instead of this host
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Run for AuditUndoCommand {
    fn run(self, _: &Globals) -> Outcome {
        let (source, _) = super::host::source(self.root.as_deref())?;
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        let undone = undo(root, &source).map_err(|error| Report::new("cannot undo").because(&error))?;
        let mut out = std::io::stdout().lock();
        for path in &undone.restored {
            writeln!(out, "as it was: {}", printable(path))?;
        }
        for path in &undone.left {
            writeln!(out, "left alone, somebody changed it since: {}", printable(path))?;
        }
        Ok(if undone.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(UNMENDED) })
    }
}
