//! Runs hooks (OCI runtime-spec, config.md, "POSIX-platform Hooks").

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use cofferdam_confinement::{Hook, Plan};
use cofferdam_wire_oci::SPEC_VERSION;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;

use super::ending::ends_within;
use crate::step::{Step, StepError};

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are OCI's")]
pub enum Status {
    Creating,
    Created,
    Running,
    Stopped,
}

/// What a hook reads on its standard input (OCI runtime-spec, runtime.md, "State").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    bundle: PathBuf,
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> ContainerState<'a> {
    /// The state of a plan's container.
    #[must_use]
    pub fn new(plan: &'a Plan, status: Status, pid: Option<Pid>, bundle: &Path) -> Self {
        Self {
            oci_version: SPEC_VERSION,
            id: plan.container.as_str(),
            status,
            pid: pid.map(|pid| pid.as_raw_nonzero().get()),
            bundle: bundle.to_owned(),
            annotations: &plan.annotations,
        }
    }
}

/// Where a hook starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookFolder {
    /// In the bundle's folder: hooks of the runtime's side.
    Bundle,
    /// Where the calling process is: hooks that run within the container.
    Current,
}

/// Runs hooks one after another; the first that fails ends it.
pub fn run_hooks(
    kind: &str,
    hooks: &[Hook],
    state: &ContainerState<'_>,
    folder: HookFolder,
) -> Result<(), StepError> {
    for (number, hook) in hooks.iter().enumerate() {
        Step::Hook.run(hook.path.display(), || {
            // runc's words, by which its callers tell a hook's failure from the runtime's own.
            let told = |error: io::Error| format!("error running {kind} hook #{number}: {error}");
            run_one(hook, state, folder).map_err(|error| io::Error::new(error.kind(), told(error)))
        })?;
    }
    Ok(())
}

fn run_one(hook: &Hook, state: &ContainerState<'_>, folder: HookFolder) -> io::Result<()> {
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    // Nothing of our environment, and nothing of the container's (CVE-2025-23266).
    command.env_clear().envs(hook.env.iter().filter_map(|entry| entry.split_once('=')));
    if folder == HookFolder::Bundle {
        command.current_dir(&state.bundle);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that reads nothing closes its end: that is no failure.
        let _ = stdin.write_all(&serde_json::to_vec(state)?);
    }
    let in_time = match hook.timeout_seconds {
        None => true,
        Some(seconds) => wait_until(child.id(), Duration::from_secs(seconds.into()))?,
    };
    if !in_time {
        child.kill()?;
        child.wait()?;
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not end in its time and was killed"));
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{}: {}", in_words(output.status), said.trim())))
}

/// How a program ended, in the words of Go's runtimes, which callers look for.
fn in_words(status: ExitStatus) -> String {
    let core = if status.core_dumped() { " (core dumped)" } else { "" };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(libc::SIGKILL)) => "signal: killed".to_owned(),
        (None, Some(libc::SIGSEGV)) => format!("signal: segmentation fault{core}"),
        (None, Some(libc::SIGSYS)) => format!("signal: bad system call{core}"),
        (None, Some(libc::SIGTERM)) => "signal: terminated".to_owned(),
        (None, Some(number)) => format!("signal: {number}{core}"),
        (None, None) => status.to_string(),
    }
}

/// Waits for the end of a child; false if the time is over first.
fn wait_until(pid: u32, time: Duration) -> io::Result<bool> {
    let pid =
        i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
    ends_within(pidfd_open(pid, PidfdFlags::empty())?, time)
}
