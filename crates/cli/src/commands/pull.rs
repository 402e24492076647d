//! `cofferdam pull`: an image comes from a registry.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::Engine;
use cofferdam_engine::registry::{Client, PullOptions};
use cofferdam_names::ImageReference;

use crate::command::Run;
use crate::flags::trust::TrustFlag;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{engine, registry_client};
use crate::transfer::{Way, watch};

/// Flags of `pull`.
#[derive(Debug, Parser)]
pub(crate) struct PullCommand {
    /// Pull all tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Pull the image for this platform
    #[arg(long, value_name = "OS/ARCHITECTURE[/VARIANT]")]
    platform: Option<String>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    trust: TrustFlag,
    #[arg(value_name = "IMAGE", help = "[REGISTRY/]REPOSITORY[:TAG][@DIGEST]")]
    image: String,
}

impl Run for PullCommand {
    fn run(self, globals: &Globals) -> Outcome {
        self.trust.check()?;
        let name = reference(&self.image)?;
        let platform = platform(self.platform.as_deref())?;
        let (engine, client) = (engine(globals)?, registry_client(globals)?);
        let names = if self.all_tags {
            let plain = name.with_tag("latest").is_ok_and(|latest| latest == name)
                && !self.image.ends_with(":latest");
            if !plain {
                return Err(Report::new("cannot pull all tags of an image that is named with one"));
            }
            client.tags(&name).map_err(|error| Report::from_error(&error))?
        } else {
            vec![name]
        };
        for name in names {
            self.pull(&engine, &client, &name, &PullOptions { platform: platform.clone() })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl PullCommand {
    fn pull(
        &self,
        engine: &Engine,
        client: &Client,
        name: &ImageReference,
        options: &PullOptions,
    ) -> Result<(), Report> {
        let mut out = std::io::stdout();
        if !self.quiet {
            let word = name.tag().or_else(|| name.digest().map(cofferdam_names::Digest::as_str));
            writeln!(out, "{}: Pulling from {}", word.unwrap_or_default(), name.repository())?;
        }
        let pulled = engine.pull_image(client, name, options, &*watch(self.quiet, Way::Here))?;
        if !self.quiet {
            let status =
                if pulled.unchanged { "Image is up to date for" } else { "Downloaded newer image for" };
            writeln!(out, "Digest: {}\nStatus: {status} {}", pulled.descriptor.digest, name.familiar())?;
        }
        writeln!(out, "{name}")?;
        Ok(())
    }
}

/// An image as it is named in a registry.
pub(super) fn reference(word: &str) -> Result<ImageReference, Report> {
    word.parse().map_err(|error| Report::from_error(&error))
}

/// A platform as `--platform` names it.
pub(super) fn platform(word: Option<&str>) -> Result<Option<cofferdam_engine::registry::Platform>, Report> {
    word.map(str::parse).transpose().map_err(|error| Report::from_error(&error))
}
