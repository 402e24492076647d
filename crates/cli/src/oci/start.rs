//! `start`: the created container's program runs.

use std::process::ExitCode;

use cofferdam_runtime::lifecycle::{Container, Lookup};

use super::arguments::Order;
use super::proof::{Prover, end_unreceipted};
use super::{Call, Command, Outcome};

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
    let mut prover = Prover::of_created(&container)?;
    let started = container.start(&mut prover);
    // That of a start that was refused too: it says why.
    let kept = prover.keep(&call.global.root, container.path());
    let released = started?;
    kept.inspect_err(|_| end_unreceipted(&released))?;
    Ok(ExitCode::SUCCESS)
}
