//! `pause` and `resume`.

use std::process::ExitCode;

use cofferdam_runtime::lifecycle::{Container, Lookup};

use super::arguments::Order;
use super::{Call, Command, Outcome};

pub(super) const PAUSE: Command = Command {
    name: "pause",
    about: "pause suspends all processes inside the container",
    usage: "<container-id>",
    flags: &[],
    order: Order::Mixed,
    run: |call| {
        let id = call.arguments.only_id("pause")?;
        Container::find(&call.global.root, &id, Lookup::Change)?.pause()?;
        Ok(ExitCode::SUCCESS)
    },
};

pub(super) const RESUME: Command = Command {
    name: "resume",
    about: "resumes all processes that have been previously paused",
    usage: "<container-id>",
    flags: &[],
    order: Order::Mixed,
    run: |call: &Call| -> Outcome {
        let id = call.arguments.only_id("resume")?;
        Container::find(&call.global.root, &id, Lookup::Change)?.resume()?;
        Ok(ExitCode::SUCCESS)
    },
};
