//! Health checks: one probe at a time, as a process that `exec` puts into the container, and what is known after it.

mod probing;

use std::time::{Duration, Instant, SystemTime};

use cofferdam_names::{ContainerId, Timestamp};
use cofferdam_policy::{ContainerRequest, Healthcheck, ImageConfig};
use cofferdam_shim::{
    ContainerDir, ContainerState, Health, HealthStatus, Probe, ProbeOrders, Status, StatusError,
};

use self::probing::Ending;
use crate::changing::locked_folder;
use crate::definition::{Definition, understood_image};
use crate::error::{Error, Result};
use crate::options::ExecRequest;
use crate::{Engine, Paths, exec, ownership};

/// How a probe has ended that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// Whether it succeeded.
    pub succeeded: bool,
    /// What the container's health is now.
    pub status: HealthStatus,
}

impl Engine {
    /// Probes a container's health now, and takes the result in.
    ///
    /// # Errors
    /// It has no health check, does not run, or is paused.
    pub fn probe(&self, id: &ContainerId) -> Result<Probed> {
        self.probe_with(id, carry_out)
    }

    fn probe_with(
        &self,
        id: &ContainerId,
        carry_out: impl FnOnce(&Paths, &ContainerId, &Healthcheck) -> Result<(i32, String)>,
    ) -> Result<Probed> {
        let definition = self.definition(id)?;
        let check = health_check(&definition.request, &understood_image(&definition.record)?)?;
        let check = check.ok_or_else(|| Error::NoHealthcheck { id: id.clone() })?;
        let dir = self.paths.container(id);
        let begun = ownership::status(&dir, id)?;
        let start = now();
        let (exit_code, output) = carry_out(&self.paths, id, &check)?;
        let probe = Probe { start, end: now(), exit_code, output };
        let succeeded = exit_code == 0;
        let status = self.take_in(&definition, &check, &begun, probe)?;
        Ok(Probed { succeeded, status })
    }

    /// Adds a probe's result to what is known of this run of the container. Another run's health is its own.
    fn take_in(
        &self,
        definition: &Definition,
        check: &Healthcheck,
        begun: &Status,
        probe: Probe,
    ) -> Result<HealthStatus> {
        let id = &definition.record.id;
        let dir = self.paths.container(id);
        let _alone = locked_folder(&dir)?;
        let status = ownership::status(&dir, id)?;
        let started = match status.started {
            Some(started) if status.state == ContainerState::Running && begun.started == status.started => {
                started
            }
            _ => return Err(Error::NotRunning { id: id.clone() }),
        };
        let mut health = read(&dir)?.unwrap_or_default();
        let changed = health.record(probe, check, started);
        health.write(&dir.health()).map_err(|source| Error::Status { source })?;
        if let Some(changed) = changed {
            definition.tell(&self.paths, &format!("health_status: {}", changed.as_str()), &[]);
        }
        Ok(health.status)
    }
}

/// The work of the prober that a shim starts: the hidden subcommand [`cofferdam_shim::PROBER_SUBCOMMAND`], with the orders that
/// follow it. Whether the probe succeeded.
///
/// # Errors
/// It could not be carried out, for one because the container has ended meanwhile.
pub fn probe_health(orders: &str) -> Result<bool> {
    let failed = |error: std::io::Error| Error::io("understand", "a prober's orders", error);
    let orders: ProbeOrders = serde_json::from_str(orders).map_err(|error| failed(error.into()))?;
    let paths = Paths::around(&orders.dir, &orders.run_dir)
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let engine = Engine::open(paths)?;
    let probed = if orders.overdue {
        engine.probe_with(&orders.id, |_, _, check| Ok((-1, overdue(check, ""))))
    } else {
        engine.probe(&orders.id)
    };
    probed.map(|probed| probed.succeeded)
}

/// What is known of the health of a container in this state; none if it is not checked, or was never started. As Docker has it, one
/// that is not probed any more is not healthy.
pub(crate) fn of(dir: &ContainerDir, status: &Status) -> Result<Option<Health>> {
    let mut health = read(dir)?;
    if let Some(health) = &mut health
        && !matches!(status.state, ContainerState::Running | ContainerState::Paused)
    {
        health.status = HealthStatus::Unhealthy;
    }
    Ok(health)
}

fn read(dir: &ContainerDir) -> Result<Option<Health>> {
    match Health::read(&dir.health()) {
        Ok(health) => Ok(Some(health)),
        Err(StatusError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Status { source }),
    }
}

/// The container's health check; none if it has none.
pub(crate) fn health_check(request: &ContainerRequest, image: &ImageConfig) -> Result<Option<Healthcheck>> {
    request
        .health_check(image)
        .map_err(|error| Error::io("understand", "the health check", std::io::Error::other(error)))
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Probes the container: exit code and output.
fn carry_out(paths: &Paths, id: &ContainerId, check: &Healthcheck) -> Result<(i32, String)> {
    let deadline = Instant::now().checked_add(Duration::from_nanos(check.timeout));
    let request = ExecRequest { command: check.command.clone(), ..ExecRequest::default() };
    let session = match exec::start(paths, id, &request) {
        Ok(Some(session)) => session,
        Ok(None) => return Err(Error::NotRunning { id: id.clone() }),
        Err(error @ (Error::NotRunning { .. } | Error::Paused { .. } | Error::NoContainer { .. })) => {
            return Err(error);
        }
        // As with Docker: a program that is not there is a probe that failed.
        Err(error) => return Ok((-1, probing::cut(&error.with_causes()))),
    };
    let ended = probing::follow(session, deadline)
        .map_err(|source| Error::io("follow the probe of", id.short(), source))?;
    Ok(match ended {
        Ending::Exited { code, output } => (code, output),
        Ending::Overdue { output } => (-1, overdue(check, &output)),
    })
}

/// Docker's words for a probe that took too long.
fn overdue(check: &Healthcheck, output: &str) -> String {
    let time = go_duration(check.timeout);
    let said = format!("Health check exceeded timeout ({time})");
    if output.is_empty() { said } else { probing::cut(&format!("{said}: {output}")) }
}

/// A time of at least a millisecond as Go writes it: `1m30s`, `1.5s`, `200ms`.
fn go_duration(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let decimal = |amount: u64, unit: u64| {
        let part = format!("{:0width$}", amount % unit, width = unit.ilog10() as usize);
        let part = part.trim_end_matches('0');
        let dot = if part.is_empty() { "" } else { "." };
        format!("{}{dot}{part}", amount / unit)
    };
    if nanoseconds < SECOND {
        return format!("{}ms", decimal(nanoseconds, 1_000_000));
    }
    let (minutes, rest) = (nanoseconds / (60 * SECOND), nanoseconds % (60 * SECOND));
    let seconds = format!("{}s", decimal(rest, SECOND));
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_does() {
        for (nanoseconds, text) in [
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (1_500_000_000, "1.5s"),
            (200_000_000, "200ms"),
            (1_050_000, "1.05ms"),
        ] {
            assert_eq!(go_duration(nanoseconds), text);
        }
    }
}
