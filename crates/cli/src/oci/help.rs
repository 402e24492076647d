//! Help and version, in the shape that people and programs know from runc.

use std::io::Write;
use std::process::ExitCode;

use cofferdam_wire_oci::SPEC_VERSION;

use super::Command;
use super::arguments::{Flag, switch};
use super::global;

const HELP: Flag = switch("help", "h", "show help");

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Three lines that Docker reads (`runtime version`, `commit:`, `spec:`).
pub(super) fn version(program: &str) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    print(&format!("{program} version {version}\ncommit: {version}\nspec: {SPEC_VERSION}\n"))
}

fn flags(flags: &[Flag]) -> String {
    flags
        .iter()
        .chain([&HELP])
        .map(|flag| {
            let short = if flag.short.is_empty() { String::new() } else { format!(", -{}", flag.short) };
            let value = if flag.value.is_empty() { String::new() } else { format!(" {}", flag.value) };
            format!("   {:<32} {}\n", format!("--{}{short}{value}", flag.name), flag.about)
        })
        .collect()
}

/// The help without a command.
pub(super) fn overview(program: &str, commands: &[Command]) -> ExitCode {
    let list: String =
        commands.iter().map(|command| format!("   {:<12} {}\n", command.name, command.about)).collect();
    print(&format!(
        "NAME:\n   {program} - Open Container Initiative runtime\n\n\
         It runs containers packaged as OCI bundles: a folder with a root file system and a config.json. Their \
         confinement is the one that config.json asks for, and it is read back before the first instruction of the \
         container's program runs.\n\n\
         USAGE:\n   {program} [global options] command [command options] [arguments...]\n\n\
         COMMANDS:\n{list}\nGLOBAL OPTIONS:\n{}",
        flags(global::FLAGS)
    ))
}

/// The help of one command.
pub(super) fn command(program: &str, command: &Command) -> ExitCode {
    print(&format!(
        "NAME:\n   {program} {name} - {about}\n\nUSAGE:\n   {program} {name} [command options] {usage}\n\nOPTIONS:\n{flags}",
        name = command.name,
        about = command.about,
        usage = command.usage,
        flags = flags(command.flags)
    ))
}
