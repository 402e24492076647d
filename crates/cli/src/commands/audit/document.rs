//! `cofferdam audit dockerfile`, `compose` and `kubernetes`: files that say how containers are built and started.

use std::path::{Path, PathBuf};

use clap::Parser;
use cofferdam_audit::Report as Audit;
use cofferdam_audit::document::{DocumentError, compose, dockerfile, kubernetes};

use super::output::OutputFlags;
use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `audit dockerfile`.
#[derive(Debug, Parser)]
pub(crate) struct AuditDockerfileCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Dockerfiles
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Flags of `audit compose`.
#[derive(Debug, Parser)]
pub(crate) struct AuditComposeCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Compose files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Flags of `audit kubernetes`.
#[derive(Debug, Parser)]
pub(crate) struct AuditKubernetesCommand {
    #[command(flatten)]
    output: OutputFlags,
    /// Manifests
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Run for AuditDockerfileCommand {
    fn run(self, globals: &Globals) -> Outcome {
        each(globals, &self.output, &self.files, "Dockerfile", |path, text| Ok(dockerfile::audit(path, text)))
    }
}

impl Run for AuditComposeCommand {
    fn run(self, globals: &Globals) -> Outcome {
        each(globals, &self.output, &self.files, "Compose file", compose::audit)
    }
}

impl Run for AuditKubernetesCommand {
    fn run(self, globals: &Globals) -> Outcome {
        each(globals, &self.output, &self.files, "manifest", kubernetes::audit)
    }
}

fn each(
    globals: &Globals,
    output: &OutputFlags,
    files: &[PathBuf],
    what: &str,
    audit: fn(&str, &str) -> Result<Audit, DocumentError>,
) -> Outcome {
    let one = |file: &PathBuf| {
        let text = client_file::text(file, what)?;
        audit(&shown(file), &text)
            .map_err(|error| Report::new(format!("cannot audit {what} {}", file.display())).because(&error))
    };
    output.show(globals, files.iter().map(one).collect::<Result<Vec<_>, Report>>()?)
}

/// A path as reports name it: relative to the working directory, which is a checkout's root in CI.
fn shown(file: &Path) -> String {
    file.strip_prefix(".").unwrap_or(file).display().to_string()
}
