//! A container's health: `health.json`, replaced as a whole by who holds the lock of the container's folder.

use std::path::Path;
use std::time::Duration;

use cofferdam_names::Timestamp;
use cofferdam_policy::Healthcheck;
use serde::{Deserialize, Serialize};

use crate::status::{StatusError, read_record, write_record};

/// What is known of a container's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No probe has succeeded yet, and not enough have failed.
    Starting,
    /// The last probes have not failed too often.
    Healthy,
    /// Too many probes in a row have failed, or there are none any more.
    Unhealthy,
}

/// A text that names no health.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown health {0:?}")]
pub struct UnknownHealth(String);

impl HealthStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl std::str::FromStr for HealthStatus {
    type Err = UnknownHealth;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Starting, Self::Healthy, Self::Unhealthy]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownHealth(text.to_owned()))
    }
}

/// One probe that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Its exit code; -1 where it could not be carried out or took too long.
    pub exit_code: i32,
    /// The beginning of what it wrote.
    pub output: String,
}

/// The contents of `health.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is known.
    pub status: HealthStatus,
    /// How many probes in a row have failed.
    pub failing_streak: u64,
    /// The last probes, the oldest first.
    pub log: Vec<Probe>,
}

/// Docker keeps so many probes.
const MOST_PROBES: usize = 5;

impl Default for Health {
    fn default() -> Self {
        Self { status: HealthStatus::Starting, failing_streak: 0, log: Vec::new() }
    }
}

impl Health {
    /// Takes in how a probe of a container that was started then has ended. What its health is now, if that is another than before.
    pub fn record(&mut self, probe: Probe, check: &Healthcheck, started: Timestamp) -> Option<HealthStatus> {
        let before = self.status;
        if probe.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else {
            let counts = before != HealthStatus::Starting
                || probe.start.since(started) >= Duration::from_nanos(check.start_period);
            if counts {
                self.failing_streak += 1;
                if self.failing_streak >= check.retries {
                    self.status = HealthStatus::Unhealthy;
                }
            }
        }
        self.log.push(probe);
        let surplus = self.log.len().saturating_sub(MOST_PROBES);
        self.log.drain(..surplus);
        (self.status != before).then_some(self.status)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`StatusError`]; a missing file is an I/O error of kind `NotFound`.
    pub fn read(path: &Path) -> Result<Self, StatusError> {
        read_record(path)
    }

    /// Replaces the file: a reader sees the old or the new one, never a part.
    ///
    /// # Errors
    /// [`StatusError::Io`]
    pub fn write(&self, path: &Path) -> Result<(), StatusError> {
        write_record(self, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        Timestamp::from_unix(100, 0)
    }

    fn check(start_period: u64) -> Healthcheck {
        let start_period = start_period * 1_000_000_000;
        let command = vec!["x".to_owned()];
        Healthcheck { command, interval: 1, timeout: 1, start_period, start_interval: 1, retries: 2 }
    }

    fn probe(second: i64, exit_code: i32) -> Probe {
        let at = Timestamp::from_unix(second, 0);
        Probe { start: at, end: at, exit_code, output: String::new() }
    }

    #[test]
    fn failures_count_in_a_row_and_one_success_is_enough() {
        let mut health = Health::default();
        let mut told = |code| health.record(probe(100, code), &check(0), start());
        assert_eq!(told(1), None);
        assert_eq!(told(-1), Some(HealthStatus::Unhealthy));
        assert_eq!(told(3), None);
        assert_eq!(told(0), Some(HealthStatus::Healthy));
        assert_eq!(told(1), None);
        assert_eq!(told(0), None);
        assert_eq!(told(1), None);
        assert_eq!(told(1), Some(HealthStatus::Unhealthy));
        assert_eq!((health.failing_streak, health.log.len()), (2, 5));
    }

    #[test]
    fn failures_do_not_count_while_it_starts() {
        let mut health = Health::default();
        for second in [100, 105, 109] {
            assert_eq!(health.record(probe(second, 1), &check(10), start()), None);
        }
        assert_eq!(health.failing_streak, 0);
        assert_eq!(health.record(probe(105, 0), &check(10), start()), Some(HealthStatus::Healthy));
        assert_eq!(health.record(probe(106, 1), &check(10), start()), None);
        assert_eq!(health.failing_streak, 1, "it had been healthy");
        let mut late = Health::default();
        assert_eq!(late.record(probe(110, 1), &check(10), start()), None);
        assert_eq!(late.record(probe(111, 1), &check(10), start()), Some(HealthStatus::Unhealthy));
    }

    #[test]
    fn it_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health.json");
        let mut health = Health::default();
        health.record(probe(100, -1), &check(0), start());
        health.write(&path).unwrap();
        assert_eq!(Health::read(&path).unwrap(), health);
        assert_eq!("healthy".parse(), Ok(HealthStatus::Healthy));
        assert!("none".parse::<HealthStatus>().is_err());
    }
}
