//! `cofferdam image history`: how an image came to be.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::HistoryLine;
use cofferdam_names::Timestamp;
use serde_json::Value;

use super::image_ls::short;
use crate::command::Run;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::Outcome;
use crate::session::engine;
use crate::{size, when};

/// Flags of `image history`.
#[derive(Debug, Parser)]
pub(crate) struct ImageHistoryCommand {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten what a step did
    #[arg(long)]
    no_trunc: bool,
    /// Print sizes and times for people
    #[arg(short = 'H', long, default_value_t = true)]
    human: bool,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The image: a name or an id
    #[arg(value_name = "IMAGE")]
    image: String,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("ID", "IMAGE"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    usual: &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
    key: "ID",
};

impl Run for ImageHistoryCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let image = engine.image(&self.image)?;
        let lines = engine.image_history(&self.image)?;
        let now = when::now();
        let rows: Vec<Row> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| self.row(line, (index == 0).then_some(image.id.as_str()), now))
            .collect();
        LAYOUT.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ImageHistoryCommand {
    fn row(&self, line: &HistoryLine, id: Option<&str>, now: Timestamp) -> Row {
        let none = || "N/A".to_owned();
        let by = &line.entry.created_by;
        let by = match by.char_indices().nth(44) {
            Some((at, _)) if !self.no_trunc => format!("{}…", by.get(..at).unwrap_or(by)),
            _ => by.clone(),
        };
        let id = id.map_or("<missing>", |id| if self.no_trunc { id } else { short(id) });
        let size = if self.human { size::decimal(line.size) } else { line.size.to_string() };
        let fields = [
            ("ID", id.to_owned()),
            ("CreatedAt", line.entry.created.map_or_else(none, |created| created.to_string())),
            ("CreatedSince", line.entry.created.map_or_else(none, |created| when::ago(created, now))),
            // What an image says of itself is shown on one line, whatever it holds.
            ("CreatedBy", by.replace(char::is_control, " ")),
            ("Size", size),
            ("Comment", line.entry.comment.replace(char::is_control, " ")),
        ];
        fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
    }
}
