//! The command line face: parses, calls the engine, prints. No more: what a container may do is decided in `policy`, and how it
//! is done in `engine`.
//!
//! The first words choose one entry of a table of commands, and only that command's parser is built: a start must not pay for
//! flags that nobody typed.

mod client_file;
mod command;
mod commands;
mod detach_keys;
mod duration;
mod each;
mod filter;
mod flags;
mod globals;
mod help;
mod listing;
pub mod oci;
mod plain;
mod plan_sheet;
mod report;
mod secret;
mod session;
mod size;
mod streams;
mod suggest;
mod table;
mod template;
mod transfer;
mod usage;
mod when;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use globals::{LogLevel, Wish};
use report::Outcome;

/// The program: plays the part that its name or its first argument says.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().map(PathBuf::from).unwrap_or_default();
    let name = called.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if oci::is_own_name(name) {
        return oci::run(name, arguments);
    }
    if name == cofferdam_engine::RESOLVER_PROGRAM {
        // Its keeper sees its end, and has nobody to tell why.
        return if cofferdam_engine::resolve().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if name.ends_with(cofferdam_engine::container_init::NAME) {
        return ExitCode::from(cofferdam_engine::container_init::run(arguments));
    }
    let arguments: Vec<OsString> = arguments.collect();
    if let [first, number, ..] = arguments.as_slice()
        && first == cofferdam_engine::SHIM_SUBCOMMAND
    {
        return shim(number);
    }
    if let [first, number, orders] = arguments.as_slice()
        && first == cofferdam_engine::KEEPER_SUBCOMMAND
    {
        return keeper(number, orders);
    }
    if let [first, number, orders] = arguments.as_slice()
        && first == cofferdam_engine::USERS_NETWORK_SUBCOMMAND
    {
        return users_network(number, orders);
    }
    if let [first, orders] = arguments.as_slice()
        && first == cofferdam_engine::PROBER_SUBCOMMAND
    {
        return prober(orders);
    }
    if arguments.first().is_some_and(|first| first == "oci") {
        return oci::run("cofferdam oci", arguments.into_iter().skip(1));
    }
    command_line(arguments).unwrap_or_else(report::Report::finish)
}

/// A shim that executed itself anew. Nobody reads what it says: its end is seen by its lock.
fn shim(number: &OsStr) -> ExitCode {
    let number = number.to_str().and_then(|text| text.parse().ok());
    let ended = number.map(cofferdam_engine::resume_shim);
    if matches!(ended, Some(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The keeper of resolvers. Whoever needs it starts another one if it ends.
fn keeper(number: &OsStr, orders: &OsStr) -> ExitCode {
    let number = number.to_str().and_then(|text| text.parse().ok());
    let ended =
        number.zip(orders.to_str()).map(|(number, orders)| cofferdam_engine::keep_resolvers(number, orders));
    if matches!(ended, Some(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The process that holds an ordinary user's network. Its end is seen by the shims that are connected to it.
fn users_network(number: &OsStr, orders: &OsStr) -> ExitCode {
    let number = number.to_str().and_then(|text| text.parse().ok());
    let ended =
        number.zip(orders.to_str()).map(|(number, orders)| cofferdam_engine::hold_network(number, orders));
    if matches!(ended, Some(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One probe of a container's health. The shim that started it reads no more than whether it succeeded.
fn prober(orders: &OsStr) -> ExitCode {
    let probed = orders.to_str().map(cofferdam_engine::probe_health);
    if matches!(probed, Some(Ok(true))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command_line(arguments: Vec<OsString>) -> Outcome {
    let (globals, wish) = globals::read(arguments)?;
    match wish {
        Wish::Command(words) => {
            let start = std::time::Instant::now();
            let outcome = commands::execute(words, &globals);
            globals.log(LogLevel::Debug, || format!("the command took {:?}", start.elapsed()));
            outcome
        }
        Wish::Help => print(&help::overview()),
        Wish::Version => print(&format!("cofferdam version {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

fn print(text: &str) -> Outcome {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
