//! `cofferdam logs`: what a container printed.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::LogQuery;
use cofferdam_names::Timestamp;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};
use crate::when;

/// Flags of `logs`.
#[derive(Debug, Parser)]
pub(crate) struct LogsCommand {
    /// Go on with what it prints from now on
    #[arg(short, long)]
    follow: bool,
    /// Only what it printed from then on (RFC 3339, Unix seconds, or how long ago: 10m)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Only what it printed before then
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<Timestamp>,
    /// Only so many lines from the end (or all)
    #[arg(short = 'n', long, value_name = "LINES", value_parser = tail, default_value = "all")]
    tail: Tail,
    /// Show when each line was printed
    #[arg(short, long)]
    timestamps: bool,
    /// Show the container's labels and variables that its log options name
    #[arg(long)]
    details: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// A number of lines, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail(Option<usize>);

fn tail(text: &str) -> Result<Tail, &'static str> {
    match text {
        "all" => Ok(Tail(None)),
        // As Docker has it: a negative number means all.
        _ if text.strip_prefix('-').is_some_and(|rest| rest.parse::<usize>().is_ok()) => Ok(Tail(None)),
        _ => text.parse().map(|lines| Tail(Some(lines))).map_err(|_| "it is a number of lines, or all"),
    }
}

impl Run for LogsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let id = container(&engine, &self.container)?;
        let details =
            if self.details { details(&engine.inspect(&id)?.request.log_options) } else { String::new() };
        let query = LogQuery { since: self.since, until: self.until, tail: self.tail.0, follow: self.follow };
        let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
        // Per stream: whether the next record begins a line.
        let mut fresh = [true; 2];
        for record in engine.logs(&id, &query)? {
            let record = record?;
            let out: &mut dyn Write = if record.stderr { &mut stderr } else { &mut stdout };
            let fresh = fresh.get_mut(usize::from(record.stderr));
            if fresh.as_deref().copied().unwrap_or(true) {
                if self.timestamps {
                    write!(out, "{} ", record.time)?;
                }
                out.write_all(details.as_bytes())?;
            }
            out.write_all(&record.bytes)?;
            if let Some(fresh) = fresh {
                *fresh = !record.partial;
            }
            out.flush()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The log's own options, before each line.
fn details(options: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { String::new() } else { pairs.join(",") + " " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails() {
        assert_eq!(tail("all"), Ok(Tail(None)));
        assert_eq!(tail("-1"), Ok(Tail(None)));
        assert_eq!(tail("5"), Ok(Tail(Some(5))));
        assert!(tail("x").is_err() && tail("-x").is_err());
    }
}
