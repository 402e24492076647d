//! `kill`: a signal for a container.

use std::process::ExitCode;

use cofferdam_kernel::signal::Signal;
use cofferdam_runtime::lifecycle::{Container, LifecycleError, Lookup};

use super::arguments::{Order, switch};
use super::error::UsageError;
use super::{Call, Command, Outcome};

pub(super) const KILL: Command = Command {
    name: "kill",
    about: "kill sends the specified signal (default: SIGTERM) to the container's init process",
    usage: "<container-id> [signal]",
    flags: &[switch("all", "a", "send the signal to all processes of the container")],
    order: Order::Mixed,
    run,
};

fn run(call: &Call) -> Outcome {
    let (id, signal) = match call.arguments.positional.as_slice() {
        [id] => (id, "SIGTERM"),
        [id, signal] => (id, signal.as_str()),
        other => {
            let wanted = "a container and at most a signal";
            return Err(UsageError::Count { command: "kill", wanted, given: other.len() }.into());
        }
    };
    let id = id.parse().map_err(UsageError::from)?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    // 0 asks whether there is something to signal.
    if signal == "0" {
        return match container.init() {
            Some(_) => Ok(ExitCode::SUCCESS),
            // To all of no process: nothing to do, as for every other signal.
            None if call.arguments.has("all") => Ok(ExitCode::SUCCESS),
            None => Err(LifecycleError::NotRunning.into()),
        };
    }
    let signal: Signal = signal.parse().map_err(|_| UsageError::Value {
        flag: "signal",
        text: signal.to_owned(),
        rule: "unknown signal".to_owned(),
    })?;
    if call.arguments.has("all") {
        container.kill_all(signal)?
    } else {
        container.kill(signal)?
    }
    Ok(ExitCode::SUCCESS)
}
