//! `cofferdam version`: which Cofferdam this is, and on which kernel.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value, json};

use super::run::architecture;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::template::{Empty, Optional, Template};

/// Flags of `version`.
#[derive(Debug, Parser)]
pub(crate) struct VersionCommand {
    /// json or TEMPLATE
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Fields that Docker's templates have under another name than its JSON.
const GO_NAMES: Optional = &[("APIVersion", Empty::Text), ("MinAPIVersion", Empty::Text)];

/// Docker's clients tell the client from the server; here both are this program. There is no API between them, and what was
/// not written down when the program was built is empty.
fn document(parts: &Map<String, Value>) -> Value {
    let mut both = parts.clone();
    for (name, value) in [
        ("ApiVersion", ""),
        ("MinAPIVersion", ""),
        ("GoVersion", ""),
        ("GitCommit", option_env!("COFFERDAM_COMMIT").unwrap_or_default()),
        ("BuildTime", option_env!("COFFERDAM_BUILD_TIME").unwrap_or_default()),
    ] {
        both.insert(name.to_owned(), value.into());
    }
    let mut server = both.clone();
    server.insert("Platform".to_owned(), json!({ "Name": "Cofferdam" }));
    server.insert("Components".to_owned(), json!([{ "Name": "Engine", "Version": parts.get("Version") }]));
    json!({ "Client": both, "Server": server })
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
        let parts: Map<String, Value> =
            fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
        let document = document(&parts);
        let mut out = std::io::stdout().lock();
        match self.format.as_deref() {
            None => {
                writeln!(out, "Cofferdam")?;
                for (key, value) in fields {
                    writeln!(out, " {:<16}{value}", format!("{key}:"))?;
                }
            }
            Some("json") => writeln!(out, "{document}")?,
            Some(text) => writeln!(out, "{}", Template::parse(text)?.render_sparse(&document, GO_NAMES)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
