//! The OCI runtime face: `cofferdam oci create|start|...`, with runc's commands and flags, so that Docker, Podman and
//! containerd can drive it. Also when the program is called through a link named `cofferdam-oci` or `runc`.

mod arguments;
mod console;
mod create;
mod delete;
mod error;
mod events;
mod exec;
mod global;
mod help;
mod kill;
mod log;
mod pause;
mod proof;
mod ps;
mod size;
mod spec;
mod start;
mod state;
mod supervise;
mod terminal;
mod update;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Flag, Order};
use error::{CommandError, UsageError, chain};
use global::Global;

/// What a command was asked for.
struct Call {
    global: Global,
    arguments: Arguments,
}

/// The exit status of a command that did what it was asked.
type Outcome = Result<ExitCode, CommandError>;

/// One command: how it is called, and what does it.
struct Command {
    name: &'static str,
    about: &'static str,
    usage: &'static str,
    flags: &'static [Flag],
    order: Order,
    run: fn(&Call) -> Outcome,
}

/// All commands, in the help's order.
const COMMANDS: &[Command] = &[
    Command {
        name: "checkpoint",
        about: "checkpoint a running container (not supported)",
        usage: "<container-id>",
        flags: &[],
        order: Order::FlagsFirst,
        run: |_| refuse_checkpoint(),
    },
    create::CREATE,
    delete::DELETE,
    events::EVENTS,
    exec::EXEC,
    spec::FEATURES,
    kill::KILL,
    state::LIST,
    pause::PAUSE,
    ps::PS,
    Command {
        name: "restore",
        about: "restore a container from a previous checkpoint (not supported)",
        usage: "<container-id>",
        flags: &[],
        order: Order::FlagsFirst,
        run: |_| refuse_checkpoint(),
    },
    pause::RESUME,
    create::RUN,
    spec::SPEC,
    start::START,
    state::STATE,
    update::UPDATE,
    verify::VERIFY,
];

fn refuse_checkpoint() -> Outcome {
    Err(CommandError::Refused(
        "checkpoint and restore are not supported: a restored process would not pass this runtime's gate"
            .to_owned(),
    ))
}

/// Whether a program called by this name is this face.
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    matches!(name, "cofferdam-oci" | "runc")
}

/// Does what an OCI runtime is asked to. `program` is the name that the help and the version show; `words` are the
/// arguments after it.
pub fn run(program: &str, words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Result<Vec<String>, OsString> = words.map(OsString::into_string).collect();
    let parsed = words.map_err(UsageError::NotText).and_then(|words| Global::parse(&words));
    let (global, rest) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            Global::default().log.error(&chain(&error));
            return ExitCode::FAILURE;
        }
    };
    if global.version {
        return help::version(program);
    }
    match rest.split_first() {
        None => help::overview(program, COMMANDS),
        Some((name, _)) if global.help || matches!(name.as_str(), "help" | "h") => {
            let topic = if global.help { Some(name) } else { rest.get(1) };
            match topic.and_then(|topic| find(topic)) {
                Some(command) => help::command(program, command),
                None => help::overview(program, COMMANDS),
            }
        }
        Some((name, words)) => dispatch(program, global, name, words),
    }
}

fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

fn dispatch(program: &str, global: Global, name: &str, words: &[String]) -> ExitCode {
    let Some(command) = find(name) else {
        global.log.error(&chain(&UsageError::UnknownCommand(name.to_owned())));
        return ExitCode::FAILURE;
    };
    let arguments = match Arguments::parse(command.flags, words, command.order) {
        Ok(arguments) => arguments,
        Err(error) => {
            global.log.error(&chain(&error));
            return ExitCode::FAILURE;
        }
    };
    if arguments.help {
        return help::command(program, command);
    }
    let call = Call { global, arguments };
    call.global.log.debug(&format!("command {name}"));
    match (command.run)(&call) {
        Ok(code) => code,
        Err(error) => {
            let (text, code) = match command.name {
                // The program itself is at fault: runc's callers know the message from the program's own line.
                "run" | "create" if error.is_exec() => (chain(&error), 1),
                "run" | "create" => (format!("{program} {} failed: {}", command.name, error.of_start()), 1),
                // runc's: 1 to 254 are the program's own.
                "exec" => (format!("exec failed: {}", chain(&error)), 255),
                _ => (chain(&error), 1),
            };
            call.global.log.error(&text);
            ExitCode::from(code)
        }
    }
}
