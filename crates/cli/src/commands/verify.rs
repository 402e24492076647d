//! `cofferdam verify`: whether running containers are confined as planned, read back from the kernel now.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::Engine;
use cofferdam_names::ContainerId;
use cofferdam_proof::{Receipt, Verdict};

use super::receipt_check::{Shape, print, verdict_status};
use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};

/// Flags of `verify`.
#[derive(Debug, Parser)]
pub(crate) struct VerifyCommand {
    /// Verify all containers that run
    #[arg(short, long, conflicts_with = "containers")]
    all: bool,
    /// How what was found is shown
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
    /// Do not shorten values
    #[arg(long)]
    no_trunc: bool,
    /// Print the signed receipts (DSSE), one a line, which `receipt check` takes
    #[arg(long, conflicts_with = "format")]
    signed: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run for VerifyCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if self.containers.is_empty() && !self.all {
            return Err(Report::new("missing argument: CONTAINER").hint("name a container, or give --all"));
        }
        let engine = engine(globals)?;
        let ids = if self.all {
            engine.running()?
        } else {
            self.containers.iter().map(|word| container(&engine, word)).collect::<Result<_, _>>()?
        };
        let form =
            if self.signed { Form::Signed } else { Form::Shown { shape: self.format, whole: self.no_trunc } };
        verify(&engine, &ids, form)
    }
}

/// What of a receipt is printed.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// What was found.
    Shown { shape: Shape, whole: bool },
    /// The envelope, on one line.
    Signed,
}

impl Form {
    fn is_table(self) -> bool {
        matches!(self, Self::Shown { shape: Shape::Table, .. })
    }

    fn print(self, receipt: &Receipt) -> Result<(), Report> {
        match self {
            Self::Shown { shape, whole } => print(&receipt.statement, shape, whole),
            Self::Signed => {
                let line = serde_json::to_string(&receipt.envelope)
                    .map_err(|error| Report::new("cannot write the receipt as JSON").because(&error))?;
                Ok(plain::print(&(line + "\n"))?)
            }
        }
    }
}

/// Verifies containers one after another; the exit status is 0 only if every control of every one holds.
pub(super) fn verify(engine: &Engine, ids: &[ContainerId], form: Form) -> Outcome {
    let mut worst = Verdict::Holds;
    for (index, id) in ids.iter().enumerate() {
        if index > 0 && form.is_table() {
            writeln!(std::io::stdout().lock())?;
        }
        match engine.verify(id) {
            Ok(receipts) => {
                for (number, receipt) in receipts.iter().enumerate() {
                    if number > 0 && form.is_table() {
                        writeln!(std::io::stdout().lock())?;
                    }
                    form.print(receipt)?;
                    worst = worst.max(receipt.statement.verdict);
                }
            }
            Err(error) => {
                // One that cannot be looked at is not known to be confined; the others still get their turn.
                Report::from(error).finish();
                worst = worst.max(Verdict::Unknown);
            }
        }
    }
    if ids.is_empty() {
        writeln!(std::io::stderr().lock(), "no container runs: nothing to verify")?;
    }
    Ok(if worst == Verdict::Holds { ExitCode::SUCCESS } else { verdict_status(worst) })
}
