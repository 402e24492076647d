//! `cofferdam audit image`: what is in an image, before anything of it runs.

use std::path::{Path, PathBuf};

use clap::Parser;
use cofferdam_audit::Report as Audit;
use cofferdam_audit::image::{audit, audit_stored};

use super::output::OutputFlags;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `audit image`.
#[derive(Debug, Parser)]
pub(crate) struct AuditImageCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Archives of `docker save`, OCI layouts (folders or archives), root file systems (folders or tars), compressed or not;
    /// what is no file here is a name or id of an image in the store
    #[arg(value_name = "FILE|FOLDER|IMAGE", required = true)]
    images: Vec<PathBuf>,
}

impl Run for AuditImageCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let mut reports = Vec::new();
        for image in &self.images {
            reports.extend(audited(globals, image)?);
        }
        self.output.show(globals, reports)
    }
}

/// What an argument means: a file or folder where there is one, an image of the store otherwise.
fn audited(globals: &Globals, image: &Path) -> Result<Vec<Audit>, Report> {
    let shown = image.display().to_string();
    let failed = |error| Report::new(format!("cannot audit image {shown}")).because(&error);
    let is_path = image.is_absolute() || image.starts_with(".") || image.starts_with("..");
    let word = image.to_str().filter(|_| !is_path && !image.exists());
    let Some(word) = word else { return audit(image, &shown).map_err(failed) };
    let store = engine(globals)?.image_store()?;
    let report = audit_stored(store, word);
    Ok(vec![report.map_err(|error| {
        failed(error).hint("it is no file here; images of the store are shown by `cofferdam image ls`")
    })?])
}
