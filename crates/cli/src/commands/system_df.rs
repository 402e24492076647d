//! `cofferdam system df`: what everything takes of the disk.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::Usage;
use serde_json::Value;

use crate::command::Run;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::Outcome;
use crate::session::engine;
use crate::size;

/// Flags of `system df`.
#[derive(Debug, Parser)]
pub(crate) struct SystemDfCommand {
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    usual: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
    key: "Type",
};

impl Run for SystemDfCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let usage = engine(globals)?.disk_usage()?;
        let rows = [
            row("Images", usage.images),
            row("Containers", usage.containers),
            row("Local Volumes", usage.volumes),
        ];
        LAYOUT.print(&rows, self.format.as_deref(), false)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(kind: &str, usage: Usage) -> Row {
    let share = (usage.reclaimable.saturating_mul(100)).checked_div(usage.size).unwrap_or(0);
    let fields = [
        ("Type", kind.to_owned()),
        ("TotalCount", usage.count.to_string()),
        ("Active", usage.active.to_string()),
        ("Size", size::decimal(usage.size)),
        ("Reclaimable", format!("{} ({share}%)", size::decimal(usage.reclaimable))),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}
