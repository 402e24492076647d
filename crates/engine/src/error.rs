//! What can go wrong, and which of Docker's exit codes it means.

use std::io;
use std::iter::successors;

use cofferdam_confinement::network::PublishedPort;
use cofferdam_names::{ContainerId, ContainerName, ZoneName};
use cofferdam_policy::PolicyError;
use cofferdam_runtime::step::StepError;
use cofferdam_shim::{ExitClass, Failure, StatusError};

use thiserror::Error;

use crate::image::host::HostImageError;
use crate::store::StoreError;
use crate::zones::ZoneStoreError;

/// Any operation's failure. Each message says operation and subject; the cause is in `source()`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call or a file.
    #[error("cannot {operation} {subject}")]
    Io {
        /// What was done.
        operation: &'static str,
        /// What it was done to.
        subject: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// No container has this id or name.
    #[error("no such container: {word}")]
    NoContainer {
        /// What was typed.
        word: String,
    },
    /// Another container has the address that was asked for, whether it runs or not.
    #[error("address {address} is container {holder}'s")]
    AddressTaken {
        /// Which.
        address: std::net::IpAddr,
        /// The container's name.
        holder: String,
    },
    /// Several ids begin with this.
    #[error("several containers have an id that begins with {word:?}; give more of it")]
    Ambiguous {
        /// What was typed.
        word: String,
    },
    /// Several images' ids begin with this.
    #[error("several images have an id that begins with {word:?}; give more of it")]
    AmbiguousImage {
        /// What was typed.
        word: String,
    },
    /// There is no image of this name.
    #[error("no such image: {name}")]
    NoImage {
        /// What was typed.
        name: String,
    },
    /// A container uses the image, running or not.
    #[error("image {name} is in use by container {user}")]
    ImageInUse {
        /// Which.
        name: String,
        /// By whom.
        user: String,
    },
    /// The image went while its container was made.
    #[error("cannot add a container: its image has just been removed, or its name has moved to another one")]
    ImageGone,
    /// An image is meant by its id, and has several names.
    #[error("image {word} has several names: {names}; take them away one by one, or force it")]
    SeveralNames {
        /// What was typed.
        word: String,
        /// All of them.
        names: String,
    },
    /// The images could not be read or changed.
    #[error(transparent)]
    ImageStore(#[from] cofferdam_image::StoreError),
    /// A layer could not be unpacked or written.
    #[error(transparent)]
    Layer(#[from] cofferdam_image::LayerError),
    /// Images could not be loaded or saved.
    #[error(transparent)]
    Transfer(#[from] cofferdam_image::TransferError),
    /// There is no volume of this name.
    #[error("no such volume: {name}")]
    NoVolume {
        /// What was typed.
        name: String,
    },
    /// A container uses the volume, running or not.
    #[error("volume {name} is in use by container {user}")]
    VolumeInUse {
        /// Which.
        name: String,
        /// By whom.
        user: String,
    },
    /// The volume belongs to another zone.
    #[error("volume {name} belongs to zone `{zone}`")]
    VolumeOfZone {
        /// Which.
        name: String,
        /// Whose it is.
        zone: ZoneName,
    },
    /// Another container has published the port.
    #[error("cannot start container {}: port {port} is published by container {holder}", id.short())]
    PortTaken {
        /// The container that wants it.
        id: ContainerId,
        /// The port.
        port: PublishedPort,
        /// Whose it is.
        holder: ContainerName,
    },
    /// There is no network of this name.
    #[error("no such network: {name}")]
    NoNetwork {
        /// What was typed.
        name: String,
    },
    /// There is one already.
    #[error("network with name {name} already exists")]
    NetworkExists {
        /// Which.
        name: String,
    },
    /// A container is in the network, running or not.
    #[error("network {name} is in use by container {user}")]
    NetworkInUse {
        /// Which.
        name: String,
        /// By whom.
        user: String,
    },
    /// The network is a part of another zone.
    #[error("network {name} is a part of zone `{zone}`")]
    NetworkOfZone {
        /// Which.
        name: String,
        /// Whose it is.
        zone: ZoneName,
    },
    /// A container cannot enter or leave a network.
    #[error("cannot change that container {} is in network {network}: {why}", id.short())]
    NetworkRefused {
        /// The container.
        id: ContainerId,
        /// The network.
        network: String,
        /// Why not.
        why: &'static str,
    },
    /// Another command is changing the container right now.
    #[error("container {} is in use by another command", id.short())]
    Busy {
        /// Which.
        id: ContainerId,
    },
    /// The container runs, and what was asked for needs it not to.
    #[error("container {} is running", id.short())]
    Running {
        /// Which.
        id: ContainerId,
    },
    /// The definitions could not be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The zone could not be read.
    #[error(transparent)]
    Zone(#[from] ZoneStoreError),
    /// The image `host` could not be made ready.
    #[error(transparent)]
    HostImage(#[from] HostImageError),
    /// A registry could not be used, or gave something else than was asked for.
    #[error(transparent)]
    Registry(#[from] cofferdam_image::registry::RegistryError),
    /// The settings of registries could not be read.
    #[error(transparent)]
    RegistrySettings(#[from] cofferdam_image::registry::SettingsError),
    /// The start failed; everything of it has been undone.
    #[error("cannot start container {}", id.short())]
    Start {
        /// Which.
        id: ContainerId,
        /// Why, with the class of exit code.
        #[source]
        source: Failure,
    },
    /// The host falls short of what the zone demands of it.
    #[error("this host falls short of zone {zone} ([placement] require at {place}): {failed}")]
    Posture {
        /// Which zone.
        zone: ZoneName,
        /// Where it demands that.
        place: String,
        /// Each check that does not pass, with what was seen.
        failed: String,
    },
    /// Its ids were given to another state folder while this one was away.
    #[error("cannot start container {}: its range of host ids was given to another state folder", id.short())]
    RangeLost {
        /// Which.
        id: ContainerId,
    },
    /// The container does not run.
    #[error("container {} is not running", id.short())]
    NotRunning {
        /// Which.
        id: ContainerId,
    },
    /// `--rm` removes the container at its end, and a policy would start it again.
    #[error("container {} is removed when it ends (--rm): it can have no restart policy", id.short())]
    RestartOfRemoved {
        /// Which.
        id: ContainerId,
    },
    /// The container is paused.
    #[error("container {} is paused; unpause it first", id.short())]
    Paused {
        /// Which.
        id: ContainerId,
    },
    /// It is to be paused, and is.
    #[error("container {} is already paused", id.short())]
    AlreadyPaused {
        /// Which.
        id: ContainerId,
    },
    /// It is to go on, and is not paused.
    #[error("container {} is not paused", id.short())]
    NotPaused {
        /// Which.
        id: ContainerId,
    },
    /// Neither its image nor who made it has a health check.
    #[error("container {} has no health check", id.short())]
    NoHealthcheck {
        /// Which.
        id: ContainerId,
    },
    /// Its output is not kept, so there is nothing to show.
    #[error("container {} has no log: it was made with --log-driver none", id.short())]
    NoLog {
        /// Which.
        id: ContainerId,
    },
    /// Its shim could not do what it was asked for.
    #[error("cannot {operation} container {}", id.short())]
    Shim {
        /// What was asked for.
        operation: &'static str,
        /// Which.
        id: ContainerId,
        /// Why not.
        #[source]
        source: Failure,
    },
    /// The container has no cgroup of its own, so nothing counts for it.
    #[error("container {} has no cgroup of its own: its resources are not counted", id.short())]
    NoCgroup {
        /// Which.
        id: ContainerId,
    },
    /// Its cgroup could not be used.
    #[error("cannot use the cgroup of container {}", id.short())]
    Cgroup {
        /// Whose.
        id: ContainerId,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What it had of the network could not be taken away.
    #[error("cannot end the network of container {}", id.short())]
    Network {
        /// Whose.
        id: ContainerId,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its status could not be read.
    #[error("cannot tell the state of a container")]
    Status {
        /// The reason.
        #[source]
        source: StatusError,
    },
    /// It could not be told whether it is confined as planned.
    #[error("cannot verify container {}", id.short())]
    Verify {
        /// Which.
        id: ContainerId,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A step in the container failed.
    #[error("cannot start a process in the container")]
    Step {
        /// Which, and why.
        #[source]
        source: StepError,
    },
    /// The zone or the request does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The files of a build cannot be used.
    #[error(transparent)]
    Context(#[from] cofferdam_build::ContextError),
    /// There is no Dockerfile.
    #[error("there is no {} in the context", path.display())]
    NoDockerfile {
        /// Where it was looked for.
        path: std::path::PathBuf,
    },
    /// The Dockerfile cannot be carried out.
    #[error("{file}: {why}")]
    Plan {
        /// What the Dockerfile is called.
        file: String,
        /// Where and why.
        why: Box<cofferdam_build::plan::PlanError>,
    },
    /// A step of a build failed, or its result could not be kept.
    #[error("cannot build {file}")]
    Build {
        /// What the Dockerfile is called.
        file: String,
        /// Where and why.
        #[source]
        source: Box<cofferdam_build::execute::BuildError>,
    },
    /// Its programs do not run on this machine.
    #[error("cannot run programs of {asked} on this machine, which is {host}: {why}")]
    OtherPlatform {
        /// What was asked for.
        asked: String,
        /// What this machine is.
        host: String,
        /// What is missing.
        why: &'static str,
    },
}

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Which of Docker's exit codes it means.
    #[must_use]
    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::Step { source } => ExitClass::of_step(source),
            Self::Start { source, .. } => source.class,
            _ => ExitClass::Engine,
        }
    }

    /// It and its causes in one line.
    pub(crate) fn with_causes(&self) -> String {
        let causes = successors(std::error::Error::source(self), |cause| (*cause).source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    pub(crate) fn io(operation: &'static str, subject: impl std::fmt::Display, source: io::Error) -> Self {
        Self::Io { operation, subject: subject.to_string(), source }
    }
}

impl From<StepError> for Error {
    fn from(source: StepError) -> Self {
        Self::Step { source }
    }
}
