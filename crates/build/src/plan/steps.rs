//! What is done in a stage.

use cofferdam_image::Platform;
use cofferdam_names::Digest;
use serde::{Deserialize, Serialize};

use super::WantedImage;
use crate::dockerfile::Sharing;

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeRef {
    /// The build's context.
    Context,
    /// A stage, by its number in the Dockerfile.
    Stage(usize),
    /// An image.
    Image(WantedImage),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line of its instruction.
    pub line: usize,
    /// As it stands in the Dockerfile.
    pub text: String,
    /// What the image's history says of it.
    pub created_by: String,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the instructions' names")]
pub enum StepKind {
    /// Changes the configuration only.
    Config,
    Workdir(WorkdirStep),
    Copy(Box<CopyStep>),
    Run(Box<RunStep>),
}

impl Step {
    /// Everything that files are taken from.
    pub fn trees(&self) -> impl Iterator<Item = &TreeRef> {
        let (copy, run) = match &self.kind {
            StepKind::Copy(copy) => (Some(&copy.from), None),
            StepKind::Run(run) => (None, Some(run)),
            StepKind::Config | StepKind::Workdir(_) => (None, None),
        };
        let mounts = run.into_iter().flat_map(|run| &run.mounts).filter_map(|mount| match &mount.kind {
            StepMountKind::Bind { from, .. } => Some(from),
            StepMountKind::Cache { base, .. } => base.as_ref().map(|base| &base.from),
            _ => None,
        });
        copy.into_iter().chain(mounts)
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &WantedImage> {
        self.trees().filter_map(|tree| match tree {
            TreeRef::Image(image) => Some(image),
            _ => None,
        })
    }
}

/// Makes the working folder where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkdirStep {
    /// Absolute.
    pub path: String,
}

/// One source of a `COPY` or an `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSource {
    /// A path or a pattern in the tree.
    Path(String),
    /// A text of the Dockerfile.
    Text {
        /// The name of the file.
        name: String,
        /// What is in it.
        content: String,
    },
    /// An address, and the digest of what is there.
    Address {
        /// `https://...`
        url: String,
        /// What it must be.
        checksum: Option<Digest>,
    },
}

/// `COPY` or `ADD`. What is serialized of it is part of its cache key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyStep {
    /// From what: its files count by their content.
    #[serde(skip)]
    pub from: TreeRef,
    /// Which.
    pub sources: Vec<FileSource>,
    /// Absolute; with a slash at its end if it is a folder by its name.
    pub destination: String,
    /// `USER[:GROUP]`, names or numbers.
    pub chown: Option<String>,
    /// Octal, or as chmod(1) has it.
    pub chmod: Option<String>,
    /// Whether the stage's files do not matter.
    pub link: bool,
    /// Whether the sources' own folders are kept.
    pub parents: bool,
    /// Patterns that are left out.
    pub exclude: Vec<String>,
    /// Whether archives are unpacked.
    pub unpack: bool,
    /// Whether fetched archives are.
    pub unpack_fetched: bool,
}

/// How a secret is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretUse {
    /// Its name.
    pub id: String,
    /// The file's permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether the step fails without it.
    pub required: bool,
    /// The variable that has its value.
    pub env: Option<String>,
}

/// What a cache begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheBase {
    /// Of what.
    pub from: TreeRef,
    /// Which folder of it.
    pub source: String,
}

/// What a mount of a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the Dockerfile's names")]
pub enum StepMountKind {
    Bind {
        #[serde(skip)]
        from: TreeRef,
        source: String,
        readonly: bool,
    },
    Cache {
        id: String,
        #[serde(skip)]
        base: Option<CacheBase>,
        #[serde(skip)]
        sharing: Sharing,
        mode: u32,
        uid: u32,
        gid: u32,
        readonly: bool,
    },
    Tmpfs {
        size: Option<u64>,
    },
    Secret(SecretUse),
    Ssh {
        id: String,
        required: bool,
        mode: u32,
        uid: u32,
        gid: u32,
    },
}

/// A mount of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepMount {
    /// Absolute; none for a secret that is a variable only.
    pub target: Option<String>,
    /// What it is.
    pub kind: StepMountKind,
}

/// The network of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepNetwork {
    /// Its own loopback.
    #[default]
    None,
    /// What the zone gives its containers.
    Zone,
    /// The host's, if the zone allows that.
    Host,
}

/// `RUN`. What is serialized of it is part of its cache key: never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStep {
    /// For which platform its stage is.
    #[serde(skip)]
    pub platform: Platform,
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`: the image's, and the build arguments.
    pub env: Vec<String>,
    /// `NAME=value` of proxies: they change no result.
    #[serde(skip)]
    pub proxies: Vec<String>,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
    /// Absolute, or empty.
    pub workdir: String,
    /// What is mounted.
    pub mounts: Vec<StepMount>,
    /// Its network.
    pub network: StepNetwork,
    /// `name:address`, beside what `/etc/hosts` has anyway.
    pub hosts: Vec<String>,
    /// Name and text of a program that the Dockerfile holds: it is `args[0]`.
    pub script: Option<String>,
}
