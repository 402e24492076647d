//! How a container's health is checked.

use std::time::Duration;

use clap::Args;
use cofferdam_policy::{ContainerRequest, HealthWords};

use crate::duration;
use crate::report::{ENGINE_FAILED, Report};

/// `--health-*`
#[derive(Debug, Clone, Args)]
pub(super) struct HealthFlags {
    /// Check its health with this line, given to the image's shell in the container
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// From the end of one check to the beginning of the next (default: the image's, or 30s)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    health_interval: Option<Duration>,
    /// The most that a check may take (default: the image's, or 30s)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    health_timeout: Option<Duration>,
    /// So many failures in a row make it unhealthy (default: the image's, or 3)
    #[arg(long, value_name = "NUMBER")]
    health_retries: Option<u32>,
    /// How long failures do not count after a start (default: the image's, or 0s)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    health_start_period: Option<Duration>,
    /// The interval in that time, until the first success (default: the image's, or 5s)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    health_start_interval: Option<Duration>,
    /// Do not check its health, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) -> Result<(), Report> {
        let nanoseconds = |time: Option<Duration>| {
            time.map_or(Ok(0), |time| u64::try_from(time.as_nanos()))
                .map_err(|_| Report::new("a time of --health-* is too long").status(ENGINE_FAILED))
        };
        let line = self.health_cmd.filter(|line| !line.is_empty());
        let asked = HealthWords {
            test: line.map_or_else(Vec::new, |line| vec!["CMD-SHELL".to_owned(), line]),
            interval: nanoseconds(self.health_interval)?,
            timeout: nanoseconds(self.health_timeout)?,
            start_period: nanoseconds(self.health_start_period)?,
            start_interval: nanoseconds(self.health_start_interval)?,
            retries: self.health_retries.unwrap_or(0).into(),
        };
        request.health = match (self.no_healthcheck, asked == HealthWords::default()) {
            (false, _) => asked,
            (true, true) => HealthWords { test: vec!["NONE".to_owned()], ..asked },
            (true, false) => {
                let report = Report::new("--no-healthcheck and --health-* exclude each other");
                return Err(report.status(ENGINE_FAILED));
            }
        };
        Ok(())
    }
}
