//! `cofferdam run`: makes a container and starts it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser};
use cofferdam_engine::{Engine, PullWhen, RunOptions};
use cofferdam_names::ImageReference;
use cofferdam_policy::ContainerRequest;

use crate::command::Run;
use crate::flags::ContainerFlags;
use crate::globals::Globals;
use crate::report::{ENGINE_FAILED, Outcome, Report};
use crate::session::{engine, registry_client, start_failure};
use crate::streams::{self, RelayFlags, StreamName};
use crate::transfer::{Way, watch};

/// What `run` and `create` have in common beside the container itself.
#[derive(Debug, Clone, Args)]
pub(super) struct ClientFlags {
    /// Give the container a terminal
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Keep its standard input open
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// Attach to these streams only: stdin, stdout, stderr
    #[arg(short, long, value_name = "STREAM", ignore_case = true)]
    pub(super) attach: Vec<StreamName>,
    /// Write the container's id to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// When to fetch the image: always, missing, never
    #[arg(long, value_name = "WHEN", default_value = "missing", hide_default_value = true)]
    pull: String,
    /// The image's platform; one that is not this machine's needs a handler in binfmt_misc with the flag F
    #[arg(long, value_name = "OS[/ARCHITECTURE]")]
    pub(super) platform: Option<String>,
    /// Say nothing about fetching the image
    #[arg(short, long)]
    quiet: bool,
}

impl ClientFlags {
    /// Refuses what this machine or this version cannot do, before anything is made.
    pub(super) fn check(&self) -> Result<(), Report> {
        self.when()?;
        if let Some(file) = self.cidfile.as_deref().filter(|file| file.exists()) {
            return Err(Report::new(format!("the container id file {} exists already", file.display()))
                .hint("remove it, or name another file"));
        }
        Ok(())
    }

    fn when(&self) -> Result<PullWhen, Report> {
        pull_when(&self.pull)
    }

    /// Brings the image here, as `--pull` says.
    pub(super) fn bring(
        &self,
        engine: &Engine,
        globals: &Globals,
        request: &ContainerRequest,
    ) -> Result<(), Report> {
        let client = || registry_client(globals);
        let watch = |name: &ImageReference| {
            if !self.quiet {
                // Standard output is the container's.
                let _ = writeln!(std::io::stderr().lock(), "Pulling {}", name.familiar());
            }
            watch(self.quiet, Way::Here)
        };
        engine.bring_image(client, request, self.when()?, watch).map_err(start_failure)?;
        Ok(())
    }

    /// Writes the id where `--cidfile` says.
    pub(super) fn write_id(&self, id: &str) -> Result<(), Report> {
        self.cidfile.as_deref().map_or(Ok(()), |file| write_new(file, id))
    }
}

/// What `--pull` says.
pub(super) fn pull_when(text: &str) -> Result<PullWhen, Report> {
    match text {
        "missing" => Ok(PullWhen::Missing),
        "always" => Ok(PullWhen::Always),
        "never" => Ok(PullWhen::Never),
        other => Err(Report::new(format!("invalid value {other:?} for --pull"))
            .hint("it is one of always, missing, never")),
    }
}

fn write_new(file: &Path, id: &str) -> Result<(), Report> {
    let written = std::fs::File::create_new(file).and_then(|mut file| file.write_all(id.as_bytes()));
    written.map_err(|error| {
        Report::new(format!("cannot write the container id to {}", file.display())).because(&error)
    })
}

/// This machine's architecture in the words of OCI's images.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// Flags of `run`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub(crate) struct RunCommand {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    client: ClientFlags,
    #[command(flatten)]
    relay: RelayFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

impl Run for RunCommand {
    fn run(self, globals: &Globals) -> Outcome {
        self.start(globals)
    }
}

impl RunCommand {
    fn start(self, globals: &Globals) -> Outcome {
        let engine_failed = |report: Report| report.status(ENGINE_FAILED);
        if self.detach && !self.client.attach.is_empty() {
            return Err(engine_failed(Report::new("--detach and --attach exclude each other")));
        }
        self.client.check().map_err(engine_failed)?;
        let (tty, interactive) = (self.client.tty, self.client.interactive);
        let attach = streams::wanted(&self.client.attach, interactive);
        if !self.detach {
            streams::check_terminal(tty, attach.stdin)?;
        }
        let mut request = self.container.into_request().map_err(engine_failed)?;
        (request.tty, request.interactive, request.detach) = (tty, interactive, self.detach);
        request.platform.clone_from(&self.client.platform);
        let engine = engine(globals).map_err(engine_failed)?;
        self.client.bring(&engine, globals, &request)?;
        let options = RunOptions {
            window: if tty { streams::window() } else { None },
            attach: (!self.detach).then_some(attach),
        };
        let started = engine.run(&request, &options).map_err(start_failure)?;
        self.client.write_id(started.id.as_str()).map_err(engine_failed)?;
        match started.stream {
            Some(stream) => streams::relay(stream, attach, tty, &self.relay),
            None => {
                writeln!(std::io::stdout().lock(), "{}", started.id)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
