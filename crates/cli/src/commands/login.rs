//! `cofferdam login`: keeps a password for a registry that takes it.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::secret;
use crate::session::registry_client;

/// More is no password.
const MOST_PASSWORD: u64 = 64 << 10;

/// Flags of `login`.
#[derive(Debug, Parser)]
pub(crate) struct LoginCommand {
    /// The user's name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password, or a token in its place
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// The registry (default: Docker Hub)
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Run for LoginCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let registry = registry(self.server.as_deref())?;
        let (user, password) = self.credentials()?;
        let login = registry_client(globals)?
            .login(&registry, &user, &password)
            .map_err(|error| Report::from_error(&error))?;
        if let Some(file) = login.file {
            writeln!(
                std::io::stderr().lock(),
                "The password is in {}, readable for you and for root; a credential helper (credsStore) would protect it better",
                file.display()
            )?;
        }
        writeln!(std::io::stdout().lock(), "Login Succeeded")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl LoginCommand {
    fn credentials(self) -> Result<(String, String), Report> {
        if self.password_stdin {
            let user = self.username.ok_or_else(|| Report::new("--password-stdin needs --username"))?;
            let mut text = String::new();
            let read = std::io::stdin().lock().take(MOST_PASSWORD).read_to_string(&mut text);
            read.map_err(|error| Report::new("cannot read the password").because(&error))?;
            return Ok((user, text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let asked = || {
            if std::io::stdin().is_terminal() {
                Ok(())
            } else {
                Err(Report::new("cannot ask for a password: standard input is no terminal")
                    .hint("give --username and --password-stdin"))
            }
        };
        let user = match self.username {
            Some(user) => user,
            None => asked().and_then(|()| secret::ask("Username: ", true))?,
        };
        let password = match self.password {
            Some(password) => password,
            None => asked().and_then(|()| secret::ask("Password: ", false))?,
        };
        if user.is_empty() || password.is_empty() {
            return Err(Report::new("a login needs a user's name and a password"));
        }
        Ok((user, password))
    }
}

/// The registry that a person means: a host, or an address as Docker's older clients wanted it.
pub(super) fn registry(server: Option<&str>) -> Result<String, Report> {
    let Some(server) = server else { return Ok("docker.io".to_owned()) };
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    if matches!(host, "index.docker.io" | "registry-1.docker.io") {
        return Ok("docker.io".to_owned());
    }
    let named = format!("{host}/x").parse::<cofferdam_names::ImageReference>();
    match named {
        Ok(name) if name.registry() == host => Ok(host.to_owned()),
        _ => Err(Report::new(format!("{server:?} is no registry"))
            .hint("it is a host with a dot, or a port, such as registry.example or localhost:5000")),
    }
}
