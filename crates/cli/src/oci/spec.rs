//! `spec` and `features`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cofferdam_runtime::cgroup::Layout;
use cofferdam_runtime::oci::{self, SpecFor, default_spec};
use serde::Serialize;

use super::arguments::{Order, option, switch};
use super::error::{CommandError, UsageError};
use super::{Call, Command, Outcome, state};

pub(super) const SPEC: Command = Command {
    name: "spec",
    about: "create a new specification file",
    usage: "",
    flags: &[
        option("bundle", "b", "DIR", "path to the root of the bundle directory"),
        switch("rootless", "", "generate a configuration for a rootless container"),
    ],
    order: Order::Mixed,
    run,
};

pub(super) const FEATURES: Command = Command {
    name: "features",
    about: "show the enabled features",
    usage: "",
    flags: &[],
    order: Order::Mixed,
    run: |call| match call.arguments.positional.len() {
        0 => state::print_json(&oci::features(), true),
        given => Err(UsageError::Count { command: "features", wanted: "no argument", given }.into()),
    },
};

fn run(call: &Call) -> Outcome {
    let given = call.arguments.positional.len();
    if given > 0 {
        return Err(UsageError::Count { command: "spec", wanted: "no argument", given }.into());
    }
    let cgroup_v2 = Layout::detect().is_ok_and(|layout| layout.is_v2());
    let whom = if call.arguments.has("rootless") {
        let uid = rustix::process::geteuid().as_raw();
        SpecFor::Rootless { uid, gid: rustix::process::getegid().as_raw(), cgroup_v2 }
    } else {
        SpecFor::Root { cgroup_v2 }
    };
    let folder = call.arguments.value("bundle").unwrap_or(".");
    let path = Path::new(folder).join("config.json");
    write_new(&path, &default_spec(whom)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::Refused(format!(
            "File {} exists. Remove it first",
            path.file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
        )),
        _ => CommandError::File { what: "cannot write", path: PathBuf::from(&path), source },
    })?;
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(&text)
}
