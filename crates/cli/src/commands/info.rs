//! `cofferdam info`: this host and what is on it.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{ContainerState, ListFilters};
use serde_json::{Map, Value};

use super::run::architecture;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;
use crate::session::engine;
use crate::template::Template;

/// Flags of `info`.
#[derive(Debug, Parser)]
pub(crate) struct InfoCommand {
    /// json or TEMPLATE
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Run for InfoCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let containers = engine.list(&ListFilters { all: true, ..ListFilters::default() })?;
        let count = |state| containers.iter().filter(|container| container.status.state == state).count();
        let zones = engine.zones().names()?;
        let host = rustix::system::uname();
        let text = |text: &std::ffi::CStr| Value::from(text.to_string_lossy());
        let fields: [(&str, Value); 13] = [
            ("ServerVersion", env!("CARGO_PKG_VERSION").into()),
            ("Name", text(host.nodename())),
            ("KernelVersion", text(host.release())),
            ("OSType", "linux".into()),
            ("Architecture", architecture().into()),
            ("Rootless", (!rustix::process::geteuid().is_root()).into()),
            ("Containers", containers.len().into()),
            ("ContainersRunning", count(ContainerState::Running).into()),
            ("ContainersPaused", count(ContainerState::Paused).into()),
            ("ContainersStopped", count(ContainerState::Exited).into()),
            ("Zones", zones.iter().map(|zone| Value::from(zone.as_str())).collect()),
            ("StateDir", engine.paths().state().display().to_string().into()),
            ("RunDir", engine.paths().run().display().to_string().into()),
        ];
        let mut out = std::io::stdout().lock();
        let document = |fields: [(&str, Value); 13]| -> Value {
            Value::Object(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
            )
        };
        match self.format.as_deref() {
            None => {
                for (key, value) in &fields {
                    let value = match value {
                        Value::String(text) => text.clone(),
                        Value::Array(items) => {
                            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                        }
                        other => other.to_string(),
                    };
                    writeln!(out, "{:<19}{value}", format!("{key}:"))?;
                }
            }
            Some("json") => writeln!(out, "{}", document(fields))?,
            Some(text) => writeln!(out, "{}", Template::parse(text)?.render(&document(fields))?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
