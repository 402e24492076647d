//! `cofferdam logout`: forgets the password for a registry.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::login::registry;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::registry_client;

/// Flags of `logout`.
#[derive(Debug, Parser)]
pub(crate) struct LogoutCommand {
    /// The registry (default: Docker Hub)
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Run for LogoutCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let registry = registry(self.server.as_deref())?;
        let found =
            registry_client(globals)?.logout(&registry).map_err(|error| Report::from_error(&error))?;
        let text = if found {
            format!("Removed the login for {registry}")
        } else {
            format!("There is no login for {registry}")
        };
        writeln!(std::io::stdout().lock(), "{text}")?;
        Ok(ExitCode::SUCCESS)
    }
}
