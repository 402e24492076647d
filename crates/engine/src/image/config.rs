//! What an image says of its containers: between the image's own configuration and what a plan is made from.

use cofferdam_image::{Healthcheck, ImageConfigFile};
use cofferdam_names::Timestamp;
use cofferdam_policy::{HealthWords, ImageConfig};

/// The part that a plan is made from.
pub(crate) fn of_containers(file: &ImageConfigFile) -> ImageConfig {
    ImageConfig {
        env: file.env.clone(),
        entrypoint: file.entrypoint.clone(),
        cmd: file.cmd.clone(),
        user: file.user.clone(),
        workdir: file.working_dir.clone(),
        volumes: file.volumes.clone(),
        stop_signal: file.stop_signal.clone(),
        labels: file.labels.clone(),
        exposed_ports: file.exposed_ports.clone(),
        healthcheck: file.healthcheck.clone().map(words),
        shell: file.shell.clone(),
    }
}

fn words(check: Healthcheck) -> HealthWords {
    let Healthcheck { test, interval, timeout, start_period, start_interval, retries } = check;
    HealthWords { test, interval, timeout, start_period, start_interval, retries }
}

/// The configuration of a new image whose containers are like this.
pub(crate) fn new_file(config: &ImageConfig, created: Timestamp) -> ImageConfigFile {
    ImageConfigFile {
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        user: config.user.clone(),
        working_dir: config.workdir.clone(),
        volumes: config.volumes.clone(),
        stop_signal: config.stop_signal.clone(),
        labels: config.labels.clone(),
        exposed_ports: config.exposed_ports.clone(),
        ..ImageConfigFile::new(created)
    }
}
