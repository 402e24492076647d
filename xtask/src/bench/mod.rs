//! `cargo xtask bench audit`: see [`audit`]; `cargo xtask bench resolver`: see [`resolver`]; `cargo xtask bench image`: see [`image`];
//! `cargo xtask bench network`: see [`network`].
//!
//! `cargo xtask bench start`: what a start, an exec and an idle container cost, ours beside its peers, in one run.

mod audit;
mod build;
mod bundle;
mod cases;
mod engine;
mod image;
pub(crate) mod network;
mod report;
mod resolver;
mod statistics;
pub(crate) mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::ci::debian;
use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};
use bundle::Ground;
use engine::Engine;
use report::Report;
pub(crate) use resolver::keep as keep_resolver;

/// What the benchmark needs installed.
const PACKAGES: [&str; 11] = [
    "busybox-static",
    "conmon",
    "containerd",
    "crun",
    "docker.io",
    "iproute2",
    "iptables",
    "linux-perf",
    "podman",
    "runc",
    "time",
];

/// Every engine, in the order in which they take turns.
const ENGINES: [&str; 6] = ["floor", "crun", "runc", "docker", "podman", "cofferdam"];

/// What the command line asks for.
struct Options {
    engines: Vec<String>,
    size: cases::Size,
    output: Option<PathBuf>,
    folder: PathBuf,
    /// A program that is built already, with its `floor` beside it.
    program: Option<PathBuf>,
}

/// Measures, prints, writes JSON. Missed goals are shown, not an error: a figure depends on the machine.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if let [first, rest @ ..] = arguments
        && first == "audit"
    {
        return audit::run(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "build"
    {
        return build::run(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "resolver"
    {
        return resolver::run(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "image"
    {
        return image::run(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "network"
    {
        return network::run(rest);
    }
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&PACKAGES)?;
    let program = match options.program {
        Some(program) => program,
        None => {
            for (package, name) in [("cofferdam", "cofferdam"), ("xtask", "floor")] {
                quietly(&mut command(&cargo(), ["build", "--release", "--package", package, "--bin", name]))?;
            }
            workspace.release_program()
        }
    };
    let ground = Ground::lay(options.folder)?;
    let mut report = Report::default();
    let mut engines = Vec::new();
    for name in &options.engines {
        println!("-- setting up {name}");
        match open(name, &program, &ground) {
            Ok(engine) => engines.push(engine),
            Err(error) => report.note_failure(name, "set-up", Err(error)),
        }
    }
    cases::all(&mut engines, &ground, &options.size, &mut report);
    drop(engines);
    let output = options.output.unwrap_or_else(|| workspace.target.join("bench/start.json"));
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    std::fs::remove_dir_all(&ground.folder).with_context(|| format!("remove {}", ground.folder.display()))?;
    println!("{report}results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn open(name: &str, program: &Path, ground: &Ground) -> Result<Engine> {
    match name {
        "floor" => Engine::floor(&program.with_file_name("floor"), ground),
        "crun" => Engine::runtime("crun"),
        "runc" => Engine::runtime("runc"),
        "docker" => Engine::docker(ground),
        "podman" => Engine::podman(ground),
        "cofferdam" => Engine::cofferdam(program, ground),
        _ => bail!("no engine is called {name}; known: {}", ENGINES.join(", ")),
    }
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        engines: ENGINES.iter().map(|name| (*name).to_owned()).collect(),
        size: cases::Size { runs: 40, row: 100, crowd: 500 },
        output: None,
        folder: PathBuf::from("/var/tmp/cofferdam-bench"),
        program: None,
    };
    let mut rest = arguments.iter();
    if rest.next().map(String::as_str) != Some("start") {
        bail!(
            "usage: bench start [--engines A,B] [--runs N] [--row N] [--crowd N] [--output FILE] [--folder DIR] \
             [--program FILE]"
        );
    }
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        let number = || value.parse::<usize>().with_context(|| format!("{argument} {value}"));
        match argument.as_str() {
            "--engines" => options.engines = value.split(',').map(str::to_owned).collect(),
            "--runs" => options.size.runs = number()?,
            "--row" => options.size.row = number()?,
            "--crowd" => options.size.crowd = number()?,
            "--output" => options.output = Some(value.into()),
            "--folder" => options.folder = value.into(),
            "--program" => options.program = Some(value.into()),
            _ => bail!("bench: {argument} is not known"),
        }
    }
    Ok(options)
}
