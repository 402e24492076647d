//! `cargo xtask runc-suite`: runc's own integration tests (bats), driven against any OCI runtime.
//!
//! The suite and its helper programs are fetched as a Go module, built into a cache folder and run there, in a mount,
//! pid and network namespace of their own; nothing of runc's enters this repository. What is stored here are results:
//! `tests/runc-suite/baseline.json` (runc itself on the test machine) and `tests/runc-suite/exceptions.json` (each
//! case that runc passes and Cofferdam does not, with the reason).

mod images;
mod prepare;
mod report;
mod suite;
mod tap;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};
use report::Report;

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    /// `cofferdam` (built here, the default), `runc` (built from the suite's source), or a path.
    runtime: Option<String>,
    /// Only cases whose name matches this regular expression (bats `--filter`).
    filter: Option<String>,
    /// Only these `.bats` files, without the ending.
    files: Vec<String>,
    /// Where the results go; default `target/runc-suite/<runtime>.json`.
    output: Option<PathBuf>,
}

/// Runs the suite; fails when a case that runc passes fails or is skipped here without a listed reason.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    let source = prepare::source()?;
    let (name, runtime) = runtime(options.runtime.as_deref(), &workspace, &source)?;
    println!("runtime: {}", runtime.display());

    let logs = workspace.target.join("runc-suite/logs");
    let cases = suite::run(&source, &runtime, options.filter.as_deref(), &options.files, &logs)?;
    let report = Report { runtime: version(&name, &runtime), cases };
    let output =
        options.output.unwrap_or_else(|| workspace.target.join("runc-suite").join(format!("{name}.json")));
    report.write(&output)?;
    println!("\n{report}results: {}", output.display());
    if runtime == source.join("runc") {
        return Ok(ExitCode::SUCCESS);
    }
    report::compare(&report, &workspace.root.join("tests/runc-suite"))
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().cloned().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--runtime" => options.runtime = Some(value()?),
            "--filter" => options.filter = Some(value()?),
            "--file" => options.files.push(value()?),
            "--output" => options.output = Some(value()?.into()),
            _ => bail!("runc-suite: {argument} is not known; known: --runtime, --filter, --file, --output"),
        }
    }
    Ok(options)
}

/// The name under which results are kept, and the program to test.
fn runtime(choice: Option<&str>, workspace: &Workspace, source: &Path) -> Result<(String, PathBuf)> {
    match choice {
        Some("runc") => Ok(("runc".to_owned(), source.join("runc"))),
        None | Some("cofferdam") => {
            quietly(&mut command(&cargo(), ["build", "--release", "--package", "cofferdam"]))?;
            let program = workspace.release_program();
            // Called under this name, the program is an OCI runtime by itself, and its help and version give the name by
            // which the suite looks for it. The link stands in the folder of the program it points to: two work trees
            // can run the suite at the same time.
            let link = program.with_file_name("runc");
            if link.is_symlink() {
                std::fs::remove_file(&link).with_context(|| format!("remove {}", link.display()))?;
            }
            std::os::unix::fs::symlink(&program, &link)
                .with_context(|| format!("link {}", link.display()))?;
            Ok(("cofferdam".to_owned(), link))
        }
        Some(path) => {
            // A link keeps its name: it may be what tells the program which part to play.
            let path = std::path::absolute(path).with_context(|| format!("find the runtime {path}"))?;
            ensure!(path.exists(), "there is no runtime {}", path.display());
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("runtime").to_owned();
            Ok((name, path))
        }
    }
}

/// The runtime's name and the first line of what it says of itself.
fn version(name: &str, runtime: &Path) -> String {
    let said = quietly(std::process::Command::new(runtime).arg("--version")).unwrap_or_default();
    format!("{name}: {}", said.lines().next().unwrap_or("unknown"))
}
