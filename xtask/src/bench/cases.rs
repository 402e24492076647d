//! What is measured, case by case.

use anyhow::{Context, Result, bail};

use super::bundle::Ground;
use super::engine::Engine;
use super::report::Report;
use super::statistics::Spread;
use super::worker::Answer;

/// How long the machine is left alone before a start that is measured alone.
const IDLE_MS: u64 = 150;
/// Runs of one engine before it is the next one's turn, in a row.
const BATCH: usize = 10;

/// How much is run.
pub(super) struct Size {
    /// Runs of each short command.
    pub(super) runs: usize,
    /// Containers started one after another.
    pub(super) row: usize,
    /// Containers at once (ours only).
    pub(super) crowd: usize,
}

/// Something that every engine is timed at, when it has a command for it.
type Command<'a> = &'a dyn Fn(&Engine) -> Option<Vec<String>>;

/// Every case, in turn.
pub(super) fn all(engines: &mut [Engine], ground: &Ground, size: &Size, report: &mut Report) {
    for bundle in ["plain", "filtered"] {
        let name = format!("oci run ({bundle} bundle)");
        both_ways(engines, &name, &|engine| engine.oci_run(ground, bundle), size, report);
    }
    for engine in engines.iter_mut() {
        let outcome = engine.oci_start_idle(ground);
        report.note_failure(engine.name, "oci run --detach", outcome);
    }
    both_ways(engines, "oci exec", &Engine::oci_exec, size, report);
    for engine in engines.iter_mut() {
        let outcome = engine.oci_remove_idle();
        report.note_failure(engine.name, "oci delete --force", outcome);
    }
    both_ways(engines, "run --rm true", &Engine::run, size, report);
    for engine in engines.iter_mut() {
        let outcome = weigh(engine, ground, report);
        report.note_failure(engine.name, "system calls and memory", outcome);
        let outcome = row(engine, size, report);
        report.note_failure(engine.name, "containers in a row", outcome);
    }
}

/// Times a command of all engines in a row and alone. The engines take turns, so that a drift of the machine meets
/// all of them alike.
fn both_ways(engines: &mut [Engine], case: &str, command: Command<'_>, size: &Size, report: &mut Report) {
    for (way, batch, idle) in [("in a row", BATCH, 0), ("alone", 1, IDLE_MS)] {
        println!("-- {case}, {way}");
        let mut results: Vec<Vec<f64>> = engines.iter().map(|_| Vec::new()).collect();
        let mut broken = vec![false; engines.len()];
        for round in 0..=size.runs.div_ceil(batch) {
            for ((engine, results), broken) in engines.iter_mut().zip(&mut results).zip(&mut broken) {
                let Some(argv) = command(engine).filter(|_| !*broken) else { continue };
                match engine.world.time(&argv, batch, idle) {
                    // The first round warms caches, of all alike.
                    Ok(_) if round == 0 => {}
                    Ok(times) => results.extend(times),
                    Err(error) => {
                        *broken = true;
                        report.note_failure(engine.name, case, Err(error));
                    }
                }
            }
        }
        for (engine, results) in engines.iter().zip(&results) {
            if let Some(spread) = Spread::of(results) {
                report.time(case, way, engine.name, spread);
            }
        }
    }
}

/// System calls and the largest process of one `oci run`, of the runtimes that have it.
fn weigh(engine: &mut Engine, ground: &Ground, report: &mut Report) -> Result<()> {
    let Some(argv) = engine.oci_run(ground, "filtered") else { return Ok(()) };
    let line = argv.join(" ").replace("{n}", "weighed");
    // perf counts without ptrace, which a runtime that traces its own child could not share with strace.
    let text = engine.world.script(&format!(
        "perf stat -x, -e raw_syscalls:sys_enter -o /run/bench-count -- {line} >/dev/null && cat /run/bench-count"
    ))?;
    let count =
        text.lines().find(|line| line.contains("raw_syscalls")).and_then(|line| line.split(',').next());
    let count = count.and_then(|count| count.parse::<f64>().ok()).context("read perf's count")?;
    report.figure("system calls of oci run (filtered bundle)", engine.name, count, "");
    let text = engine
        .world
        .script(&format!("/usr/bin/time -f %M -o /run/bench-rss {line} >/dev/null && cat /run/bench-rss"))?;
    let kib: f64 = text.trim().parse().context("read the memory that time(1) saw")?;
    report.figure("largest process of oci run (filtered bundle)", engine.name, kib / 1024.0, "MB");
    Ok(())
}

