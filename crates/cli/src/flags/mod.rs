//! The flags of `run`, `create` and `plan`, by subject. Each group knows its flags and how they enter a
//! [`ContainerRequest`]; what they mean, and whether they are allowed, is decided in `policy`.

mod files;
mod health;
mod isolation;
mod limits;
mod network;
mod process;
pub(crate) mod refused;
mod stopping;
pub(crate) mod trust;

use clap::Args;
use cofferdam_names::{ContainerName, ZoneName};
use cofferdam_policy::{ContainerRequest, RestartPolicy, key_value};

pub(crate) use limits::LimitFlags;
pub(crate) use process::EnvironmentFlags;
pub(crate) use stopping::StopFlags;

use crate::report::Report;

/// Everything that describes a container, and its image and command.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContainerFlags {
    /// Assign a name to the container
    #[arg(long)]
    name: Option<ContainerName>,
    /// The trust zone it lives in (default: the image's)
    #[arg(long)]
    zone: Option<ZoneName>,
    /// Remove the container and its writable layer when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// When to start it again: no, always, unless-stopped, on-failure[:MAX-RETRIES]
    #[arg(long, value_name = "POLICY")]
    restart: Option<RestartPolicy>,
    /// Set a label on the container
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Read labels from a file, one a line
    #[arg(long, value_name = "FILE")]
    label_file: Vec<std::path::PathBuf>,
    /// Add an OCI annotation
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Where its output is kept
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// An option of the log driver
    #[arg(long, value_name = "KEY=VALUE")]
    log_opt: Vec<String>,
    #[command(flatten)]
    process: process::ProcessFlags,
    #[command(flatten)]
    files: files::FileFlags,
    #[command(flatten)]
    health: health::HealthFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    start_limits: limits::StartLimitFlags,
    #[command(flatten)]
    isolation: isolation::IsolationFlags,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    refused: refused::RefusedFlags,
    /// The image, and the command to run in it
    #[arg(value_name = "IMAGE [COMMAND] [ARG...]", required = true, num_args = 1.., trailing_var_arg = true)]
    image_and_command: Vec<String>,
}

impl ContainerFlags {
    /// Turns the flags into a request. Files that the flags name (`--env-file`, `--label-file`, a seccomp profile) are
    /// read here: they belong to the client.
    pub(crate) fn into_request(self) -> Result<ContainerRequest, Report> {
        self.refused.check()?;
        let (image, command) = split_command(self.image_and_command);
        let mut request = ContainerRequest::new(image);
        request.command = command;
        request.name = self.name;
        request.zone = self.zone;
        request.rm = self.rm;
        request.restart = self.restart.unwrap_or_default();
        for file in &self.label_file {
            request
                .labels
                .extend(crate::client_file::lines(file, "label file")?.iter().map(|line| key_value(line)));
        }
        request.labels.extend(self.label.iter().map(|label| key_value(label)));
        if let Some(empty) = request.labels.keys().find(|key| key.trim().is_empty()) {
            return Err(Report::new(format!("a label needs a name before its value: {empty:?}")));
        }
        request.annotations = self.annotation.iter().map(|annotation| key_value(annotation)).collect();
        request.log_driver = self.log_driver;
        request.log_options = self.log_opt.iter().map(|option| key_value(option)).collect();
        self.process.apply(&mut request)?;
        self.files.apply(&mut request);
        self.health.apply(&mut request)?;
        self.limits.apply(&mut request.resources);
        self.start_limits.apply(&mut request);
        self.isolation.apply(&mut request)?;
        self.network.apply(&mut request)?;
        let cwd = std::env::current_dir()
            .map_err(|error| Report::new("cannot tell the working directory").because(&error))?;
        request.resolve_client(&cwd, |name| std::env::var(name).ok());
        Ok(request)
    }
}

/// The first word and the command after it. A `--` between them is no part of either: `run host -- ls -l`.
pub(crate) fn split_command(words: Vec<String>) -> (String, Vec<String>) {
    let mut words = words.into_iter().peekable();
    let first = words.next().unwrap_or_default();
    words.next_if(|word| word == "--");
    (first, words.collect())
}
