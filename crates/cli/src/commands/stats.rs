//! `cofferdam stats`: what containers use, again and again.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cofferdam_engine::{ContainerState, ContainerSummary, Engine, ListFilters, StatsSample};
use serde_json::Value;

use crate::command::Run;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::size;

/// Flags of `stats`.
#[derive(Debug, Parser)]
pub(crate) struct StatsCommand {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Show the first result only
    #[arg(long)]
    no_stream: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids (default: all that run)
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Container", "CONTAINER"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    usual: &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
    key: "ID",
};
/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(1);
/// Cursor to the top left corner, and clear from there on.
const CLEAR: &str = "\x1b[H\x1b[J";

impl Run for StatsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let clears = std::io::stdout().is_terminal() && !self.no_stream;
        let mut before = self.samples(&engine)?;
        loop {
            // Processor use is what happened between two readings.
            std::thread::sleep(INTERVAL);
            let now = self.samples(&engine)?;
            let rows: Vec<Row> = now
                .iter()
                .map(|(summary, sample)| {
                    let earlier =
                        before.iter().find(|(other, _)| other.id == summary.id).and_then(|(_, s)| s.as_ref());
                    row(summary, earlier, sample.as_ref(), self.no_trunc)
                })
                .collect();
            let text = LAYOUT.render(&rows, self.format.as_deref(), false)?;
            let mut out = std::io::stdout().lock();
            write!(out, "{}{}", if clears { CLEAR } else { "" }, plain::shown(&text))?;
            out.flush()?;
            if self.no_stream {
                return Ok(ExitCode::SUCCESS);
            }
            before = now;
        }
    }
}

impl StatsCommand {
    /// The containers that were asked for, with a reading of those that run.
    fn samples(&self, engine: &Engine) -> Result<Vec<(ContainerSummary, Option<StatsSample>)>, Report> {
        let mut summaries = Vec::new();
        for word in &self.containers {
            summaries.push(engine.inspect(&container(engine, word)?)?.summary);
        }
        if self.containers.is_empty() {
            summaries = engine.list(&ListFilters { all: self.all, ..ListFilters::default() })?;
        }
        summaries
            .into_iter()
            .map(|summary| {
                let runs = matches!(summary.status.state, ContainerState::Running | ContainerState::Paused);
                // One that ended since it was listed has nothing to read any more.
                let sample = if runs { engine.stats(&summary.id).ok() } else { None };
                Ok((summary, sample))
            })
            .collect()
    }
}

fn row(
    summary: &ContainerSummary,
    before: Option<&StatsSample>,
    now: Option<&StatsSample>,
    whole: bool,
) -> Row {
    let id = if whole { summary.id.as_str() } else { summary.id.short() };
    let unknown = || "--".to_owned();
    let text = |write: &dyn Fn(&StatsSample) -> String| now.map_or_else(unknown, write);
    let cpu = match (before, now) {
        (Some(before), Some(now)) => cpu_percent(before, now),
        _ => unknown(),
    };
    let fields = [
        ("ID", id.to_owned()),
        ("Container", id.to_owned()),
        ("Name", summary.name.to_string()),
        ("CPUPerc", cpu),
        (
            "MemUsage",
            now.map_or_else(|| "-- / --".to_owned(), |s| pair(size::binary, s.memory, s.memory_limit)),
        ),
        ("MemPerc", text(&|s| percent(s.memory, s.memory_limit))),
        ("NetIO", text(&|s| pair(size::decimal, s.net_received, s.net_sent))),
        ("BlockIO", text(&|s| pair(size::decimal, s.block_read, s.block_written))),
        ("PIDs", text(&|s| s.pids.to_string())),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}

fn pair(write: fn(u64) -> String, left: u64, right: u64) -> String {
    format!("{} / {}", write(left), write(right))
}

/// Two decimals, in whole numbers: hundredths of a percent.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// 100% is one processor, as Docker counts.
fn cpu_percent(before: &StatsSample, now: &StatsSample) -> String {
    let elapsed = match (before.time, now.time) {
        (Some(before), Some(now)) => u64::try_from(now.since(before).as_nanos()).unwrap_or(u64::MAX),
        _ => 0,
    };
    if elapsed == 0 {
        return "--".to_owned();
    }
    percent(now.cpu_ns.saturating_sub(before.cpu_ns), elapsed)
}

#[cfg(test)]
mod tests {
    use cofferdam_names::Timestamp;

    use super::*;

    #[test]
    fn percents() {
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(0, 0), "0.00%");
        let at = |seconds, cpu_ns| StatsSample {
            time: Some(Timestamp::from_unix(seconds, 0)),
            cpu_ns,
            ..StatsSample::default()
        };
        assert_eq!(cpu_percent(&at(1, 0), &at(2, 1_500_000_000)), "150.00%");
        assert_eq!(cpu_percent(&at(1, 0), &at(1, 5)), "--");
    }
}
