//! `cofferdam inspect`: everything about containers, as JSON or through a template.

mod document;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use cofferdam_engine::{Engine, ListFilters};
use cofferdam_names::ContainerId;
use serde_json::Value;

use crate::command::Run;
use crate::each::each_printing;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::template::Template;

/// Flags of `inspect`.
#[derive(Debug, Parser)]
pub(crate) struct InspectCommand {
    /// json or TEMPLATE (default: a JSON list)
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the size of the writable layer
    #[arg(short, long)]
    size: bool,
    /// What kind of thing the names mean
    #[arg(long, value_enum)]
    r#type: Option<Kind>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    words: Vec<String>,
}

/// What can be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Containers
    Container,
}

impl Run for InspectCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let find = |word: &str| -> Result<Value, Report> {
            let id = container(&engine, word)?;
            let details = engine.inspect(&id)?;
            let size = if self.size { writable_size(&engine, &id)? } else { None };
            Ok(document::document(&details, size))
        };
        match self.format.as_deref().filter(|text| !text.is_empty()) {
            None => list(&self.words, find),
            Some("json") => each_printing(&self.words, |word| Ok(find(word)?.to_string())),
            Some(text) => {
                let template = Template::parse(text)?;
                each_printing(&self.words, |word| Ok(template.render(&find(word)?)?))
            }
        }
    }
}

/// Bytes in the writable layer.
fn writable_size(engine: &Engine, id: &ContainerId) -> Result<Option<u64>, Report> {
    let filters = ListFilters { all: true, size: true, ids: vec![id.to_string()], ..ListFilters::default() };
    Ok(engine.list(&filters)?.first().and_then(|summary| summary.size))
}

/// One JSON list of all that were found, and a report of each that was not.
fn list(words: &[String], mut find: impl FnMut(&str) -> Result<Value, Report>) -> Outcome {
    let mut status = ExitCode::SUCCESS;
    let mut found = Vec::new();
    let mut reports = Vec::new();
    for word in words {
        match find(word) {
            Ok(value) => found.push(value),
            Err(report) => reports.push(report),
        }
    }
    let text = serde_json::to_string_pretty(&Value::Array(found))
        .map_err(|error| Report::new("cannot write JSON").because(&error))?;
    writeln!(std::io::stdout().lock(), "{text}")?;
    for report in reports {
        status = report.finish();
    }
    Ok(status)
}
