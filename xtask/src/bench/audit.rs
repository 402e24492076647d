//! `cargo xtask bench audit`: what an audit of this host costs, ours beside Lynis, kernel-hardening-checker and
//! docker-bench-security, in one run on one machine.
//!
//! Lynis is installed from Debian. The other two are in no registry: `--kernel-hardening-checker PROGRAM` and
//! `--docker-bench FOLDER` name copies of them; docker-bench needs a docker daemon that answers. As an ordinary user the audit is
//! run by the user `nobody`, on a copy of the program where that user reaches it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::statistics::Spread;
use crate::ci::debian;
use crate::command::{command, quietly, shown};
use crate::workspace::{Workspace, cargo};

/// How many Compose files are judged in one go, by one processor.
const COMPOSE_FILES: usize = 10_000;
/// The goals: files a minute, the milliseconds of a whole host, KiB, and our time as a part of two peers'.
const FILES_PER_MINUTE: f64 = 10_000.0;
const HOST_MS: f64 = 1000.0;
const HOST_KIB: u64 = 60 << 10;
const PART_OF_LYNIS: f64 = 20.0;
const PART_OF_DOCKER_BENCH: f64 = 10.0;

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
    /// As an ordinary user, and how many of the checks were unknown to root and to that user.
    as_user: Spread,
    unknown_to_root: u64,
    unknown_to_user: u64,
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
    let folder = open_folder(&program)?;
    let shared = folder.join("cofferdam");
    let ours = spread(options.runs, || timed(&mut audit(&program), &[0]))?;
    let as_user = spread(options.runs, || timed(&mut audit_as_user(&shared), &[0]))?;
    let results = Results {
        ours,
        ours_peak_kib: peak(&program)?,
        as_user,
        unknown_to_root: unknown(audit(&program))?,
        unknown_to_user: unknown(audit_as_user(&shared))?,
        compose_files_per_minute: compose(&program, &workspace.target.join("bench/compose"))?,
        lynis: peer("lynis", 1, || Some(lynis()))?,
        kernel_hardening_checker: peer("kernel-hardening-checker", options.runs, || {
            options.kernel_hardening_checker.as_deref().map(|path| command(&path.to_string_lossy(), ["-a"]))
        })?,
        docker_bench: peer("docker-bench-security", 1, || options.docker_bench.as_deref().map(docker_bench))?,
    };
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    print(&results);
    let output = workspace.target.join("bench/audit.json");
    let text = serde_json::to_string_pretty(&results).context("write the results as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn audit(program: &Path) -> Command {
    command(&program.to_string_lossy(), ["audit", "host", "--format", "json"])
}

/// A folder with a copy of the program that every user can reach: the work tree may be closed to others.
fn open_folder(program: &Path) -> Result<PathBuf> {
    let folder = PathBuf::from(format!("/var/tmp/cofferdam-bench-audit-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
    let copy = folder.join("cofferdam");
    std::fs::copy(program, &copy).with_context(|| format!("copy the program to {}", copy.display()))?;
    Ok(folder)
}

fn audit_as_user(program: &Path) -> Command {
    let mut user = command("setpriv", ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    user.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(program);
    user.args(["audit", "host", "--format", "json"]).current_dir("/");
    user
}

/// How many checks an audit could not judge.
fn unknown(mut audit: Command) -> Result<u64> {
    let report: serde_json::Value = serde_json::from_str(&quietly(&mut audit)?).context("read the report")?;
    report["counts"]["unknown"].as_u64().context("the report counts nothing")
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
    let mut audit = command("taskset", ["--cpu-list", "0"]);
    audit.arg(program).args(["audit", "compose", "--format", "json"]);
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
    #[allow(clippy::cast_precision_loss, reason = "ten thousand is exact")]
    let count = COMPOSE_FILES as f64;
    Ok(count / took * 60_000.0)
}

fn print(results: &Results) {
    let Results { ours, as_user, ours_peak_kib, compose_files_per_minute, .. } = results;
    let met = |met: bool| if met { "met" } else { "missed" };
    let spread = |one: &Spread| {
        format!("median {:.1} ms (p10 {:.1}, p90 {:.1}, {} runs)", one.median, one.p10, one.p90, one.runs)
    };
    println!("this host: {}; goal {HOST_MS} ms: {}", spread(ours), met(ours.median <= HOST_MS));
    println!("memory: at most {ours_peak_kib} KiB; goal {HOST_KIB}: {}", met(*ours_peak_kib <= HOST_KIB));
    println!(
        "as an ordinary user: {}; {} checks unknown, {} to root",
        spread(as_user),
        results.unknown_to_user,
        results.unknown_to_root
    );
    println!(
        "compose files, one processor: {compose_files_per_minute:.0} a minute; goal {FILES_PER_MINUTE}: {}",
        met(*compose_files_per_minute >= FILES_PER_MINUTE)
    );
    for (name, peer, goal) in [
        ("lynis", &results.lynis, Some(PART_OF_LYNIS)),
        ("kernel-hardening-checker", &results.kernel_hardening_checker, None),
        ("docker-bench-security", &results.docker_bench, Some(PART_OF_DOCKER_BENCH)),
    ] {
        let Some(peer) = peer else { continue };
        let times = peer.median / ours.median;
        let goal = goal.map(|goal| format!("; goal {goal}: {}", met(times >= goal))).unwrap_or_default();
        println!("{name}: median {:.0} ms, {times:.0} times ours{goal}", peer.median);
    }
}
