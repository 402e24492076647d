//! What runs: `-e`, `-w`, `-u`, `--entrypoint`, `--stop-signal`, ...

use std::path::PathBuf;

use clap::Args;
use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerPath;
use cofferdam_policy::{ContainerRequest, EnvEntry};

use crate::client_file;
use crate::report::Report;

/// `-e` and `--env-file`, for `run` and `exec` alike.
#[derive(Debug, Clone, Args)]
pub(crate) struct EnvironmentFlags {
    /// Set an environment variable; NAME alone passes on this shell's value
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<EnvEntry>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl EnvironmentFlags {
    /// The entries in the order in which they count: files first, so that `-e` wins.
    pub(crate) fn entries(self) -> Result<Vec<EnvEntry>, Report> {
        let mut entries = Vec::new();
        for file in &self.env_file {
            let text = client_file::text(file, "environment file")?;
            let read = EnvEntry::parse_file(&text).map_err(|error| {
                Report::new(format!("cannot read environment file {}", file.display())).because(&error)
            })?;
            entries.extend(read);
        }
        entries.extend(self.env);
        Ok(entries)
    }
}

/// What runs.
#[derive(Debug, Clone, Args)]
pub(super) struct ProcessFlags {
    #[command(flatten)]
    environment: EnvironmentFlags,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<ContainerPath>,
    /// Run as this user inside the container
    #[arg(short, long, value_name = "NAME|UID[:GROUP|GID]")]
    user: Option<String>,
    /// Additional groups to join
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Replace the image's ENTRYPOINT
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Run a small init inside that forwards signals and reaps processes
    #[arg(long)]
    init: bool,
    /// Container host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,
    /// Seconds to wait for it to stop before it is killed (-1: for ever)
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<i32>,
    /// Set a kernel parameter of the container's own namespaces
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    sysctl: Vec<(String, String)>,
    /// Tune its preference for being killed when memory runs out (-1000 to 1000)
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    oom_score_adj: Option<i32>,
}

impl ProcessFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) -> Result<(), Report> {
        request.env = self.environment.entries()?;
        request.workdir = self.workdir;
        request.user = self.user;
        request.group_add = self.group_add;
        request.entrypoint =
            self.entrypoint.map(|program| if program.is_empty() { Vec::new() } else { vec![program] });
        request.init = self.init;
        request.hostname = self.hostname;
        request.domainname = self.domainname;
        request.stop_signal = self.stop_signal.map(|signal| signal.to_string());
        request.stop_timeout = self.stop_timeout;
        request.sysctls = self.sysctl.into_iter().collect();
        request.oom_score_adj = self.oom_score_adj;
        Ok(())
    }
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("its form is NAME=VALUE"),
    }
}
