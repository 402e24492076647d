//! What a user asks of `cofferdam run` and `cofferdam create`, as pure data.
//!
//! A face parses its flags into a [`ContainerRequest`] without effects; the engine stores it beside the plan that
//! was made from it. Names and meanings are those of `docker run`. Nothing in a request has been allowed yet:
//! [`crate::plan()`] decides.

mod capability_word;
mod device;
mod environment;
mod health;
mod mount_option;
mod namespace_mode;
mod network;
mod port;
mod resources;
mod restart;
mod security_option;
mod volume;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_names::{ContainerName, ContainerPath, ZoneName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ImageConfig, Zone};

pub use capability_word::CapabilityWord;
pub use device::{DeviceRequest, DeviceRuleRequest};
pub use environment::EnvEntry;
pub use health::{HealthWords, Healthcheck};
pub use namespace_mode::{NamespaceMode, NamespaceRequest};
pub use network::{NetworkMode, NetworkRequest};
pub use port::PortRequest;
pub use resources::{DeviceRate, DeviceWeight, ResourceRequest, Ulimit};
pub use restart::RestartPolicy;
pub use security_option::{LabelOption, SeccompChoice, SecurityOption};
pub use volume::{BindRecursion, TmpfsOptions, TmpfsRequest, VolumeKind, VolumeRequest, is_volume_name};

/// The image that is the host's own `/usr` and a cleaned `/etc`.
pub const HOST_IMAGE: &str = "host";

/// A value of an option that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid {what} {text:?}: {rule}")]
pub struct InvalidOption {
    /// What the option holds ("size", "volume", ...).
    pub what: &'static str,
    /// The value as given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl InvalidOption {
    pub(crate) fn new(what: &'static str, text: &str, rule: impl Into<String>) -> Self {
        Self { what, text: text.to_owned(), rule: rule.into() }
    }
}

/// One container as a user asks for it. `Default` asks for nothing: every field empty or off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerRequest {
    /// The image's name as typed; [`HOST_IMAGE`] for the host's own programs.
    pub image: String,
    /// `--platform`: `OS[/ARCHITECTURE[/VARIANT]]`; absent for this machine's.
    pub platform: Option<String>,
    /// Arguments after the image; empty to use the image's `CMD`.
    pub command: Vec<String>,
    /// `--entrypoint`: an empty text is kept as an empty list, which clears the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `--name`
    pub name: Option<ContainerName>,
    /// `--zone`; absent for the image's default zone.
    pub zone: Option<ZoneName>,
    /// `-e`, `--env-file`, in the order given.
    pub env: Vec<EnvEntry>,
    /// `-w`
    pub workdir: Option<ContainerPath>,
    /// `-u`: `user`, `uid`, `user:group`, ...
    pub user: Option<String>,
    /// `--group-add`: names or numbers.
    pub group_add: Vec<String>,
    /// `-v` and `--mount`, in the order given.
    pub volumes: Vec<VolumeRequest>,
    /// `--volumes-from`, as typed: `CONTAINER[:ro|rw]`. The engine adds that container's volumes to `volumes`.
    pub volumes_from: Vec<String>,
    /// `--tmpfs`
    pub tmpfs: Vec<TmpfsRequest>,
    /// `--read-only`
    pub read_only: bool,
    /// `--shm-size` in bytes.
    pub shm_size: Option<crate::ByteSize>,
    /// `-h`
    pub hostname: Option<String>,
    /// `--domainname`
    pub domainname: Option<String>,
    /// Limits: what `cofferdam update` can change as well.
    pub resources: ResourceRequest,
    /// `--ulimit`
    pub ulimits: Vec<Ulimit>,
    /// `--oom-score-adj`
    pub oom_score_adj: Option<i32>,
    /// `--cap-add`
    pub cap_add: Vec<CapabilityWord>,
    /// `--cap-drop`
    pub cap_drop: Vec<CapabilityWord>,
    /// `--privileged`
    pub privileged: bool,
    /// `--security-opt`
    pub security_options: Vec<SecurityOption>,
    /// `--device`
    pub devices: Vec<DeviceRequest>,
    /// `--device-cgroup-rule`
    pub device_cgroup_rules: Vec<DeviceRuleRequest>,
    /// `--pid`, `--ipc`, `--uts`, `--userns`, `--cgroupns`
    pub namespaces: NamespaceRequest,
    /// `--network`, `-p`, `--dns`, ...
    pub network: NetworkRequest,
    /// `--cgroup-parent`
    pub cgroup_parent: Option<String>,
    /// `--sysctl`
    pub sysctls: BTreeMap<String, String>,
    /// `--init`
    pub init: bool,
    /// `--stop-signal`, a name or number.
    pub stop_signal: Option<String>,
    /// `--stop-timeout` in seconds; -1 waits for ever.
    pub stop_timeout: Option<i32>,
    /// `--health-*`; `--no-healthcheck` is the test `NONE`.
    #[serde(skip_serializing_if = "is_default")]
    pub health: HealthWords,
    /// `--restart`
    pub restart: RestartPolicy,
    /// `--rm`
    pub rm: bool,
    /// `-d`
    pub detach: bool,
    /// `-t`
    pub tty: bool,
    /// `-i`
    pub interactive: bool,
    /// `--label`, `--label-file`
    pub labels: BTreeMap<String, String>,
    /// `--annotation`: carried, never read as configuration.
    pub annotations: BTreeMap<String, String>,
    /// `--log-driver`
    pub log_driver: Option<String>,
    /// `--log-opt`
    pub log_options: BTreeMap<String, String>,
}