/// Detached containers one after another, what stays beside each, exec in one, removal of all.
fn row(engine: &mut Engine, size: &Size, report: &mut Report) -> Result<()> {
    let Some(argv) = engine.detach("bench-row-{n}") else { return Ok(()) };
    println!("-- {} containers in a row: {}", size.row, engine.name);
    let times = engine.world.time(&argv, size.row, 0)?;
    report.figure(
        &format!("{} detached starts in a row", size.row),
        engine.name,
        times.iter().sum::<f64>() / 1e3,
        "s",
    );
    let names = engine.names()?;
    if let Some(argv) = names.first().and_then(|name| engine.exec(name)) {
        for (way, idle) in [("in a row", 0), ("alone", IDLE_MS)] {
            let times = engine.world.time(&argv, size.runs, idle)?;
            if let Some(spread) = Spread::of(&times) {
                report.time("exec true", way, engine.name, spread);
            }
        }
    }
    // A shim that sheds memory once its container has lived a while does so within this time.
    std::thread::sleep(std::time::Duration::from_secs(8));
    match engine.world.ask(&engine.helpers())? {
        #[allow(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
        Answer::Memory { processes, bytes } => {
            let each = bytes as f64 / 1e6 / names.len().max(1) as f64;
            report.figure("memory (PSS) beside each idle container", engine.name, each, "MB");
            let per_container = processes as f64 / names.len().max(1) as f64;
            report.figure("processes beside each idle container", engine.name, per_container, "");
        }
        other => bail!("a worker answered {other:?} when asked for memory"),
    }
    if let Some(argv) = engine.remove(&names) {
        let times = engine.world.time(&argv, 1, 0)?;
        report.figure(
            &format!("removal of {} running", names.len()),
            engine.name,
            times.iter().sum::<f64>() / 1e3,
            "s",
        );
    }
    if engine.name == "cofferdam" {
        crowd(engine, size, report)?;
    }
    Ok(())
}

/// Many containers started at once, all verified, all removed, nothing left.
fn crowd(engine: &mut Engine, size: &Size, report: &mut Report) -> Result<()> {
    println!("-- {} containers at once", size.crowd);
    let Some(detach) = engine.detach("bench-crowd-$i") else { return Ok(()) };
    let start = format!(
        "rm -f /run/bench-crowd; for i in $(seq {}); do {} >/dev/null 2>>/run/bench-crowd & done; wait; cat /run/bench-crowd >&2; [ ! -s /run/bench-crowd ]",
        size.crowd,
        detach.join(" ")
    );
    let started = std::time::Instant::now();
    engine.world.script(&start)?;
    report.figure(
        &format!("{} starts at once", size.crowd),
        engine.name,
        started.elapsed().as_secs_f64(),
        "s",
    );
    let program = detach.iter().take(1).cloned().collect::<Vec<_>>();
    let verify: Vec<String> =
        program.iter().cloned().chain(["verify".to_owned(), "--all".to_owned()]).collect();
    let times = engine.world.time(&verify, 1, 0)?;
    report.figure(
        &format!("verification of {}", size.crowd),
        engine.name,
        times.iter().sum::<f64>() / 1e3,
        "s",
    );
    let names = engine.names()?;
    anyhow::ensure!(names.len() == size.crowd, "{} of {} containers run", names.len(), size.crowd);
    if let Some(argv) = engine.remove(&names) {
        let times = engine.world.time(&argv, 1, 0)?;
        report.figure(
            &format!("removal of {} running", size.crowd),
            engine.name,
            times.iter().sum::<f64>() / 1e3,
            "s",
        );
    }
    let left = engine.names()?;
    anyhow::ensure!(left.is_empty(), "{} containers are left after their removal", left.len());
    Ok(())
}
