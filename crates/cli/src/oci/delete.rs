//! `delete`: everything of a container goes.

use std::process::ExitCode;

use cofferdam_runtime::lifecycle::LifecycleError;

use super::arguments::{Order, switch};
use super::{Call, Command, Outcome};

pub(super) const DELETE: Command = Command {
    name: "delete",
    about: "delete any resources held by the container often used with detached container",
    usage: "<container-id>",
    flags: &[switch("force", "f", "forcibly deletes the container if it is still running (uses SIGKILL)")],
    order: Order::Mixed,
    run,
};

fn run(call: &Call) -> Outcome {
    let id = call.arguments.only_id("delete")?;
    let force = call.arguments.has("force");
    match call.global.root.delete(&id, force) {
        Err(LifecycleError::Missing(_)) if force => Ok(ExitCode::SUCCESS),
        // runtime.md: a poststop hook that fails does not keep the container from being deleted.
        Err(LifecycleError::Step(error)) => {
            call.global.log.warning(&super::chain(&error));
            Ok(ExitCode::SUCCESS)
        }
        other => {
            other?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
