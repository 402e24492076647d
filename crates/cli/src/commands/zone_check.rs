//! `cofferdam zone check`: whether zone files are valid, and what in them is worth a second look. Needs no rights.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_policy::{Zone, builtin_zone, parse_zone};

use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `zone check`.
#[derive(Debug, Parser)]
pub(crate) struct ZoneCheckCommand {
    /// Let warnings fail as well
    #[arg(long)]
    strict: bool,
    /// Zone files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Run for ZoneCheckCommand {
    fn run(self, _: &Globals) -> Outcome {
        let mut status = ExitCode::SUCCESS;
        let mut out = std::io::stdout().lock();
        for file in &self.files {
            let zone = match read(file) {
                Ok(zone) => zone,
                Err(report) => {
                    status = report.finish();
                    continue;
                }
            };
            if builtin_zone(zone.name.value.as_str()).is_ok() {
                let report = Report::new(format!("{}: zone {} is built in", file.display(), zone.name.value));
                status = report
                    .hint("give the zone a name of its own; `base` starts from a built-in one")
                    .finish();
                continue;
            }
            let warnings = zone.warnings(None);
            for warning in &warnings {
                writeln!(out, "{}: warning: {}", warning.place, warning.message)?;
            }
            if warnings.is_empty() {
                writeln!(out, "{}: zone {} is valid", file.display(), zone.name.value)?;
            } else if self.strict {
                status = ExitCode::FAILURE;
            }
        }
        Ok(status)
    }
}

/// Reads a zone file as the client sees it.
fn read(file: &Path) -> Result<Zone, Report> {
    let text = client_file::text(file, "zone file")?;
    parse_zone(&file.display().to_string(), &text).map_err(|error| Report::from_error(&error))
}
