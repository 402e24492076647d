//! `cofferdam receipt check`: whether a receipt was signed by a key that is trusted, and what it says. Needs no rights beyond
//! reading the files: a receipt is checked anywhere.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use cofferdam_proof::{Envelope, PublicKey, Scope, Statement, Unobservable, Verdict, narrow_table, table};

use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session;

/// Flags of `receipt check`.
#[derive(Debug, Parser)]
pub(crate) struct ReceiptCheckCommand {
    /// Trust this public key (default: this host's own)
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// How the statement is shown
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
    /// Do not shorten values
    #[arg(long)]
    no_trunc: bool,
    /// The receipt, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// How a statement is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For people
    Table,
    /// The statement as it was signed
    Json,
}

impl Run for ReceiptCheckCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Report::new(format!("cannot check receipt {}", self.file.display())).because(error)
        };
        let text = text(&self.file)?;
        let keys = keys(&self.key, globals)?;
        let mut worst = None;
        // `verify --signed` gives one for each process that was looked at.
        for envelope in serde_json::Deserializer::from_str(&text).into_iter::<Envelope>() {
            let statement =
                envelope.map_err(|error| failed(&error))?.check(&keys).map_err(|error| failed(&error))?;
            if worst.is_some() && self.format == Shape::Table {
                plain::print("\n")?;
            }
            print(&statement, self.format, self.no_trunc)?;
            worst = worst.max(Some(statement.verdict));
        }
        worst
            .map(verdict_status)
            .ok_or_else(|| Report::new(format!("{} holds no receipt", self.file.display())))
    }
}

/// 0 only where everything holds.
pub(super) fn verdict_status(verdict: Verdict) -> ExitCode {
    if verdict == Verdict::Holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a statement.
pub(super) fn print(statement: &Statement, shape: Shape, whole: bool) -> Result<(), Report> {
    let text = shown(statement, shape, whole)
        .map_err(|error| Report::new("cannot write the statement as JSON").because(&error))?;
    Ok(plain::print(&text)?)
}

/// A statement as text.
pub(crate) fn shown(statement: &Statement, shape: Shape, whole: bool) -> Result<String, serde_json::Error> {
    if shape == Shape::Json {
        return Ok(serde_json::to_string_pretty(statement)? + "\n");
    }
    let findings = &statement.findings;
    let holding = findings.iter().filter(|finding| finding.verdict == Verdict::Holds).count();
    let zone = statement.zone.as_ref().map_or("none", |zone| zone.as_str());
    let (container, time) = (&statement.container, statement.time);
    let mut text = match (statement.scope, &statement.process) {
        (Scope::Entered, Some(process)) => {
            format!("process {} that entered container {container}, looked at {time}\n", process.pid)
        }
        _ => format!("container {container} in zone {zone}, looked at {time}\n"),
    };
    let rows = if whole { table(findings, None) } else { narrow_table(findings) };
    text += &format!("plan {}\n{rows}\n", statement.plan);
    for Unobservable { part, why } in &statement.unobservable {
        text += &format!("not claimed: {part}: {why}\n");
    }
    text += &format!("{holding} of {} controls hold: {}\n", findings.len(), statement.verdict);
    Ok(text)
}

fn text(file: &Path) -> Result<String, Report> {
    if file != Path::new("-") {
        return client_file::text(file, "receipt");
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Report::new("cannot read the receipt from standard input").because(&error))?;
    Ok(text)
}

/// The keys that are trusted: those named, or this host's own.
fn keys(files: &[PathBuf], globals: &Globals) -> Result<Vec<PublicKey>, Report> {
    let read = |file: &Path| PublicKey::read(file).map_err(|error| Report::from_error(&error));
    if !files.is_empty() {
        return files.iter().map(|file| read(file)).collect();
    }
    let own = session::paths(globals)?.state().join("keys/host.ed25519.pub");
    let key = read(&own).map_err(|report| report.hint("name the key that signed it with --key FILE"))?;
    Ok(vec![key])
}