impl ContainerRequest {
    /// A request for this image and nothing else.
    #[must_use]
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: image.into(), ..Self::default() }
    }

    /// Whether the image is the host's own programs.
    #[must_use]
    pub fn is_host_image(&self) -> bool {
        self.image == HOST_IMAGE
    }

    /// Replaces what only the client knows: `-e NAME` takes the client's value (or unsets the image's, as Docker
    /// does), and relative paths of `-v` and `--mount` start at the client's working directory.
    pub fn resolve_client(&mut self, cwd: &Path, variable: impl Fn(&str) -> Option<String>) {
        for entry in &mut self.env {
            entry.resolve(&variable);
        }
        for volume in &mut self.volumes {
            volume.resolve(cwd);
        }
    }

    /// The host paths that bind mounts name: the engine resolves each for [`crate::PlanContext::bind_sources`].
    pub fn bind_sources(&self) -> impl Iterator<Item = &Path> {
        self.volumes.iter().filter_map(|volume| match &volume.kind {
            VolumeKind::Bind { source, .. } => Some(source.as_path()),
            VolumeKind::Volume { .. } | VolumeKind::Tmpfs { .. } | VolumeKind::Image { .. } => None,
        })
    }

    /// The names of the volumes that it uses: the engine looks each up for [`crate::PlanContext::volumes`].
    pub fn volume_names(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter_map(|volume| match &volume.kind {
            VolumeKind::Volume { name, .. } => name.as_deref(),
            VolumeKind::Bind { .. } | VolumeKind::Tmpfs { .. } | VolumeKind::Image { .. } => None,
        })
    }

    /// The images whose files are mounted, by name, and their ids as far as they are known: the engine makes each ready for
    /// [`crate::PlanContext::mounted_images`].
    pub fn mounted_images(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.volumes.iter().filter_map(|volume| match &volume.kind {
            VolumeKind::Image { image, id, .. } => Some((image.as_str(), id.as_deref())),
            _ => None,
        })
    }

    /// The volumes that go with the container.
    pub fn anonymous_volumes(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter_map(|volume| match &volume.kind {
            VolumeKind::Volume { name, anonymous: true, .. } => name.as_deref(),
            _ => None,
        })
    }

    /// The host's device files that the request names, and where it names devices by their numbers, those of the zone: the
    /// engine stats each for [`crate::PlanContext::host_devices`].
    pub fn device_sources<'a>(&'a self, zone: &'a Zone) -> impl Iterator<Item = &'a Path> {
        let by_number = !self.device_cgroup_rules.is_empty();
        let of_zone = zone.devices.value.keys().map(PathBuf::as_path).filter(move |_| by_number);
        let rates = self.resources.rates().map(|rate| rate.device.as_path());
        let weights = self.resources.blkio_weight_devices.iter().map(|weight| weight.device.as_path());
        self.devices.iter().map(|device| device.host.as_path()).chain(rates).chain(weights).chain(of_zone)
    }

    /// The container's health check, of an image that says this of its containers; none if it has none.
    ///
    /// # Errors
    /// What is asked for, or what the image says, means nothing.
    pub fn health_check(&self, image: &ImageConfig) -> Result<Option<Healthcheck>, InvalidOption> {
        self.health.or(image.healthcheck.as_ref()).check(&image.shell)
    }

    /// How many ports of the host are to be chosen for it; `exposed` are those of its image.
    #[must_use]
    pub fn chosen_ports(&self, exposed: &[String]) -> usize {
        let all = if self.network.publish_all {
            exposed.iter().chain(&self.network.expose).collect()
        } else {
            Vec::new()
        };
        let texts = self.network.publish.iter().chain(all);
        texts.filter_map(|text| text.parse().ok()).map(|port: PortRequest| port.chosen()).sum()
    }

    /// The containers, by name or id as typed, whose namespaces it wants to share: the engine finds each for
    /// [`crate::PlanContext::joined`].
    pub fn joined_containers(&self) -> impl Iterator<Item = &str> {
        let network = match &self.network.mode {
            Some(NetworkMode::Container(id)) => Some(id.as_str()),
            _ => None,
        };
        self.namespaces.modes().filter_map(|(_, mode)| mode.container()).chain(network)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Cuts `key=value`; a missing `=` gives an empty value, as Docker reads labels.
#[must_use]
pub fn key_value(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}
