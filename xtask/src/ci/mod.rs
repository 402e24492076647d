//! `cargo xtask ci`: everything CI runs, in one command that a person can run too.
//!
//! Installs what the tests need, checks the source, runs every test as root and those for ordinary users as one,
//! looks for anything of ours that was left behind, and ends with a count in which a skip is never a pass.

pub(crate) mod debian;
mod leaks;
mod tally;
mod test_run;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, cargo};
use leaks::Snapshot;
use tally::Tally;

/// Runs every step; a step that fails does not stop the ones after it, so that one run tells everything.
pub(crate) fn run() -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::load()?;
    let mut tally = Tally::default();

    debian::install_what_is_missing(&debian::TEST_PACKAGES)?;
    check(&mut tally, "format", &["fmt", "--all", "--check"], &[])?;
    check(&mut tally, "clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    let rustdoc = [("RUSTDOCFLAGS", "-D warnings")];
    check(&mut tally, "docs", &["doc", "--workspace", "--no-deps", "--document-private-items"], &rustdoc)?;
    tally.step("layers", crate::layers::run()? == ExitCode::SUCCESS);
    tally.step("tidy", crate::tidy::run()? == ExitCode::SUCCESS);

    let faulty = faulty_program(&workspace, &mut tally)?;
    // The tours in `tests/` run the program itself, which cargo does not build for another package's tests.
    check(&mut tally, "build", &["build", "--package", "cofferdam"], &[])?;
    let before = Snapshot::take(&workspace)?;
    test_run::run(&workspace, &faulty, &mut tally)?;
    test_run::v2_host(&workspace, &mut tally)?;
    let left = Snapshot::take(&workspace)?.since(&before);
    for line in &left {
        println!("left behind: {line}");
    }
    tally.step("nothing left behind", left.is_empty());

    check(&mut tally, "release build", &["build", "--release", "--package", "cofferdam"], &[])?;
    println!("\n{tally}");
    println!("took {} s", started.elapsed().as_secs());
    println!("{}", tally.last_line());
    Ok(if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the program whose steps fail on demand and keeps it beside the one of every day, which is built in its place next.
fn faulty_program(workspace: &Workspace, tally: &mut Tally) -> Result<PathBuf> {
    let features = "cofferdam-runtime/fault-injection";
    let packages = ["--package", "cofferdam", "--package", "cofferdam-runtime"];
    check(tally, "faulty build", &[&["build", "--features", features], &packages[..]].concat(), &[])?;
    let folder = workspace.target.join("faulty");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let program = folder.join("cofferdam");
    std::fs::copy(workspace.debug_program(), &program)
        .with_context(|| format!("copy the program to {}", program.display()))?;
    Ok(program)
}

/// Runs cargo once and counts it as one check.
fn check(tally: &mut Tally, name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    println!("\n== {name}: cargo {}", arguments.join(" "));
    let status = Command::new(cargo())
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("run cargo {}", arguments.join(" ")))?;
    tally.step(name, status.success());
    Ok(())
}
