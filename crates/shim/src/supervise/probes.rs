//! When the container's health is probed: a shim keeps the time, and a process of its own does the work.

use std::time::{Duration, Instant};

use cofferdam_policy::Healthcheck;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};

use super::{Keeper, Supervisor};
use crate::event::Event;
use crate::health::Health;
use crate::prober;
use crate::status::ContainerState;

/// How much longer than its probe a prober may take: what it does itself is a few milliseconds of work.
const GRACE: Duration = Duration::from_secs(20);

/// The probes of one run of the container.
#[derive(Debug)]
pub(crate) struct Probes {
    /// When the next one begins; with one under way, when that is ended.
    at: Instant,
    /// The process that carries one out.
    prober: Option<Pid>,
    /// Until then, and until a probe succeeds, the container counts as starting.
    start_until: Option<Instant>,
    /// The last one did not come to its end.
    overdue: bool,
}

/// The same for a shim that executes itself anew: its child stays its child.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbesState {
    at: Duration,
    prober: Option<i32>,
    start_until: Option<Duration>,
    overdue: bool,
}

impl Probes {
    fn new(check: &Healthcheck) -> Self {
        let now = Instant::now();
        let start = Duration::from_nanos(check.start_period);
        let mut probes = Self {
            at: now,
            prober: None,
            start_until: Some(start)
                .filter(|start| !start.is_zero())
                .and_then(|start| now.checked_add(start)),
            overdue: false,
        };
        probes.await_next(check);
        probes
    }

    /// The next probe begins an interval after the last has ended.
    fn await_next(&mut self, check: &Healthcheck) {
        let now = Instant::now();
        self.start_until = self.start_until.filter(|until| now < *until);
        let interval = if self.start_until.is_some() { check.start_interval } else { check.interval };
        self.at = after(now, Duration::from_nanos(interval));
    }

    pub(crate) fn state(&self) -> ProbesState {
        let now = Instant::now();
        ProbesState {
            at: self.at.saturating_duration_since(now),
            prober: self.prober.map(|pid| pid.as_raw_nonzero().get()),
            start_until: self.start_until.map(|until| until.saturating_duration_since(now)),
            overdue: self.overdue,
        }
    }

    pub(crate) fn from_state(state: &ProbesState) -> Self {
        let now = Instant::now();
        Self {
            at: after(now, state.at),
            prober: state.prober.and_then(Pid::from_raw),
            start_until: state.start_until.map(|left| after(now, left)),
            overdue: state.overdue,
        }
    }
}

/// So much later; within the clock's reach, which a time of centuries is not.
fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + wait.min(FAR)
}

impl<K: Keeper> Supervisor<'_, K> {
    /// The container begins to run: nothing is known of its health.
    pub(super) fn begin_probes(&mut self) {
        let Some(check) = &self.spec.health else { return };
        self.probes = Some(Probes::new(check));
        // Without the file it has no health, and the first probe makes it.
        let _ = Health::default().write(&self.spec.container_dir().health());
    }

    /// The container has ended: so does the probe.
    pub(super) fn end_probes(&mut self) {
        if let Some(prober) = self.probes.take().and_then(|probes| probes.prober) {
            end(prober);
        }
    }

    /// The container is to be frozen: a probe that is under way would be frozen with it, and is none.
    pub(super) fn break_probe_off(&mut self) {
        let (Some(check), Some(probes)) = (&self.spec.health, &mut self.probes) else { return };
        if let Some(prober) = probes.prober.take() {
            end(prober);
            probes.overdue = false;
            probes.await_next(check);
        }
    }

    /// When the shim is to look after its probes.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        // What is frozen would not answer.
        let asleep = self.status.state == ContainerState::Paused;
        self.probes.as_ref().filter(|probes| !asleep || probes.prober.is_some()).map(|probes| probes.at)
    }

    /// Begins a probe, or ends the one that is under way.
    pub(super) fn on_probe_due(&mut self) {
        let (Some(check), Some(probes)) = (&self.spec.health, &mut self.probes) else { return };
        if let Some(prober) = probes.prober.take() {
            end(prober);
            // Whoever keeps it from its end must not keep the failure from being told.
            probes.overdue = !probes.overdue;
            if !probes.overdue {
                return probes.await_next(check);
            }
        }
        match prober::start(&self.spec, probes.overdue) {
            Ok(prober) => {
                probes.prober = Some(prober);
                probes.at = after(Instant::now(), Duration::from_nanos(check.timeout).saturating_add(GRACE));
            }
            Err(error) => {
                probes.await_next(check);
                let mut attributes = self.spec.attributes.clone();
                attributes.insert("error".to_owned(), error.to_string());
                let event = Event::now("container", "health-probe-failed", self.spec.id.as_str(), attributes);
                // A full disk must not end a container.
                let _ = event.append(&self.spec.events);
            }
        }
    }

    /// A child that is not the container has ended, with this exit code if it has one: perhaps the prober.
    pub(super) fn on_child_ended(&mut self, pid: Pid, code: Option<i32>) {
        let (Some(check), Some(probes)) = (&self.spec.health, &mut self.probes) else { return };
        if probes.prober != Some(pid) {
            return;
        }
        probes.prober = None;
        if !std::mem::take(&mut probes.overdue) && code == Some(0) {
            probes.start_until = None;
        }
        probes.await_next(check);
    }
}

/// Kills a prober, which is this process's child and not reaped yet: its number is its own.
fn end(prober: Pid) {
    let _ = kill_process(prober, Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(prober), WaitOptions::empty()));
}
