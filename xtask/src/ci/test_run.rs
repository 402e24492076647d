//! Builds every test program, then runs each by itself with a time limit.
//!
//! Test programs named `user_*` are run as an ordinary user, all others as root. A test that cannot run here prints
//! `SKIP name: reason`; `--show-output` makes libtest pass that line on even though the test returns normally.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::tally::Tally;
use crate::workspace::{Workspace, cargo};

/// The ordinary user; made here when missing, with subordinate ids as Debian gives every user.
const USER: &str = "cofferdam-test";
/// A test program that takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A line of `cargo --message-format=json`, as far as it is needed.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// One test program.
struct Program {
    name: String,
    executable: PathBuf,
    folder: PathBuf,
    as_user: bool,
}

/// Builds and runs everything. Tests find the program whose steps fail on demand through `COFFERDAM_FAULTY`.
pub(super) fn run(workspace: &Workspace, faulty: &Path, tally: &mut Tally) -> Result<()> {
    println!("\n== tests");
    let programs = build(workspace)?;
    if programs.iter().any(|program| program.as_user) {
        make_user()?;
    }
    for program in &programs {
        let started = Instant::now();
        let (output, succeeded) = run_one(program, faulty)?;
        println!("-- {} took {:.1} s", program.name, started.elapsed().as_secs_f64());
        tally.program(&program.name, &output, succeeded);
    }
    println!("\n== documentation tests");
    let output = Command::new(cargo()).args(["test", "--workspace", "--doc", "--quiet"]).output();
    let output = output.context("run cargo test --doc")?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    tally.step("documentation tests", output.status.success());
    Ok(())
}

/// The tests of a host with cgroup v2 alone and AppArmor, in a virtual machine: this machine may have neither.
pub(super) fn v2_host(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    println!("\n== tests/v2-host");
    let mut script = Command::new("bash");
    script.arg(workspace.root.join("tests/v2-host/run.sh"));
    let (output, succeeded) = watch(script)?;
    // A serial console ends its lines as terminals do.
    let output = output.replace('\r', "");
    // The machine runs three programs, each with a result of its own; what follows the last one is nobody's.
    let mut rest = output.as_str();
    while let Some((run, after)) = split_after_result(rest) {
        tally.program("tests/v2-host", run, true);
        rest = after;
    }
    if !succeeded {
        tally.program("tests/v2-host", rest, false);
    }
    Ok(())
}

/// What is up to the first line with a result, and what comes after it.
fn split_after_result(output: &str) -> Option<(&str, &str)> {
    let result = output.find("test result: ")?;
    let end = output[result..].find('\n').map_or(output.len(), |end| result + end + 1);
    Some(output.split_at(end))
}

fn build(workspace: &Workspace) -> Result<Vec<Program>> {
    let output = Command::new(cargo())
        .args(["test", "--workspace", "--no-run", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo test --no-run")?;
    ensure!(output.status.success(), "the tests do not build");
    let mut programs = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Message = serde_json::from_slice(line).context("parse cargo's messages")?;
        let (Some(executable), Some(manifest), Some(target)) =
            (message.executable, message.manifest_path, message.target)
        else {
            continue;
        };
        if !message.profile.is_some_and(|profile| profile.test) {
            continue;
        }
        let folder = manifest.parent().unwrap_or(&workspace.root).to_owned();
        let package = folder.strip_prefix(&workspace.root).unwrap_or(&folder).display().to_string();
        let as_user = target.name.starts_with("user_");
        programs.push(Program { name: format!("{package} {}", target.name), executable, folder, as_user });
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}

/// Runs a test program; returns what it printed and whether it succeeded.
fn run_one(program: &Program, faulty: &Path) -> Result<(String, bool)> {
    println!("\n-- {}{}", program.name, if program.as_user { " (as an ordinary user)" } else { "" });
    let mut command = command_for(program);
    command
        .arg("--show-output")
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("COFFERDAM_FAULTY", faulty);
    watch(command)
}

/// Runs a command in a process group of its own, shows what it prints, and returns that and whether it succeeded.
fn watch(mut command: Command) -> Result<(String, bool)> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("share the pipe")?)
        .stderr(writer)
        .process_group(0);
    let mut child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
    drop(command);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    follow(&mut child, &lines)
}

/// Prints and gathers lines until the program ends or its time is up.
fn follow(child: &mut Child, lines: &mpsc::Receiver<String>) -> Result<(String, bool)> {
    let deadline = Instant::now() + TIME_LIMIT;
    let mut output = String::new();
    let mut status = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                println!("{line}");
                output.push_str(&line);
                output.push('\n');
            }
            // The pipe may stay open in a process that the tests left: the program's own end is what counts.
            Err(_) if status.is_some() => break,
            Err(_) => status = child.try_wait().context("wait for a test program")?,
        }
        if Instant::now() > deadline {
            println!("out of time: {} s", TIME_LIMIT.as_secs());
            kill_group(child)?;
            return Ok((output, false));
        }
    }
    Ok((output, status.is_some_and(|status| status.success())))
}

fn kill_group(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    Command::new("kill").args(["-KILL", "--", &group]).status().context("run kill")?;
    child.wait().context("wait for a killed test program")?;
    Ok(())
}

fn command_for(program: &Program) -> Command {
    if !program.as_user {
        return Command::new(&program.executable);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--reset-env", "--"]);
    command.arg(&program.executable);
    command
}

/// Makes the ordinary user and opens the way to the test programs, which lie under the work tree.
fn make_user() -> Result<()> {
    if !Command::new("id").arg(USER).stdout(Stdio::null()).status().context("run id")?.success() {
        let made = Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", USER]).status();
        ensure!(made.context("run useradd")?.success(), "useradd {USER} failed");
    }
    let seen = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--init-groups", "test", "-r"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .status()
        .context("run setpriv")?;
    if !seen.success() {
        bail!("the user {USER} cannot read the work tree: its parent folders must be open to others");
    }
    Ok(())
}
