//! A container as listings and `inspect` show it.

use std::collections::BTreeMap;

use cofferdam_confinement::Plan;
use cofferdam_names::{ContainerId, ContainerName, Timestamp, ZoneName};
use cofferdam_policy::{ContainerRequest, ImageConfig};
use cofferdam_shim::{ContainerState, Health, HealthStatus, Status};
use serde::Serialize;

use crate::{NamePattern, PortRange};

/// One line of `ps`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// Its image as typed.
    pub image: String,
    /// The id of that image.
    pub image_id: String,
    /// Its zone.
    pub zone: ZoneName,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its state now (a lost shim shows as exited).
    pub status: Status,
    /// What is known of its health; none if it is not checked, or was never started.
    pub health: Option<Health>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its mounts: the sources that a person named.
    pub mounts: Vec<String>,
    /// Its ports: what is published, and where; what is exposed.
    pub ports: String,
    /// How many of its mounts are volumes.
    pub volumes: usize,
    /// The names of its networks: the first is the one that it was started with.
    pub networks: Vec<String>,
    /// Bytes in its writable layer, where they were asked for.
    pub size: Option<u64>,
}

/// What `inspect` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerDetails {
    /// As in a listing.
    pub summary: ContainerSummary,
    /// What was asked for.
    pub request: ContainerRequest,
    /// What was planned.
    pub plan: Plan,
    /// What its image said of it when it was made.
    pub image_config: ImageConfig,
    /// Its log.
    pub log_path: std::path::PathBuf,
    /// Its writable layer.
    pub upper: std::path::PathBuf,
    /// The receipt of its last start, if there was one.
    pub receipt_path: Option<std::path::PathBuf>,
}

/// Which containers `ps` shows: all conditions must hold; within one, any value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilters {
    /// Also those that do not run.
    pub all: bool,
    /// Only so many of the newest (`-n`, `-l`); implies `all`.
    pub newest: Option<usize>,
    /// Id begins with.
    pub ids: Vec<String>,
    /// Name matches.
    pub names: Vec<NamePattern>,
    /// State is.
    pub states: Vec<ContainerState>,
    /// Health is; none for those that are not checked.
    pub health: Vec<Option<HealthStatus>>,
    /// Exit code is.
    pub exit_codes: Vec<u8>,
    /// Image is.
    pub images: Vec<String>,
    /// Zone is.
    pub zones: Vec<ZoneName>,
    /// Has the label, with the value if one is given. All must hold, as with Docker.
    pub labels: Vec<(String, Option<String>)>,
    /// Network is.
    pub networks: Vec<String>,
    /// Has a mount with this source or target.
    pub volumes: Vec<String>,
    /// Publishes a port of these.
    pub published: Vec<PortRange>,
    /// Exposes a port of these.
    pub exposed: Vec<PortRange>,
    /// Made before this container.
    pub before: Option<ContainerId>,
    /// Made after this container.
    pub since: Option<ContainerId>,
    /// Compute the size of writable layers.
    pub size: bool,
}
