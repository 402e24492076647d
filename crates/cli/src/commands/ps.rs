//! `cofferdam ps`: containers as a listing.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{ContainerState, ContainerSummary, Engine, HealthStatus, ListFilters, Status};
use cofferdam_names::Timestamp;
use serde_json::Value;

use crate::command::Run;
use crate::duration;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::{size, when};

/// Flags of `ps`.
#[derive(Debug, Parser)]
pub(crate) struct PsCommand {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show so many of the newest containers, whether they run or not
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<i64>,
    /// Show the newest container
    #[arg(short, long)]
    latest: bool,
    /// Show the size of their writable layers
    #[arg(short, long)]
    size: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show only what matches
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Zone", "ZONE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
];
const USUAL: Layout = Layout {
    headers: HEADERS,
    usual: &["ID", "Image", "Command", "RunningFor", "Status", "Zone", "Ports", "Names"],
    key: "ID",
};
const WITH_SIZE: Layout = Layout {
    usual: &["ID", "Image", "Command", "RunningFor", "Status", "Zone", "Ports", "Names", "Size"],
    ..USUAL
};
const FILTERS: [&str; 15] = [
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name", "network",
    "publish", "since", "status", "volume", "zone",
];

impl Run for PsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let filters = self.filters(&engine)?;
        let now = when::now();
        let rows: Vec<Row> =
            engine.list(&filters)?.iter().map(|container| row(container, now, self.no_trunc)).collect();
        let layout = if self.size { &WITH_SIZE } else { &USUAL };
        layout.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl PsCommand {
    fn filters(&self, engine: &Engine) -> Result<ListFilters, Report> {
        let newest = self.last.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
        let mut filters = ListFilters {
            all: self.all,
            newest: if self.latest { Some(1) } else { newest },
            size: self.size,
            ..ListFilters::default()
        };
        for filter in &self.filter {
            apply(&mut filters, filter, engine)?;
        }
        Ok(filters)
    }
}

fn apply(filters: &mut ListFilters, filter: &Filter, engine: &Engine) -> Result<(), Report> {
    match filter.key.as_str() {
        "id" => filters.ids.push(filter.value.clone()),
        "name" => filters.names.push(filter.parsed("pattern")?),
        "label" => filters.labels.push(filter.label()),
        "ancestor" => filters.images.push(filter.value.clone()),
        "network" => filters.networks.push(filter.value.clone()),
        "volume" => filters.volumes.push(filter.value.clone()),
        "publish" => filters.published.push(filter.parsed("port")?),
        "expose" => filters.exposed.push(filter.parsed("port")?),
        "health" => {
            filter.one_of(&["starting", "healthy", "unhealthy", "none"])?;
            filters.health.push(filter.value.parse().ok());
        }
        // None is of a swarm: what asks for one finds nothing.
        "is-task" => hide_all_unless(filters, !filter.parsed::<bool>("true or false")?),
        "zone" => filters.zones.push(filter.parsed("zone name")?),
        "before" => filters.before = Some(container(engine, &filter.value)?),
        "since" => filters.since = Some(container(engine, &filter.value)?),
        // A state that is not running is asked for to see those that do not run.
        "status" => {
            filters.states.push(filter.parsed("container state")?);
            filters.all = true;
        }
        "exited" => {
            filters.exit_codes.push(filter.parsed("exit code")?);
            filters.all = true;
        }
        _ => return Err(filter.unknown(&FILTERS)),
    }
    Ok(())
}

/// A filter that finds all containers, or none.
fn hide_all_unless(filters: &mut ListFilters, all: bool) {
    if !all {
        // No id begins so.
        filters.ids = vec!["-".to_owned()];
    }
}

/// One container as a row.
pub(super) fn row(container: &ContainerSummary, now: Timestamp, whole: bool) -> Row {
    let id = if whole { container.id.as_str() } else { container.id.short() };
    let command = container.command.join(" ");
    let command = if whole { command } else { shortened(&command, 20) };
    let labels: Vec<String> = container.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mounts: Vec<String> = container
        .mounts
        .iter()
        .map(|mount| if whole { mount.clone() } else { shortened(mount, 15) })
        .collect();
    let health = container.health.as_ref().map(|health| health.status);
    let fields: [(&str, String); 15] = [
        ("ID", id.to_owned()),
        ("Image", container.image.clone()),
        ("Command", format!("\"{command}\"")),
        ("CreatedAt", when::listing(container.created)),
        ("RunningFor", when::ago(container.created, now)),
        ("Status", status(&container.status, health, now)),
        ("State", container.status.state.to_string()),
        ("Zone", container.zone.to_string()),
        ("Ports", container.ports.clone()),
        ("Names", container.name.to_string()),
        ("Size", container.size.map_or_else(|| "0B".to_owned(), size::decimal)),
        ("Labels", labels.join(",")),
        ("Mounts", mounts.join(",")),
        ("Networks", container.networks.join(",")),
        ("LocalVolumes", container.volumes.to_string()),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}

fn shortened(text: &str, length: usize) -> String {
    // On one line before it is cut, so that what is cut off is not half of what was written out.
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= length {
        return clean;
    }
    clean.chars().take(length.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

/// The state in Docker's words.
pub(super) fn status(status: &Status, health: Option<HealthStatus>, now: Timestamp) -> String {
    let up = || {
        status.started.map_or_else(|| "Up".to_owned(), |at| format!("Up {}", duration::words(now.since(at))))
    };
    let ended = |word: &str| {
        let code = status.exit.map_or(0, |exit| exit.code);
        match status.finished {
            Some(at) => format!("{word} ({code}) {}", when::ago(at, now)),
            None => format!("{word} ({code})"),
        }
    };
    match status.state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Running => match health {
            None => up(),
            Some(HealthStatus::Starting) => format!("{} (health: starting)", up()),
            Some(health) => format!("{} ({})", up(), health.as_str()),
        },
        ContainerState::Paused => format!("{} (Paused)", up()),
        ContainerState::Restarting => ended("Restarting"),
        ContainerState::Removing => "Removal In Progress".to_owned(),
        ContainerState::Exited => ended("Exited"),
        ContainerState::Dead => "Dead".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_engine::ExitStatus;

    use super::*;

    #[test]
    fn states_in_dockers_words() {
        let now = Timestamp::from_unix(1000, 0);
        let mut it = Status { started: Some(Timestamp::from_unix(940, 0)), ..Status::default() };
        assert_eq!(status(&it, None, now), "Created");
        it.state = ContainerState::Running;
        assert_eq!(status(&it, None, now), "Up About a minute");
        let healthy = |health| status(&it, Some(health), now);
        assert_eq!(healthy(HealthStatus::Healthy), "Up About a minute (healthy)");
        assert_eq!(healthy(HealthStatus::Starting), "Up About a minute (health: starting)");
        it.state = ContainerState::Paused;
        assert_eq!(status(&it, None, now), "Up About a minute (Paused)");
        it.state = ContainerState::Exited;
        it.finished = Some(Timestamp::from_unix(997, 0));
        it.exit = Some(ExitStatus { code: 137, ..ExitStatus::default() });
        assert_eq!(status(&it, None, now), "Exited (137) 3 seconds ago");
    }

    #[test]
    fn long_commands_are_cut() {
        assert_eq!(shortened("sh -c 'sleep 1'", 20), "sh -c 'sleep 1'");
        assert_eq!(shortened("0123456789\n0123456789", 20), "0123456789 01234567…");
    }
}
