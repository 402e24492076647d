//! `cofferdam image verify`: reads images whole, and tells what is not as it should be.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;

/// Flags of `image verify`.
#[derive(Debug, Parser)]
pub(crate) struct ImageVerifyCommand {
    /// All images, and all blobs of the store
    #[arg(short, long)]
    all: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    images: Vec<String>,
}

impl Run for ImageVerifyCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let verified =
            if self.all { engine.verify_all_images()? } else { engine.verify_images(&self.images)? };
        for problem in &verified.problems {
            writeln!(std::io::stderr().lock(), "cofferdam: {problem}")?;
        }
        let (blobs, layers) = (verified.blobs, verified.layers);
        let mut out = std::io::stdout().lock();
        match verified.problems.len() {
            0 => writeln!(out, "{blobs} blobs and {layers} unpacked layers are as they should be")?,
            1 => writeln!(out, "1 of {blobs} blobs and {layers} unpacked layers is not as it should be")?,
            bad => {
                writeln!(
                    out,
                    "{bad} of {blobs} blobs and {layers} unpacked layers are not as they should be"
                )?;
            }
        }
        Ok(if verified.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
