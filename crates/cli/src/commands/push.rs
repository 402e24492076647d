//! `cofferdam push`: an image goes to a registry.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::registry::PushOptions;

use super::pull::{platform, reference};
use crate::command::Run;
use crate::flags::trust::TrustFlag;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{engine, registry_client};
use crate::transfer::{Way, watch};

/// Flags of `push`.
#[derive(Debug, Parser)]
pub(crate) struct PushCommand {
    /// Push all tags of the repository that are here
    #[arg(short, long)]
    all_tags: bool,
    /// Push the image for this platform alone
    #[arg(long, value_name = "OS/ARCHITECTURE[/VARIANT]")]
    platform: Option<String>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    trust: TrustFlag,
    #[arg(value_name = "IMAGE", help = "[REGISTRY/]REPOSITORY[:TAG]")]
    image: String,
}

impl Run for PushCommand {
    fn run(self, globals: &Globals) -> Outcome {
        self.trust.check()?;
        let name = reference(&self.image)?;
        let options = PushOptions { platform: platform(self.platform.as_deref())? };
        let (engine, client) = (engine(globals)?, registry_client(globals)?);
        let names = if self.all_tags { engine.tags_of(&name)? } else { vec![name.clone()] };
        if names.is_empty() {
            return Err(Report::new(format!("no tag of {} is here", name.familiar_repository())));
        }
        let mut out = std::io::stdout();
        for name in names {
            if !self.quiet {
                writeln!(out, "The push refers to repository [{}/{}]", name.registry(), name.repository())?;
            }
            let pushed = engine.push_image(&client, &name, &options, &*watch(self.quiet, Way::There))?;
            if self.quiet {
                writeln!(out, "{name}")?;
            } else {
                let tag = name.tag().unwrap_or_default();
                writeln!(out, "{tag}: digest: {} size: {}", pushed.digest, pushed.size)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
