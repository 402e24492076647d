//! A world of its own for each engine, and the one process in it that starts and times commands.
//!
//! Every engine gets its own mount, pid and network namespace and an empty `/run`, so that none meets another's
//! daemon, rules or mounts, and everything it leaves running ends with its world. The worker is this same program,
//! called `xtask bench-worker`; it reads requests from standard input, one JSON object on a line, and answers so.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// What a world does before its worker starts.
const ENTER: &str = r#"set -e
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
grep -q " /sys/kernel/tracing " /proc/self/mounts || mount -t tracefs tracefs /sys/kernel/tracing
eval "$WORLD_SETUP"
"$WORKER" bench-worker"#;

/// One request to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// Run a command `times` times, each after `idle_ms` of doing nothing; `{n}` in an argument becomes a number that
    /// no other run in this world has.
    Time { argv: Vec<String>, times: usize, idle_ms: u64 },
    /// Run a shell script and give back what it prints.
    Script { text: String },
    /// Start a command that stays until the world ends.
    Background { argv: Vec<String>, log: String },
    /// Memory of the processes that run one of these programs, in bytes: proportional set size, summed.
    Memory { programs: Vec<String> },
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Nanoseconds of each run.
    Times(Vec<u64>),
    /// What a script printed.
    Text(String),
    /// How many processes matched, and their memory.
    Memory { processes: usize, bytes: u64 },
    /// Why it did not work.
    Failed(String),
}

/// The coordinator's side of one world.
pub(super) struct World {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl World {
    /// Makes the namespaces, runs `setup` (shell) in them and starts the worker.
    pub(super) fn open(setup: &str, environment: &BTreeMap<String, String>) -> Result<Self> {
        let worker = std::env::current_exe().context("find this program")?;
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--propagation", "private", "bash", "-c", ENTER])
            .envs(environment)
            .env("WORLD_SETUP", setup)
            .env("WORKER", worker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("run unshare")?;
        let requests = child.stdin.take().context("take the worker's input")?;
        let answers = BufReader::new(child.stdout.take().context("take the worker's output")?);
        Ok(Self { child, requests, answers })
    }

    /// Asks, waits for the answer.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer> {
        let mut line = serde_json::to_string(request).context("write a request")?;
        line.push('\n');
        self.requests.write_all(line.as_bytes()).context("send a request to a worker")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("read a worker's answer")?;
        ensure!(!answer.is_empty(), "a world ended by itself");
        match serde_json::from_str(&answer).context("parse a worker's answer")? {
            Answer::Failed(why) => bail!("{why}"),
            answer => Ok(answer),
        }
    }

    /// Runs a command, timed; milliseconds of each run.
    pub(super) fn time(&mut self, argv: &[String], times: usize, idle_ms: u64) -> Result<Vec<f64>> {
        match self.ask(&Request::Time { argv: argv.to_vec(), times, idle_ms })? {
            #[allow(clippy::cast_precision_loss, reason = "nanoseconds of a run are far below 2^52")]
            Answer::Times(times) => Ok(times.into_iter().map(|nanos| nanos as f64 / 1e6).collect()),
            other => bail!("a worker answered {other:?} to a timing"),
        }
    }

    /// Runs a shell script; what it printed.
    pub(super) fn script(&mut self, text: &str) -> Result<String> {
        match self.ask(&Request::Script { text: text.to_owned() })? {
            Answer::Text(text) => Ok(text),
            other => bail!("a worker answered {other:?} to a script"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // unshare takes its child, pid 1 of the world, with it (--kill-child), and with that everything in the world.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The worker's side: answers until its input ends.
pub(crate) fn serve() -> Result<()> {
    let mut counter = 0;
    for line in std::io::stdin().lines() {
        let line = line.context("read a request")?;
        let request = serde_json::from_str(&line).context("parse a request")?;
        let answer =
            answer(request, &mut counter).unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        println!("{}", serde_json::to_string(&answer).context("write an answer")?);
    }
    Ok(())
}

fn answer(request: Request, counter: &mut u64) -> Result<Answer> {
    match request {
        Request::Time { argv, times, idle_ms } => {
            let mut results = Vec::with_capacity(times);
            for _ in 0..times {
                *counter += 1;
                results.push(time_one(&argv, *counter, Duration::from_millis(idle_ms))?);
            }
            Ok(Answer::Times(results))
        }
        Request::Script { text } => {
            let output = Command::new("bash").args(["-c", &text]).stdin(Stdio::null()).output();
            let output = output.context("run bash")?;
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{}: {}", output.status, said.trim());
            Ok(Answer::Text(printed))
        }
        Request::Background { argv, log } => {
            let log = std::fs::File::create(&log).with_context(|| format!("make {log}"))?;
            let (program, arguments) = argv.split_first().context("an empty command")?;
            let mut command = Command::new(program);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(log.try_clone().context("share a log")?)
                .stderr(log);
            // It ends with the world: nobody waits for it before.
            drop(command.spawn().with_context(|| format!("start {program}"))?);
            Ok(Answer::Text(String::new()))
        }
        Request::Memory { programs } => memory(&programs),
    }
}

fn time_one(argv: &[String], number: u64, idle: Duration) -> Result<u64> {
    let number = number.to_string();
    let argv: Vec<String> = argv.iter().map(|argument| argument.replace("{n}", &number)).collect();
    let (program, arguments) = argv.split_first().context("an empty command")?;
    let errors = std::fs::File::create("/run/bench-stderr").context("make /run/bench-stderr")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    std::thread::sleep(idle);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("run {program}"))?;
    let elapsed = start.elapsed();
    if !status.success() {
        let said = std::fs::read_to_string("/run/bench-stderr").unwrap_or_default();
        bail!("{}: {status}: {}", argv.join(" "), said.trim());
    }
    u64::try_from(elapsed.as_nanos()).context("a run that took centuries")
}

/// Sums `Pss:` of every process whose program has one of the names.
fn memory(programs: &[String]) -> Result<Answer> {
    let (mut processes, mut bytes) = (0, 0);
    for entry in std::fs::read_dir("/proc").context("list /proc")? {
        let folder = entry.context("list /proc")?.path();
        let Ok(program) = std::fs::read_link(folder.join("exe")) else { continue };
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !programs.contains(&name) {
            continue;
        }
        // A process that ends meanwhile holds no memory.
        let Ok(text) = std::fs::read_to_string(folder.join("smaps_rollup")) else { continue };
        let pss =
            text.lines().find_map(|line| line.strip_prefix("Pss:")).context("smaps_rollup without Pss")?;
        let kib: u64 = pss.trim().trim_end_matches(" kB").parse().context("parse Pss")?;
        processes += 1;
        bytes += kib * 1024;
    }
    Ok(Answer::Memory { processes, bytes })
}
