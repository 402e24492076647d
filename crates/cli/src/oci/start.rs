//! `start`: the created container's program runs.

use std::process::ExitCode;

use cofferdam_runtime::lifecycle::{Container, Lookup};

use super::arguments::Order;
use super::{Call, Command, Outcome, create};

pub(super) const START: Command = Command {
    name: "start",
    about: "executes the user defined process in a created container",
    usage: "<container-id>",
    flags: &[],
    order: Order::Mixed,
    run,
};

fn run(call: &Call) -> Outcome {
    let id = call.arguments.only_id("start")?;
    let mut container = Container::find(&call.global.root, &id, Lookup::Change)?;
    container.start(&mut create::gatekeeper(&call.global.log))?;
    Ok(ExitCode::SUCCESS)
}
