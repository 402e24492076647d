//! `cargo xtask bench audit`: what an audit of this host costs, ours beside Lynis, kernel-hardening-checker and
//! docker-bench-security, in one run on one machine.
//!
//! Lynis is installed from Debian. The other two are in no registry: `--kernel-hardening-checker PROGRAM` and
//! `--docker-bench FOLDER` name copies of them; docker-bench needs a docker daemon that answers.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::statistics::Spread;
use crate::ci::debian;
use crate::command::{command, quietly, shown};
use crate::workspace::{Workspace, cargo};

/// How many Compose files are judged in one go.
const COMPOSE_FILES: usize = 2000;

struct Options {
    runs: usize,
    kernel_hardening_checker: Option<PathBuf>,
    docker_bench: Option<PathBuf>,
}

/// What was measured; times in milliseconds.
#[derive(Serialize)]
struct Results {
    ours: Spread,
    ours_peak_kib: u64,
    compose_files_per_minute: f64,
    lynis: Option<Spread>,
    kernel_hardening_checker: Option<Spread>,
    docker_bench: Option<Spread>,
}

/// Measures, prints, writes JSON. A peer that is not there is named as such.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&["lynis", "time"])?;
    quietly(&mut command(&cargo(), ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"]))?;
    let program = workspace.release_program();
    let audit = || command(&program.to_string_lossy(), ["audit", "host", "--format", "json"]);
    timed(&mut audit(), &[0])?;
    let ours = spread(options.runs, || timed(&mut audit(), &[0]))?;
    let results = Results {
        ours,
        ours_peak_kib: peak(&program)?,
        compose_files_per_minute: compose(&program, &workspace.target.join("bench/compose"))?,
        lynis: peer("lynis", 1, || Some(lynis()))?,
        kernel_hardening_checker: peer("kernel-hardening-checker", options.runs, || {
            options.kernel_hardening_checker.as_deref().map(|path| command(&path.to_string_lossy(), ["-a"]))
        })?,
        docker_bench: peer("docker-bench-security", 1, || options.docker_bench.as_deref().map(docker_bench))?,
    };
    print(&results);
    let output = workspace.target.join("bench/audit.json");
    let text = serde_json::to_string_pretty(&results).context("write the results as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { runs: 20, kernel_hardening_checker: None, docker_bench: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--runs" => options.runs = value.parse().with_context(|| format!("--runs {value}"))?,
            "--kernel-hardening-checker" => options.kernel_hardening_checker = Some(value.into()),
            "--docker-bench" => options.docker_bench = Some(value.into()),
            _ => bail!(
                "usage: bench audit [--runs N] [--kernel-hardening-checker PROGRAM] [--docker-bench FOLDER]"
            ),
        }
    }
    ensure!(options.runs > 0, "--runs is at least 1");
    Ok(options)
}

/// Runs a command to its end, its output thrown away; the time in milliseconds.
fn timed(command: &mut Command, statuses: &[i32]) -> Result<f64> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("run {}", shown(command)))?;
    let took = start.elapsed();
    ensure!(status.code().is_some_and(|code| statuses.contains(&code)), "{}: {status}", shown(command));
    Ok(took.as_secs_f64() * 1000.0)
}

fn spread(runs: usize, mut once: impl FnMut() -> Result<f64>) -> Result<Spread> {
    let times = (0..runs).map(|_| once()).collect::<Result<Vec<f64>>>()?;
    Spread::of(&times).context("no run")
}

fn peer(name: &str, runs: usize, make: impl Fn() -> Option<Command>) -> Result<Option<Spread>> {
    if make().is_none() {
        println!("-- {name}: not measured, no copy of it was named");
        return Ok(None);
    }
    println!("-- {name}");
    // Peers say by their status that they found something.
    let statuses: Vec<i32> = (0..=255).collect();
    spread(runs, || make().map_or_else(|| bail!("no command"), |mut command| timed(&mut command, &statuses)))
        .map(Some)
}

fn lynis() -> Command {
    command(
        "lynis",
        ["audit", "system", "--quick", "--no-colors", "--logfile", "/dev/null", "--report-file", "/dev/null"],
    )
}

fn docker_bench(folder: &Path) -> Command {
    let mut bench = command("bash", ["docker-bench-security.sh", "-b"]);
    bench.current_dir(folder);
    bench
}

/// The most memory that our audit held, in KiB, as time(1) tells it.
fn peak(program: &Path) -> Result<u64> {
    let output = command("/usr/bin/time", ["-f", "%M"])
        .arg(program)
        .args(["audit", "host", "--format", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("run /usr/bin/time")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().last().context("time(1) said nothing")?;
    last.trim().parse().with_context(|| format!("read {last:?}"))
}

fn compose(program: &Path, folder: &Path) -> Result<f64> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut audit = command(&program.to_string_lossy(), ["audit", "compose", "--format", "json"]);
    for number in 0..COMPOSE_FILES {
        let file = folder.join(format!("{number}.yaml"));
        let mut text = "services:\n".to_owned();
        for service in 0..8 {
            text += &format!(
                "  s{service}:\n    image: registry.example/app{number}:{service}\n    ports: [\"{}:80\"]\n    environment: {{A: b, DB_PASSWORD: x}}\n    volumes: [\"data:/d\", \"./x:/x:ro\"]\n",
                8000 + service
            );
        }
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        audit.arg(file);
    }
    let took = timed(&mut audit, &[0])?;
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    #[allow(clippy::cast_precision_loss, reason = "2000 is exact")]
    let count = COMPOSE_FILES as f64;
    Ok(count / took * 60_000.0)
}

fn print(results: &Results) {
    let Results { ours, ours_peak_kib, compose_files_per_minute, .. } = results;
    println!(
        "ours: median {:.1} ms (p10 {:.1}, p90 {:.1}, {} runs), at most {ours_peak_kib} KiB",
        ours.median, ours.p10, ours.p90, ours.runs
    );
    println!("compose files: {compose_files_per_minute:.0} a minute");
    for (name, peer) in [
        ("lynis", &results.lynis),
        ("kernel-hardening-checker", &results.kernel_hardening_checker),
        ("docker-bench-security", &results.docker_bench),
    ] {
        if let Some(peer) = peer {
            println!("{name}: median {:.0} ms, {:.0} times ours", peer.median, peer.median / ours.median);
        }
    }
}
