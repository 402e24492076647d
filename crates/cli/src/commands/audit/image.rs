//! `cofferdam audit image`: what is in an image, before anything of it runs.

use std::path::PathBuf;

use clap::Parser;
use cofferdam_audit::image::audit;

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `audit image`.
#[derive(Debug, Parser)]
pub(crate) struct AuditImageCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Archives of `docker save`, OCI layouts (folders or archives), root file systems (folders or tars); compressed or not
    #[arg(value_name = "FILE|FOLDER", required = true)]
    images: Vec<PathBuf>,
}

impl Run for AuditImageCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut reports = Vec::new();
        for image in &self.images {
            let shown = image.display().to_string();
            let judged = audit(image, &shown)
                .map_err(|error| Report::new(format!("cannot audit image {shown}")).because(&error))?;
            reports.extend(judged);
        }
        self.output.show(globals, reports)
    }
}
