//! `verify`: whether a running container is confined as its configuration asks, read back from the kernel now. Not among the
//! commands that OCI or runc have.

use std::io::Write;
use std::process::ExitCode;

use cofferdam_proof::Verdict;
use cofferdam_runtime::lifecycle::{Container, Lookup};

use super::arguments::{Order, option};
use super::error::{CommandError, UsageError};
use super::{Call, Command, Outcome, proof};
use crate::commands::receipt_check::{Shape, shown};

pub(super) const VERIFY: Command = Command {
    name: "verify",
    about: "read a container's confinement back and compare it with its configuration",
    usage: "<container-id>",
    flags: &[option("format", "f", "FORMAT", "select one of: table or json (default: table)")],
    order: Order::Mixed,
    run,
};

/// Exit status 0 only where every control of every process holds.
fn run(call: &Call) -> Outcome {
    let shape = match call.arguments.value("format") {
        None | Some("table") => Shape::Table,
        Some("json") => Shape::Json,
        Some(other) => {
            let rule = "it is table or json".to_owned();
            return Err(UsageError::Value { flag: "format", text: other.to_owned(), rule }.into());
        }
    };
    let id = call.arguments.only_id("verify")?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    let receipts = proof::verify(&call.global.root, &container)?;
    for receipt in &receipts {
        let text = shown(&receipt.statement, shape, false).map_err(std::io::Error::from);
        text.and_then(|text| std::io::stdout().write_all(text.as_bytes()))
            .map_err(CommandError::system("cannot write the output"))?;
    }
    let all = receipts.iter().all(|receipt| receipt.statement.verdict == Verdict::Holds);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
