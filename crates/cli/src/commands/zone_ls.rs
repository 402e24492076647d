//! `cofferdam zone ls`: the zones of this host.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_policy::BUILTIN_ZONES;
use serde_json::Value;

use crate::command::Run;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `zone ls`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneLsCommand {
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("Name", "NAME"),
        ("Origin", "ORIGIN"),
        ("Capabilities", "CAPABILITIES"),
        ("Syscalls", "SYSCALLS"),
        ("Writable", "WRITABLE"),
        ("About", "ABOUT"),
    ],
    usual: &["Name", "Origin", "Capabilities", "Syscalls", "Writable", "About"],
    key: "Name",
};

impl Run for ZoneLsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let store = engine(globals)?.zones();
        let mut rows: Vec<Row> = Vec::new();
        let mut status = ExitCode::SUCCESS;
        for name in store.names()? {
            match store.load(&name) {
                Ok(zone) => rows.push(row(&zone)),
                // The others are listed all the same.
                Err(error) => status = Report::from(error).finish(),
            }
        }
        LAYOUT.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(status)
    }
}

fn row(zone: &cofferdam_policy::Zone) -> Row {
    let name = zone.name.value.as_str();
    let origin = if BUILTIN_ZONES.contains(&name) { "built in" } else { "file" };
    let capabilities = zone.process.capabilities_max.value.iter().count();
    let fields = [
        ("Name", name.to_owned()),
        ("Origin", origin.to_owned()),
        ("Capabilities", if capabilities == 0 { "none".to_owned() } else { format!("up to {capabilities}") }),
        ("Syscalls", format!("{:?}", zone.process.syscalls.value).to_lowercase()),
        ("Writable", if zone.process.writable.value { "yes" } else { "no" }.to_owned()),
        ("About", zone.about.value.clone()),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}
