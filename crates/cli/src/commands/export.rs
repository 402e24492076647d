//! `cofferdam export` and `cofferdam image export`: a root file system as one tar.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::image_save::archive;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::{container, engine};

/// Flags of `export`, and of `image export`.
#[derive(Debug, Parser)]
pub(crate) struct ExportOneKind<const IMAGE: bool> {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) type ExportCommand = ExportOneKind<false>;
pub(crate) type ImageExportCommand = ExportOneKind<true>;

impl<const IMAGE: bool> Run for ExportOneKind<IMAGE> {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        archive(self.output.as_ref(), |out| {
            if IMAGE {
                return Ok(engine.export_image(&self.name, out)?);
            }
            let left_out = engine.export(&container(&engine, &self.name)?, out)?.nodes;
            if left_out > 0 {
                writeln!(
                    std::io::stderr().lock(),
                    "cofferdam: left out {left_out} device nodes and sockets: a container gets its own"
                )?;
            }
            Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
