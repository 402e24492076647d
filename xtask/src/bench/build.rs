//! `cargo xtask bench build`: what a build costs, ours beside docker's and podman's, in one run: five steps of which nothing is
//! cached, the same all cached, and fifty cached ones. Everything is offline, and begins with one imported busybox.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::bundle::Ground;
use super::engine::Engine;
use super::statistics::Spread;
use crate::ci::debian;
use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};

const PACKAGES: [&str; 8] =
    ["busybox-static", "conmon", "containerd", "crun", "docker.io", "iproute2", "iptables", "podman"];

/// Goals: five steps of which nothing is cached, over the fastest peer; and milliseconds when all is cached.
const COLD: f64 = 0.35;
const CACHED_5: f64 = 20.0;
const CACHED_50: f64 = 60.0;

#[derive(Debug, Serialize)]
struct Timed {
    engine: &'static str,
    case: &'static str,
    milliseconds: Spread,
}

struct Options {
    runs: usize,
    output: Option<PathBuf>,
    folder: PathBuf,
    /// What is measured; without, it is built.
    program: Option<PathBuf>,
}

/// Measures, prints, writes JSON. Missed goals are shown, not an error: a figure depends on the machine.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&PACKAGES)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => {
            let arguments = ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"];
            quietly(&mut command(&cargo(), arguments))?;
            workspace.release_program()
        }
    };
    let ground = Ground::lay(options.folder)?;
    let (five, fifty) = (ground.folder.join("five"), ground.folder.join("fifty"));
    project(&five, 5)?;
    project(&fifty, 50)?;
    let mut results = Vec::new();
    for name in ["docker", "podman", "cofferdam"] {
        println!("-- {name}");
        if let Err(error) = measure(name, &program, &ground, options.runs, &mut results) {
            println!("-- {name} was not measured: {error:#}");
        }
    }
    print(&results);
    let output = options.output.unwrap_or_else(|| workspace.target.join("bench/build.json"));
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(&results).context("write the report as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    std::fs::remove_dir_all(&ground.folder).with_context(|| format!("remove {}", ground.folder.display()))?;
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options =
        Options { runs: 10, output: None, folder: "/var/tmp/cofferdam-bench-build".into(), program: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--runs" => options.runs = value.parse().with_context(|| format!("--runs {value}"))?,
            "--output" => options.output = Some(value.into()),
            "--folder" => options.folder = value.into(),
            "--program" => options.program = Some(value.into()),
            _ => bail!("usage: bench build [--runs N] [--output FILE] [--folder DIR] [--program FILE]"),
        }
    }
    Ok(options)
}

/// Two fifths of the steps copy a file, the others run a command that writes one.
fn project(folder: &Path, steps: usize) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut text = "FROM busybox\n".to_owned();
    for step in 0..steps {
        if step % 5 < 2 {
            let name = format!("file-{step}");
            std::fs::write(folder.join(&name), vec![b'x'; 10_000 + step])
                .with_context(|| format!("write {name}"))?;
            let _ = writeln!(text, "COPY {name} /copied/{name}");
        } else {
            let _ = writeln!(text, "RUN mkdir -p /made && echo {step} > /made/{step}");
        }
    }
    std::fs::write(folder.join("Dockerfile"), text).context("write a Dockerfile")
}

fn measure(name: &str, program: &Path, ground: &Ground, runs: usize, results: &mut Vec<Timed>) -> Result<()> {
    let mut engine = match name {
        "docker" => Engine::docker(ground)?,
        "podman" => Engine::podman(ground)?,
        _ => {
            let mut engine = Engine::cofferdam(program, ground)?;
            let tar = ground.path("busybox.tar");
            engine.world.script(&format!("{} image import {tar} busybox", program.display()))?;
            engine
        }
    };
    let engine_name = engine.name;
    let mut time = |case: &'static str, folder: &str, more: &[&str], runs: usize| -> Result<()> {
        let argv = engine.build(more, &ground.path(folder));
        let times = engine.world.time(&argv, runs, 0)?;
        let milliseconds = Spread::of(&times).context("no run")?;
        results.push(Timed { engine: engine_name, case, milliseconds });
        Ok(())
    };
    time("5 steps, nothing cached", "five", &["--no-cache"], runs)?;
    // Fills the cache.
    time("5 steps, first", "five", &[], 1)?;
    time("5 steps, all cached", "five", &[], runs)?;
    time("50 steps, first", "fifty", &[], 1)?;
    time("50 steps, all cached", "fifty", &[], runs)
}

fn print(results: &[Timed]) {
    for Timed { engine, case, milliseconds } in results {
        let Spread { median, p10, p90, runs } = milliseconds;
        println!("{case:26} {engine:10} {median:9.1} ms ({p10:.1} to {p90:.1}, {runs} runs)");
    }
    let median = |engine: &str, case: &str| {
        let found = results.iter().find(|timed| timed.engine == engine && timed.case == case);
        found.map(|timed| timed.milliseconds.median)
    };
    let cold = "5 steps, nothing cached";
    let fastest = ["docker", "podman"].into_iter().filter_map(|engine| median(engine, cold)).reduce(f64::min);
    if let (Some(ours), Some(fastest)) = (median("cofferdam", cold), fastest) {
        let ratio = ours / fastest;
        println!("goal: cold at most {COLD} of the fastest peer: {ratio:.2} {}", verdict(ratio, COLD));
    }
    for (case, most) in [("5 steps, all cached", CACHED_5), ("50 steps, all cached", CACHED_50)] {
        if let Some(ours) = median("cofferdam", case) {
            println!("goal: {case} at most {most} ms: {ours:.1} {}", verdict(ours, most));
        }
    }
}

fn verdict(value: f64, most: f64) -> &'static str {
    if value <= most { "(reached)" } else { "(missed)" }
}
