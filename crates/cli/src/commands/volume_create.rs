//! `cofferdam volume create`: makes a volume.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_names::ZoneName;
use cofferdam_policy::key_value;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `volume create`.
#[derive(Debug, Parser)]
pub(crate) struct VolumeCreateCommand {
    /// The driver: local is the only one
    #[arg(short, long, value_name = "DRIVER", default_value = "local", hide_default_value = true)]
    driver: String,
    /// An option of the driver: local has none here
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Set a label on the volume
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// The zone whose containers may use it
    #[arg(long, default_value = "default")]
    zone: ZoneName,
    /// Its name (default: a random one)
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Run for VolumeCreateCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if self.driver != "local" {
            return Err(Report::new(format!(
                "cannot use volume driver {}: there are no plugins",
                self.driver
            )));
        }
        if let Some(option) = self.opt.first() {
            return Err(Report::new(format!("cannot use volume option {option}")).hint(
                "a volume is a folder; bring in other file systems with run --mount type=bind or --tmpfs",
            ));
        }
        let labels = self.label.iter().map(|label| key_value(label)).collect();
        let name = engine(globals)?.create_volume(self.name.as_deref(), &self.zone, labels)?;
        writeln!(std::io::stdout().lock(), "{name}")?;
        Ok(ExitCode::SUCCESS)
    }
}
