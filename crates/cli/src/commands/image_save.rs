//! `cofferdam image save`: images into an archive or a folder.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image save`.
#[derive(Debug, Parser)]
pub(crate) struct ImageSaveCommand {
    /// Write to this file or folder instead of standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// archive: one tar that is Docker's and OCI's at once; oci-dir: an OCI image layout in a new folder
    #[arg(long, value_enum, default_value = "archive")]
    format: Format,
    /// Names or ids; an image that is meant by its id goes along with all of its names
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One tar
    #[value(aliases = ["docker-archive", "oci-archive"])]
    Archive,
    /// A folder
    OciDir,
}

impl Run for ImageSaveCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        match (self.format, &self.output) {
            (Format::OciDir, Some(folder)) => engine.save_images_to(&self.images, folder)?,
            (Format::OciDir, None) => {
                return Err(Report::new("cannot write a folder to standard output").hint("name one with -o"));
            }
            (Format::Archive, output) => {
                archive(output.as_ref(), |out| Ok(engine.save_images(&self.images, out)?))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes an archive to a file, which appears whole or not at all, or to standard output.
pub(super) fn archive(
    output: Option<&PathBuf>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Report>,
) -> Result<(), Report> {
    let Some(path) = output else {
        if std::io::stdout().is_terminal() {
            return Err(Report::new("cannot write an archive to a terminal")
                .hint("use -o FILE, or send the output elsewhere"));
        }
        let mut out = std::io::BufWriter::with_capacity(1 << 17, std::io::stdout().lock());
        write(&mut out)?;
        return Ok(out.flush()?);
    };
    client_file::replace(path, write)
}
