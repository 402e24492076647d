//! `cofferdam image tag`: another name for an image.

use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `image tag`.
#[derive(Debug, Parser)]
pub(crate) struct ImageTagCommand {
    /// The image: a name or an id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Its new name; an image that had it loses it
    #[arg(value_name = "NAME")]
    name: String,
}

impl Run for ImageTagCommand {
    fn run(self, globals: &Globals) -> Outcome {
        engine(globals)?.tag_image(&self.image, &self.name)?;
        Ok(ExitCode::SUCCESS)
    }
}
