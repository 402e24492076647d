//! `cofferdam version`: which Cofferdam this is, and on which kernel.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use super::run::architecture;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::template::Template;

/// Flags of `version`.
#[derive(Debug, Parser)]
pub(crate) struct VersionCommand {
    /// json or TEMPLATE
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Run for VersionCommand {
    fn run(self, _: &Globals) -> Outcome {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let fields = [
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("PlanSchema", cofferdam_confinement::SCHEMA_VERSION.to_string()),
            ("Os", "linux".to_owned()),
            ("Arch", architecture().to_owned()),
            ("KernelVersion", kernel),
        ];
        let parts: serde_json::Map<String, Value> =
            fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
        // Docker's clients tell the client from the server; here both are this program.
        let document = json!({ "Client": parts, "Server": parts });
        let mut out = std::io::stdout().lock();
        match self.format.as_deref() {
            None => {
                writeln!(out, "Cofferdam")?;
                for (key, value) in fields {
                    writeln!(out, " {:<16}{value}", format!("{key}:"))?;
                }
            }
            Some("json") => writeln!(out, "{document}")?,
            Some(text) => writeln!(out, "{}", Template::parse(text)?.render(&document)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
