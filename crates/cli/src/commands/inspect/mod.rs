//! `cofferdam inspect`: everything about containers, images, volumes and networks, as JSON or through a template.

mod document;
mod host_config;
mod image;
mod network;
mod network_settings;
mod volume;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use cofferdam_engine::{ContainerDetails, Engine, Error};
use serde_json::Value;

use self::document::Sizes;
use crate::command::Run;
use crate::each::each_printing;
use crate::globals::Globals;
use crate::plain;
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
    /// What kind of thing the names mean (default: a container, or else an image, a volume, a network)
    #[arg(long, value_enum)]
    r#type: Option<Kind>,
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    words: Vec<String>,
}

/// Flags of `image inspect`, `network inspect` and `volume inspect`.
#[derive(Debug, Parser)]
pub(crate) struct InspectOneKind<const KIND: u8> {
    /// json or TEMPLATE (default: a JSON list)
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names, or ids of images and networks
    #[arg(value_name = "NAME", required = true)]
    words: Vec<String>,
}

pub(crate) type ImageInspectCommand = InspectOneKind<0>;
pub(crate) type VolumeInspectCommand = InspectOneKind<1>;
pub(crate) type NetworkInspectCommand = InspectOneKind<2>;

/// What can be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Containers
    Container,
    /// Images
    Image,
    /// Volumes
    Volume,
    /// Networks
    Network,
}

impl Run for InspectCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        show(&self.words, self.format.as_deref(), |word| match self.r#type {
            Some(Kind::Container) => self.container(&engine, word),
            Some(Kind::Image) => Ok(image::find(&engine, word)?),
            Some(Kind::Volume) => Ok(volume::document(&engine.volume(word)?)),
            Some(Kind::Network) => network::find(&engine, word),
            None => match engine.resolve(word) {
                Err(Error::NoContainer { .. }) => other(&engine, word),
                _ => self.container(&engine, word),
            },
        })
    }
}

impl InspectCommand {
    fn container(&self, engine: &Engine, word: &str) -> Result<Value, Report> {
        let id = container(engine, word)?;
        let details = engine.inspect(&id)?;
        let sizes = if self.size { Some(sizes(engine, &details)) } else { None };
        Ok(document::document(&details, sizes))
    }
}

/// What is no container.
fn other(engine: &Engine, word: &str) -> Result<Value, Report> {
    match (image::find(engine, word), engine.volume(word)) {
        (Ok(found), _) => Ok(found),
        (Err(Error::NoImage { .. }), Ok(found)) => Ok(volume::document(&found)),
        (Err(Error::NoImage { .. }), Err(_)) if engine.network(word).is_ok() => network::find(engine, word),
        (Err(Error::NoImage { .. }), Err(_)) => Err(Report::new(format!(
            "no such container, image, volume or network: {word}"
        ))
        .hint(
            "see `cofferdam ps -a`, `cofferdam image ls`, `cofferdam volume ls` and `cofferdam network ls`",
        )),
        (Err(error), _) => Err(error.into()),
    }
}

impl<const KIND: u8> Run for InspectOneKind<KIND> {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        show(&self.words, self.format.as_deref(), |word| match KIND {
            0 => Ok(image::find(&engine, word)?),
            1 => Ok(volume::document(&engine.volume(word)?)),
            _ => network::find(&engine, word),
        })
    }
}

/// Prints what is found for each word: one JSON list, or a line for each as `--format` says.
fn show(
    words: &[String],
    format: Option<&str>,
    mut find: impl FnMut(&str) -> Result<Value, Report>,
) -> Outcome {
    match format.filter(|text| !text.is_empty()) {
        None => list(words, find),
        Some("json") => each_printing(words, |word| Ok(find(word)?.to_string())),
        Some(text) => {
            let template = Template::parse(text)?;
            each_printing(words, |word| Ok(template.render_sparse(&find(word)?, document::OPTIONAL)?))
        }
    }
}

/// Bytes in the writable layer, and with the image's. The files of the image `host` are the host's own: none are its.
fn sizes(engine: &Engine, details: &ContainerDetails) -> Sizes {
    let writable = details.summary.size.unwrap_or(0);
    let image = engine.image(&details.summary.image_id).map_or(0, |image| image.size);
    Sizes { writable, whole: writable.saturating_add(image) }
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
    plain::print(&(text + "\n"))?;
    for report in reports {
        status = report.finish();
    }
    Ok(status)
}
