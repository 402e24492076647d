//! `state` and `list`.

use std::io::Write;
use std::process::ExitCode;

use cofferdam_confinement::RootSource;
use cofferdam_runtime::lifecycle::{Container, Lookup};
use cofferdam_wire_oci::State;
use serde::Serialize;

use super::arguments::{Order, option, switch};
use super::error::{CommandError, UsageError, chain};
use super::{Call, Command, Outcome};

pub(super) const STATE: Command = Command {
    name: "state",
    about: "output the state of a container",
    usage: "<container-id>",
    flags: &[],
    order: Order::Mixed,
    run: state,
};

pub(super) const LIST: Command = Command {
    name: "list",
    about: "lists containers started by this runtime with the given root",
    usage: "",
    flags: &[
        option("format", "f", "FORMAT", "select one of: table or json (default: table)"),
        switch("quiet", "q", "display only container IDs"),
    ],
    order: Order::Mixed,
    run: list,
};

/// A container's state with what other runtimes add to it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    oci_version: String,
    id: String,
    pid: i32,
    status: &'static str,
    bundle: String,
    rootfs: String,
    created: String,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<String, String>,
    owner: String,
}

fn entry(container: &Container) -> Result<Entry, CommandError> {
    let State { oci_version, id, status, pid, bundle, annotations } = container.state()?;
    let record = container.record();
    let rootfs = match &record.plan.root.source {
        RootSource::Directory { path } => path.to_string_lossy().into_owned(),
        RootSource::Overlay { mountpoint, .. } => mountpoint.to_string_lossy().into_owned(),
    };
    Ok(Entry {
        oci_version,
        id,
        pid,
        status: status.as_str(),
        bundle,
        rootfs,
        created: record.created.to_string(),
        annotations,
        owner: user_name(record.owner),
    })
}

/// A user's name by /etc/passwd; the number where it has none. Read as a file: a static program has no name service.
fn user_name(uid: u32) -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next()?, fields.nth(1)?);
            (number.parse() == Ok(uid)).then(|| name.to_owned())
        })
        .unwrap_or_else(|| uid.to_string())
}

fn print(text: &str) -> Outcome {
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::system("cannot write the output"))?;
    Ok(ExitCode::SUCCESS)
}

/// JSON for a person or a program.
pub(super) fn print_json(value: &impl Serialize, pretty: bool) -> Outcome {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let text =
        text.map_err(|error| CommandError::System { what: "cannot write JSON", source: error.into() })?;
    print(&format!("{text}\n"))
}

fn state(call: &Call) -> Outcome {
    let id = call.arguments.only_id("state")?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    print_json(&entry(&container)?, true)
}

fn list(call: &Call) -> Outcome {
    let root = &call.global.root;
    let ids = root.ids()?;
    if call.arguments.has("quiet") {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    let mut entries = Vec::with_capacity(ids.len());
    for id in ids {
        // One that is being made or deleted, or whose record is broken, does not hide the others.
        match Container::find(root, &id, Lookup::Look).map_err(CommandError::from).and_then(|one| entry(&one))
        {
            Ok(entry) => entries.push(entry),
            Err(error) => call.global.log.warning(&format!("{id}: {}", chain(&error))),
        }
    }
    match call.arguments.value("format") {
        Some("json") => print_json(&entries, false),
        None | Some("table") => print(&table(&entries)),
        Some(other) => Err(UsageError::Value {
            flag: "format",
            text: other.to_owned(),
            rule: "it is table or json".to_owned(),
        }
        .into()),
    }
}

fn table(entries: &[Entry]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = entries
        .iter()
        .map(|entry| {
            [
                entry.id.clone(),
                entry.pid.to_string(),
                entry.status.to_owned(),
                entry.bundle.clone(),
                entry.created.clone(),
                entry.owner.clone(),
            ]
        })
        .collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        widest.max(head[column].len()).max(9) + 3
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    std::iter::once(&head)
        .chain(&rows)
        .map(|row| {
            let line: String =
                row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
            format!("{}\n", line.trim_end())
        })
        .collect()
}
