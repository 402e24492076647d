//! `cargo xtask tidy`: the house rules that a compiler and clippy do not check.
//!
//! Fails: a file over 600 lines, a folder or file named for nothing (`utils` and the like), `unsafe` outside the
//! crates that may hold it, a permit made outside of the proof, a file that does not open with `//!`, `#[ignore]`, `todo!` and `unimplemented!`, a
//! dependency that no source file names. Warns: a file over 400 lines, a function over 60.

mod dependencies;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::{Package, Workspace};

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Fails the check.
    Fault(String),
    /// Printed, no more.
    Warning(String),
}

/// Runs the check over every package of the workspace.
pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut findings = Vec::new();
    let mut count = 0;
    for package in &workspace.packages {
        let files = read_sources(package)?;
        count += files.len();
        for (path, text) in &files {
            let shown = path.strip_prefix(&workspace.root).unwrap_or(path);
            findings.extend(source::check(&package.name, shown, text));
        }
        findings.extend(dependencies::check(package, &files));
    }
    let faults = findings.iter().filter(|finding| matches!(finding, Finding::Fault(_))).count();
    for finding in &findings {
        match finding {
            Finding::Fault(text) => println!("tidy: {text}"),
            Finding::Warning(text) => println!("tidy: warning: {text}"),
        }
    }
    println!("tidy: {count} files, {faults} wrong, {} warnings", findings.len() - faults);
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every Rust file of a package, with its text.
fn read_sources(package: &Package) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for part in ["src", "tests", "benches", "examples", "build.rs"] {
        collect(&package.folder().join(part), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    if path.is_dir() {
        for entry in path.read_dir().with_context(|| format!("list {}", path.display()))? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        files.push((path.to_owned(), text));
    }
    Ok(())
}
