//! `cargo xtask fuzz`: the fuzz targets, built by the workspace's own compiler and run for some seconds each.
//!
//! libFuzzer needs code that counts which branches were taken. LLVM puts it in, and a stable compiler passes the request on;
//! what a nightly compiler would add is AddressSanitizer, and the parsers here have no unsafe code.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::shown;
use crate::workspace::{Workspace, cargo};

const SECONDS: &str = "60";

/// Code generation for libFuzzer: counters for each edge, their places, and the operands of comparisons.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];

/// Arguments: seconds for each target, then names of targets; all of them unless some are named.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let (seconds, wanted) = match arguments.split_first() {
        Some((first, rest)) if first.bytes().all(|byte| byte.is_ascii_digit()) => (first.as_str(), rest),
        _ => (SECONDS, arguments),
    };
    let manifest = workspace.root.join("fuzz/Cargo.toml");
    let built = build(&manifest, &workspace.target.join("fuzz"), wanted)?;
    ensure!(!built.is_empty(), "no fuzz target of such a name in {}", manifest.display());
    let mut failed = Vec::new();
    for (name, program) in &built {
        let folder = workspace.target.join("fuzz").join(name);
        println!("== {name}");
        if !fuzz(Path::new(program), &folder, seconds)? {
            failed.push(name.as_str());
        }
    }
    println!("\n{} fuzz targets for {seconds} s each, {} failed {failed:?}", built.len(), failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The programs, by the names of their targets.
fn build(manifest: &Path, target: &Path, wanted: &[String]) -> Result<BTreeMap<String, String>> {
    let mut command = Command::new(cargo());
    command.args(["build", "--release", "--message-format=json", "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(target);
    for name in wanted {
        command.args(["--bin", name]);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("run {}", shown(&command)))?;
    ensure!(output.status.success(), "{}: {}", shown(&command), output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let program = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), program.to_owned()))
    });
    Ok(programs.collect())
}

/// Whether the target held. What it learned stays in the folder, and so does the input that broke it.
fn fuzz(program: &Path, folder: &Path, seconds: &str) -> Result<bool> {
    let corpus = folder.join("corpus");
    std::fs::create_dir_all(&corpus).with_context(|| format!("make {}", corpus.display()))?;
    let status = Command::new(program)
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .status()
        .with_context(|| format!("run {}", program.display()))?;
    Ok(status.success())
}
