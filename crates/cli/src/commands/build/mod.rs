//! `cofferdam build`: makes an image of a Dockerfile.

mod cache;
mod destination;
mod metadata;
mod progress;
mod secrets;
mod source;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_build::plan::{PlanOptions, StepNetwork};
use cofferdam_engine::{BuildOutput, BuildReach, BuildRequest, Built, Engine, Error, PullWhen};
use cofferdam_image::Platform;
use cofferdam_names::{ImageReference, ZoneName};
use cofferdam_policy::key_value;

use super::run::pull_when;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{engine, registry_client};
use crate::transfer::{Way, watch};
use destination::Destination;

/// Flags of `build`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam build [OPTIONS] PATH|-")]
pub(crate) struct BuildCommand {
    /// The Dockerfile (default: PATH/Dockerfile); - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[arg(short, long, value_name = "NAME", help = "A name for the image: NAME[:TAG]")]
    tag: Vec<ImageReference>,
    /// Set a build argument; without a value, the client's variable of this name
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Build this stage, and only what it needs
    #[arg(long, value_name = "STAGE", default_value = "", hide_default_value = true)]
    target: String,
    /// Set a label on the image
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// For which platform stages are that say nothing else (default: this machine's); those of others run what binfmt_misc lets run
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    platform: Option<Platform>,
    /// The zone of the steps, whose rules for images also count for base images (default: build)
    #[arg(long, value_name = "ZONE")]
    zone: Option<ZoneName>,
    /// When to fetch base images: missing, always (also without a word), never
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always", default_value = "missing", hide_default_value = true)]
    pull: String,
    /// Do every step anew
    #[arg(long)]
    no_cache: bool,
    /// Results of steps from elsewhere: type=local,src=DIR or type=registry,ref=NAME
    #[arg(long, value_name = "CACHE")]
    cache_from: Vec<String>,
    /// Where results of steps go: type=local,dest=DIR or type=registry,ref=NAME, and mode=max for those of all stages
    #[arg(long, value_name = "CACHE")]
    cache_to: Vec<String>,
    /// A file for `RUN --mount=type=secret`: id=NAME,src=FILE or id=NAME,env=VARIABLE
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// A socket for `RUN --mount=type=ssh`: default or NAME=SOCKET
    #[arg(long, value_name = "AGENT")]
    ssh: Vec<String>,
    /// A line more for the steps' /etc/hosts
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// The network of the steps: none, default (what their zone gives), host (if their zone allows it)
    #[arg(long, value_name = "MODE", default_value = "none", hide_default_value = true)]
    network: String,
    /// Where the result goes: type=image, or files: type=local,dest=DIR, type=tar,dest=FILE (DIR, or - for a tar), type=oci,dest=FILE
    #[arg(short, long, value_name = "OUTPUT")]
    output: Option<String>,
    /// How layers are compressed: gzip, none
    #[arg(long, value_name = "KIND", default_value = "gzip", hide_default_value = true)]
    compression: String,
    /// Whether to write down which packages are in the image (default: true)
    #[arg(long, action = clap::ArgAction::Set, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_default_value = true)]
    sbom: bool,
    /// Whether to write down how the image was made (default: true)
    #[arg(long, action = clap::ArgAction::Set, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_default_value = true)]
    provenance: bool,
    /// How many steps may run at once (default: the number of processors)
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// How to show what happens: auto, plain, quiet
    #[arg(long, value_name = "KIND", default_value = "auto", hide_default_value = true)]
    progress: String,
    /// Show nothing but the image's id
    #[arg(short, long)]
    quiet: bool,
    /// Write the image's id to this file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write what came of the build to this file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// A folder with the files of the build; - for a tar of one, or a Dockerfile alone, on standard input
    #[arg(value_name = "PATH|-")]
    path: String,
}

impl Run for BuildCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let quiet = self.is_quiet()?;
        let request = self.request()?;
        let engine = engine(globals)?;
        let mut progress = progress::Shown::new(quiet);
        let reach = BuildReach {
            client: &|| registry_client(globals),
            watch: &|name| {
                if !quiet {
                    let _ = writeln!(std::io::stderr().lock(), "Pulling {}", name.familiar());
                }
                watch(quiet, Way::Here)
            },
        };
        let built =
            engine.build(request, &reach, &mut progress).map_err(|error| failure(error, &progress))?;
        if let Destination::Archive(path) = self.destination()?
            && let Some(image) = &built.image
        {
            archive(&engine, image.digest.as_str(), &path, self.tag.is_empty())?;
        }
        self.tell(&built, quiet)
    }
}

impl BuildCommand {
    fn is_quiet(&self) -> Result<bool, Report> {
        match self.progress.as_str() {
            "auto" | "plain" => Ok(self.quiet),
            "quiet" | "none" => Ok(true),
            other => Err(Report::new(format!("invalid value {other:?} for --progress"))
                .hint("it is one of auto, plain, quiet")),
        }
    }

