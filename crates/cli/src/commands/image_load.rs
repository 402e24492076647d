//! `cofferdam image load`: images from an archive or a folder.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::LoadSource;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image load`.
#[derive(Debug, Parser)]
pub(crate) struct ImageLoadCommand {
    /// Read this archive, or this folder (an OCI image layout), instead of standard input
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Print names or ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Run for ImageLoadCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let loaded = match &self.input {
            None if std::io::stdin().is_terminal() => {
                return Err(Report::new("cannot read an archive from a terminal")
                    .hint("name a file or a folder with -i"));
            }
            None => engine.load_images(LoadSource::Archive(&mut std::io::stdin().lock()))?,
            Some(folder) if folder.is_dir() => engine.load_images(LoadSource::Folder(folder))?,
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|error| {
                    Report::new(format!("cannot open {}", path.display())).because(&error)
                })?;
                let mut file = std::io::BufReader::with_capacity(1 << 17, file);
                engine.load_images(LoadSource::Archive(&mut file))?
            }
        };
        let mut out = std::io::stdout().lock();
        for image in loaded {
            let (names, id) = (&image.names, image.image.digest);
            match (names.is_empty(), self.quiet) {
                (true, true) => writeln!(out, "{id}")?,
                (true, false) => writeln!(out, "Loaded image ID: {id}")?,
                (false, quiet) => {
                    for name in names {
                        let prefix = if quiet { "" } else { "Loaded image: " };
                        writeln!(out, "{prefix}{}", name.familiar())?;
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
