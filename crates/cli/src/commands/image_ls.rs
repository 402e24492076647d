//! `cofferdam image ls`: the images.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{HostImage, ImageSummary};
use cofferdam_names::{ImageReference, Timestamp};
use cofferdam_policy::HOST_IMAGE;
use serde_json::Value;

use crate::command::Run;
use crate::filter::Filter;
use crate::globals::Globals;
use crate::listing::{Layout, Row};
use crate::report::{Outcome, Report};
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
    /// Show digests as well
    #[arg(long)]
    digests: bool,
    /// As Docker has it; there are no images in between to show
    #[arg(short, long, hide = true)]
    all: bool,
    /// Show only what matches: dangling=true|false, reference=PATTERN, label, before, since, until=TIME
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// table, json, `table TEMPLATE` or TEMPLATE
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only this repository, or this name; * stands for any text
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

const LAYOUT: Layout = Layout {
    headers: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("Name", "NAME"),
        ("ID", "IMAGE ID"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
    ],
    usual: &["Repository", "Tag", "ID", "CreatedSince", "Size"],
    key: "ID",
};

const WITH_DIGESTS: Layout =
    Layout { usual: &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"], ..LAYOUT };

/// What Docker shows where there is nothing.
const NONE: &str = "<none>";

impl Run for ImageLsCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let now = when::now();
        let engine = engine(globals)?;
        let images = engine.images()?;
        let mut rows = Vec::new();
        for image in &images {
            if self.matches(image, &images)? {
                rows.push(row(image, now, self.no_trunc));
            }
        }
        if self.shows_host() {
            rows.push(host_row(&engine.host_image()?, self.no_trunc));
        }
        let layout = if self.digests { WITH_DIGESTS } else { LAYOUT };
        layout.print(&rows, self.format.as_deref(), self.quiet)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ImageLsCommand {
    /// The image `host` is always there and cannot be removed: people see it, and programs, which take what they are told for
    /// images that they may remove or save, do not.
    fn shows_host(&self) -> bool {
        let for_people =
            !self.quiet && self.format.as_deref().is_none_or(|format| format.starts_with("table"));
        let is_host = |pattern: &str| fits(pattern.as_bytes(), HOST_IMAGE.as_bytes());
        for_people
            && self.name.as_deref().is_none_or(is_host)
            && self.filter.iter().all(|filter| filter.key == "reference" && is_host(&filter.value))
    }

    fn matches(&self, image: &ImageSummary, all: &[ImageSummary]) -> Result<bool, Report> {
        if self.name.as_ref().is_some_and(|pattern| !is_called(image, pattern)) {
            return Ok(false);
        }
        for filter in &self.filter {
            let created = || image.created.unwrap_or(Timestamp::from_unix(0, 0));
            let holds = match filter.key.as_str() {
                "dangling" => filter.parsed::<bool>("true or false")? == image.name.is_none(),
                "reference" => is_called(image, &filter.value),
                "before" => created() < created_of(all, filter)?,
                "since" => created() > created_of(all, filter)?,
                "until" => {
                    let time = when::parse(&filter.value);
                    created()
                        < time.map_err(|error| Report::new("cannot read filter until").because(&error))?
                }
                "label" => {
                    let (key, value) = filter.label();
                    image.labels.get(&key).is_some_and(|found| value.is_none_or(|value| value == *found))
                }
                _ => {
                    let known = ["dangling", "reference", "label", "before", "since", "until"];
                    return Err(filter.unknown(&known));
                }
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// When the image of a filter was made.
fn created_of(all: &[ImageSummary], filter: &Filter) -> Result<Timestamp, Report> {
    let hex = filter.value.strip_prefix("sha256:").unwrap_or(&filter.value);
    let found = all.iter().find(|image| {
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        is_called(image, &filter.value) || (!hex.is_empty() && id.starts_with(hex))
    });
    let found = found.ok_or_else(|| Report::new(format!("no such image: {}", filter.value)))?;
    Ok(found.created.unwrap_or(Timestamp::from_unix(0, 0)))
}

/// Whether a pattern means an image: by its repository, or by its repository and tag, in the short form or the whole one.
fn is_called(image: &ImageSummary, pattern: &str) -> bool {
    let Some(name) = &image.name else { return false };
    let whole = format!("{}/{}", name.registry(), name.repository());
    let forms = [name.familiar(), name.familiar_repository(), name.to_string(), whole];
    forms.iter().any(|form| fits(pattern.as_bytes(), form.as_bytes()))
}

/// `*` stands for any text, `?` for one character.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=text.len()).any(|skipped| text.get(skipped..).is_some_and(|text| fits(rest, text)))
        }
        (Some((b'?', rest)), Some((_, left))) => fits(rest, left),
        (Some((a, rest)), Some((b, left))) => a == b && fits(rest, left),
        _ => false,
    }
}

fn row(image: &ImageSummary, now: Timestamp, whole: bool) -> Row {
    let none = || NONE.to_owned();
    let name = image.name.as_ref();
    let fields = [
        ("Repository", name.map_or_else(none, ImageReference::familiar_repository)),
        ("Tag", name.and_then(ImageReference::tag).map_or_else(none, str::to_owned)),
        ("Digest", image.id.clone()),
        ("Name", name.map_or_else(none, ImageReference::familiar)),
        ("ID", if whole { image.id.clone() } else { short(&image.id).to_owned() }),
        ("CreatedAt", image.created.map_or_else(none, when::listing)),
        ("CreatedSince", image.created.map_or_else(none, |created| when::ago(created, now))),
        ("Size", size::decimal(image.size)),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}

/// Its files are the host's own: none of them are counted.
fn host_row(image: &HostImage, whole: bool) -> Row {
    let none = || NONE.to_owned();
    let fields = [
        ("Repository", HOST_IMAGE.to_owned()),
        ("Tag", none()),
        ("Digest", none()),
        ("Name", HOST_IMAGE.to_owned()),
        ("ID", if whole { image.id.clone() } else { short(&image.id).to_owned() }),
        ("CreatedAt", none()),
        ("CreatedSince", none()),
        ("Size", size::decimal(0)),
    ];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}

/// The beginning of an id that people see.
pub(super) fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_stand_for_names() {
        for (pattern, text, holds) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("b?sybox", "busybox", true),
            ("*:1.*", "app:1.2", true),
            ("busy", "busybox", false),
            ("", "busybox", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), holds, "{pattern}");
        }
    }
}
