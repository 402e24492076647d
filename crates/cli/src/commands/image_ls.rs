//! `cofferdam image ls`: the imported images.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::ImageSummary;
use cofferdam_names::Timestamp;
use serde_json::Value;

use crate::command::Run;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::Outcome;
use crate::session::engine;
use crate::{size, when};

/// Flags of `image ls`.
#[derive(Debug, Parser)]
pub(crate) struct ImageLsCommand {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("Name", "NAME"),
        ("ID", "IMAGE ID"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
    ],
    usual: &["Name", "ID", "CreatedSince", "Size"],
    key: "ID",
};

impl Run for ImageLsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let now = when::now();
        let rows: Vec<Row> =
            engine(globals)?.images()?.iter().map(|image| row(image, now, self.no_trunc)).collect();
        LAYOUT.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(image: &ImageSummary, now: Timestamp, whole: bool) -> Row {
    let id = if whole { image.id.as_str() } else { image.id.get(..12).unwrap_or(&image.id) };
    let fields = [
        ("Name", image.name.clone()),
        ("ID", id.to_owned()),
        ("CreatedAt", when::listing(image.created)),
        ("CreatedSince", when::ago(image.created, now)),
        ("Size", size::decimal(image.size)),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}