    fn destination(&self) -> Result<Destination, Report> {
        self.output.as_deref().map_or(Ok(Destination::Engine(BuildOutput::Image)), destination::parse)
    }

    fn request(&self) -> Result<BuildRequest, Report> {
        let network = match self.network.as_str() {
            "none" | "" => StepNetwork::None,
            "default" | "zone" => StepNetwork::Zone,
            "host" => StepNetwork::Host,
            other => {
                return Err(Report::new(format!("cannot give the steps of a build the network {other:?}"))
                    .hint("it is one of none, default (what the zone gives), host (if the zone allows it)"));
            }
        };
        let compression = match self.compression.as_str() {
            "gzip" => cofferdam_image::LayerCompression::Gzip,
            "none" | "uncompressed" => cofferdam_image::LayerCompression::None,
            other => {
                return Err(Report::new(format!("invalid value {other:?} for --compression"))
                    .hint("it is one of gzip, none"));
            }
        };
        let variable = |name: &str| std::env::var(name).ok();
        let mut build_args = BTreeMap::new();
        for argument in &self.build_arg {
            match argument.split_once('=') {
                Some((name, value)) => drop(build_args.insert(name.to_owned(), value.to_owned())),
                // As Docker: a name without a value takes the client's, and is not given where there is none.
                None => build_args.extend(variable(argument).map(|value| (argument.clone(), value))),
            }
        }
        let epoch = build_args.get("SOURCE_DATE_EPOCH").cloned().or_else(|| variable("SOURCE_DATE_EPOCH"));
        let plan = PlanOptions {
            build_args,
            target: Some(self.target.clone()).filter(|target| !target.is_empty()),
            platform: self.platform.clone().unwrap_or_else(Platform::host),
            runs_others: cofferdam_engine::runs_programs_of,
            network,
            hosts: self.add_host.clone(),
            labels: self.label.iter().map(|label| key_value(label)).collect(),
        };
        Ok(BuildRequest {
            source: source::read(&self.path, self.file.as_deref())?,
            plan,
            tags: self.tag.clone(),
            secrets: secrets::secrets(&self.secret)?,
            agents: secrets::agents(&self.ssh)?,
            zone: self.zone.clone(),
            pull: match self.pull.as_str() {
                // As Docker's flag, which is a yes or a no.
                "true" => PullWhen::Always,
                "false" => PullWhen::Missing,
                word => pull_when(word)?,
            },
            use_cache: !self.no_cache,
            cache_from: self.cache_from.iter().map(|text| cache::from(text)).collect::<Result<_, _>>()?,
            cache_to: self.cache_to.iter().map(|text| cache::to(text)).collect::<Result<_, _>>()?,
            jobs: self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            epoch: epoch.filter(|text| !text.is_empty()).map(|text| seconds(&text)).transpose()?,
            compression,
            sbom: self.sbom,
            provenance: self.provenance,
            output: self.destination()?.of_engine(),
        })
    }

    fn tell(&self, built: &Built, quiet: bool) -> Outcome {
        let Some(image) = &built.image else { return Ok(ExitCode::SUCCESS) };
        let write = |path: &PathBuf, text: &str| {
            std::fs::write(path, text)
                .map_err(|error| Report::new(format!("cannot write {}", path.display())).because(&error))
        };
        if let Some(path) = &self.iidfile {
            write(path, image.digest.as_str())?;
        }
        if let Some(path) = &self.metadata_file {
            write(path, &metadata::text(built, &self.tag))?;
        }
        if quiet {
            writeln!(std::io::stdout().lock(), "{}", image.digest)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut err = std::io::stderr().lock();
        writeln!(err, "built {}", image.digest)?;
        for tag in &self.tag {
            writeln!(err, "named {}", tag.familiar())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes an image into an archive; one without a name does not stay in the store.
fn archive(engine: &Engine, id: &str, path: &Path, nameless: bool) -> Result<(), Report> {
    let failed = |error| Report::new(format!("cannot write {}", path.display())).because(&error);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    engine.save_images(&[id.to_owned()], &mut file)?;
    file.flush().map_err(failed)?;
    if nameless {
        engine.remove_image(id, false)?;
    }
    Ok(())
}

fn seconds(text: &str) -> Result<i64, Report> {
    text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
        Report::new(format!("invalid value {text:?} for SOURCE_DATE_EPOCH"))
            .hint("it is a number of seconds since 1970")
    })
}

/// A failure with what helps: what the step wrote, if it was not shown, and what could be done.
fn failure(error: Error, progress: &progress::Shown) -> Report {
    let mut report = Report::from(error);
    if let Some(text) = progress.unseen() {
        report = report.hint(format!("the step wrote:\n{text}"));
    }
    report
}
