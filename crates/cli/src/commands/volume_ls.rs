//! `cofferdam volume ls`: the volumes.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::VolumeSummary;
use serde_json::Value;

use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::when;

/// Flags of `volume ls`.
#[derive(Debug, Parser)]
pub(crate) struct VolumeLsCommand {
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    /// Show only what matches: name, label, zone, driver, dangling=true|false
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Zone", "ZONE"),
        ("CreatedAt", "CREATED AT"),
        ("Labels", "LABELS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Scope", "SCOPE"),
    ],
    usual: &["Driver", "Name", "Zone"],
    key: "Name",
};

impl Run for VolumeLsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut rows = Vec::new();
        for volume in engine(globals)?.volumes()? {
            if matches(&volume, &self.filter)? {
                rows.push(row(&volume));
            }
        }
        LAYOUT.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn matches(volume: &VolumeSummary, filters: &[Filter]) -> Result<bool, Report> {
    for filter in filters {
        let holds = match filter.key.as_str() {
            "name" => volume.name.contains(&filter.value),
            "zone" => volume.zone.as_str() == filter.value,
            "driver" => filter.value == "local",
            "dangling" => filter.parsed::<bool>("true or false")? != volume.in_use,
            "label" => {
                let (key, value) = filter.label();
                volume.labels.get(&key).is_some_and(|found| value.is_none_or(|value| value == *found))
            }
            _ => return Err(filter.unknown(&["name", "label", "zone", "driver", "dangling"])),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn row(volume: &VolumeSummary) -> Row {
    let labels: Vec<String> = volume.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fields = [
        ("Driver", "local".to_owned()),
        ("Name", volume.name.clone()),
        ("Zone", volume.zone.to_string()),
        ("CreatedAt", when::listing(volume.created)),
        ("Labels", labels.join(",")),
        ("Mountpoint", volume.mountpoint.display().to_string()),
        ("Scope", "local".to_owned()),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}
