//! `cofferdam network ls`: the networks.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{NetworkSummary, OWN_NETWORK};
use serde_json::Value;

use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::{Outcome, Report};
use crate::session::engine;
use crate::when;

/// Flags of `network ls`.
#[derive(Debug, Parser)]
pub(crate) struct NetworkLsCommand {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show only what matches: name, id, label, zone, driver, scope, type=custom|builtin
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Zone", "ZONE"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("CreatedAt", "CREATED AT"),
        ("Labels", "LABELS"),
        ("Internal", "INTERNAL"),
        ("IPv6", "IPV6"),
    ],
    usual: &["ID", "Name", "Zone", "Driver", "Scope"],
    key: "ID",
};

/// One line: what somebody made, or what is always there.
enum Line {
    Made(NetworkSummary),
    /// Name and driver.
    Always(&'static str, &'static str),
}

impl Run for NetworkLsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let always = [Line::Always(OWN_NETWORK, "bridge"), Line::Always("none", "null")];
        let made = engine(globals)?.networks()?.into_iter().map(Line::Made);
        let mut rows = Vec::new();
        for line in always.into_iter().chain(made) {
            if line.matches(&self.filter)? {
                rows.push(line.row(self.no_trunc));
            }
        }
        LAYOUT.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Line {
    fn name(&self) -> &str {
        match self {
            Self::Made(network) => &network.name,
            Self::Always(name, _) => name,
        }
    }

    fn driver(&self) -> &str {
        match self {
            Self::Made(_) => "bridge",
            Self::Always(_, driver) => driver,
        }
    }

    fn made(&self) -> Option<&NetworkSummary> {
        match self {
            Self::Made(network) => Some(network),
            Self::Always(..) => None,
        }
    }

    fn matches(&self, filters: &[Filter]) -> Result<bool, Report> {
        let made = self.made();
        for filter in filters {
            let holds = match filter.key.as_str() {
                "name" => self.name().contains(&filter.value),
                "id" => made.is_some_and(|network| network.id.starts_with(&filter.value)),
                "zone" => made.is_some_and(|network| network.zone.as_str() == filter.value),
                "driver" => self.driver() == filter.value,
                "scope" => filter.value == "local",
                "type" => {
                    filter.one_of(&["custom", "builtin"])?;
                    made.is_some() == (filter.value == "custom")
                }
                "label" => {
                    let (key, value) = filter.label();
                    let found = made.and_then(|network| network.labels.get(&key));
                    found.is_some_and(|found| value.is_none_or(|value| value == *found))
                }
                _ => return Err(filter.unknown(&["name", "id", "label", "zone", "driver", "scope", "type"])),
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&self, whole: bool) -> Row {
        let made = self.made();
        let id = made.map_or("-", |network| network.id.as_str());
        let id = if whole { id } else { id.get(..12).unwrap_or(id) };
        let labels = made.map(|it| it.labels.iter().map(|(key, value)| format!("{key}={value}")).collect());
        let labels: Vec<String> = labels.unwrap_or_default();
        let fields = [
            ("ID", id.to_owned()),
            ("Name", self.name().to_owned()),
            ("Zone", made.map_or_else(|| "each".to_owned(), |network| network.zone.to_string())),
            ("Driver", self.driver().to_owned()),
            ("Scope", "local".to_owned()),
            ("CreatedAt", made.map_or_else(String::new, |network| when::listing(network.created))),
            ("Labels", labels.join(",")),
            ("Internal", "false".to_owned()),
            ("IPv6", "true".to_owned()),
        ];
        fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
    }
}
