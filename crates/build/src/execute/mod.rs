//! Carries a plan out: takes each step from the cache or does it, and puts layers on layers.
//!
//! Steps of stages that do not need each other overlap: every `RUN` that can start is started, and while they run, files are
//! copied for the other stages. All this is one thread's work, because the engine clones processes from one thread only.

mod accounts;
mod archive;
mod cache;
mod copy;
mod destination;
mod error;
mod fetch;
mod inside;
mod mode;
mod order;
mod prepare;
mod root;
mod select;
mod sink;
mod stage_run;
mod stubs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_image::{Descriptor, ImageConfigFile, LayerCompression, Lease};
use cofferdam_names::Digest;

use crate::context::Context;
use crate::plan::{BuildPlan, PlannedStage, Step, StepKind, TreeRef, WantedImage};

pub use cache::{BuildCache, CacheEntry, CacheUse};
pub use error::BuildError;
pub use fetch::Fetcher;
pub use order::{MountSource, ReadyMount, RunEnd, RunId, RunOrder, Runner, RunnerError};
pub use root::Layers;

use stage_run::StageRun;

/// A layer of a stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageLayer {
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// The digest of its blob.
    pub blob: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// The blob's type.
    pub media_type: String,
}

impl StageLayer {
    /// What a manifest says of it.
    ///
    /// # Errors
    /// Its type is none.
    pub fn descriptor(&self) -> Result<Descriptor, BuildError> {
        let media_type = self.media_type.parse().map_err(BuildError::Document)?;
        Ok(Descriptor::new(media_type, self.blob.clone(), self.size))
    }
}

/// An image that a build begins with or takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceImage {
    /// Its manifest's digest.
    pub digest: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<StageLayer>,
    /// Its configuration.
    pub config: ImageConfigFile,
}

/// A step as people are told of it.
#[derive(Debug, Clone, Copy)]
pub struct StepLabel<'a> {
    /// Counts all steps of the build, from 1.
    pub number: usize,
    /// The stage's name.
    pub stage: &'a str,
    /// Which of the stage's, from 1, and how many it has.
    pub at: usize,
    /// How many the stage has.
    pub of: usize,
    /// As it stands in the Dockerfile.
    pub text: &'a str,
}

/// Who hears how a build goes on.
pub trait Progress {
    /// A step begins.
    fn begin(&mut self, step: StepLabel<'_>);
    /// A step has ended: whether its result was in the cache, and how long it took.
    fn end(&mut self, step: StepLabel<'_>, cached: bool, took: Duration);
    /// What a step wrote.
    fn output(&mut self, step: StepLabel<'_>, bytes: &[u8]);
    /// Something else worth telling.
    fn note(&mut self, text: &str);
}

/// Of which stages results are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WantedEntries {
    /// None.
    #[default]
    None,
    /// Of the target, and those that it begins with.
    Target,
    /// Of all.
    All,
}

impl WantedEntries {
    fn wants(self, plan: &BuildPlan, stage: &PlannedStage) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Target => {
                let mut at = plan.stages.get(plan.target);
                while let Some(found) = at {
                    if found.index == stage.index {
                        return true;
                    }
                    at = match found.base {
                        crate::plan::Base::Stage(base) => plan.stage(base),
                        _ => None,
                    };
                }
                false
            }
        }
    }
}

/// How a build is done.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// `SOURCE_DATE_EPOCH`: no file is younger, and the image is of this time. Without it that is the time of the base image.
    pub epoch: Option<i64>,
    /// Whether results may come from the cache.
    pub use_cache: bool,
    /// Which results are told at the end.
    pub entries: WantedEntries,
    /// How many `RUN`s at once.
    pub jobs: usize,
    /// How new layers are compressed.
    pub compression: LayerCompression,
    /// The build's own folder: it goes with the build.
    pub folder: PathBuf,
    /// A folder in memory for secrets.
    pub secret_folder: Option<PathBuf>,
}

/// Everything that a build works with.
pub struct Workshop<'a> {
    /// What is done.
    pub plan: &'a BuildPlan,
    /// The files that it begins with.
    pub context: &'a Context,
    /// The images that it needs, by their names in the Dockerfile.
    pub images: &'a BTreeMap<WantedImage, SourceImage>,
    /// Secrets by name.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// The sockets of agents by name.
    pub agents: &'a BTreeMap<String, PathBuf>,
    /// The way to addresses.
    pub fetcher: &'a dyn Fetcher,
    /// How.
    pub options: &'a BuildOptions,
    /// Where images are.
    pub lease: &'a Lease,
    /// Where results of steps are.
    pub cache: &'a BuildCache,
}

/// What came out of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltStage {
    /// Its configuration, with layers and history.
    pub config: ImageConfigFile,
    /// Its layers, the lowest first.
    pub layers: Vec<StageLayer>,
    /// How many of its steps came from the cache.
    pub cached: usize,
    /// The results of steps by their keys, as far as they are wanted (`--cache-to`).
    pub entries: Vec<CacheEntry>,
}

/// Builds the target of a plan.
///
/// # Errors
/// The first step that fails; what else runs is stopped.
pub fn build(
    shop: &Workshop<'_>,
    runner: &mut dyn Runner,
    progress: &mut dyn Progress,
) -> Result<BuiltStage, BuildError> {
    let stages = shop.plan.stages.iter().map(StageRun::new).collect();
    let mut execution = Execution { shop, runner, progress, stages, runs: BTreeMap::new(), numbers: 0 };
    let done = execution.all();
    if done.is_err() {
        execution.runner.stop_all();
    }
    done?;
    let mut entries = Vec::new();
    for stage in &mut execution.stages {
        if shop.options.entries.wants(shop.plan, stage.planned) {
            entries.append(&mut stage.entries);
        }
    }
    let result = execution.stages.into_iter().nth(shop.plan.target).map(StageRun::into_result);
    Ok(BuiltStage { entries, ..result.ok_or(BuildError::NoStage)? })
}

/// A `RUN` under way.
struct Under {
    stage: usize,
    number: usize,
    key: Digest,
    began: Instant,
    prepared: prepare::Prepared,
}

struct Execution<'a, 'r> {
    shop: &'a Workshop<'a>,
    runner: &'r mut dyn Runner,
    progress: &'r mut dyn Progress,
    stages: Vec<StageRun<'a>>,
    runs: BTreeMap<RunId, Under>,
    numbers: usize,
}

impl<'a> Execution<'a, '_> {
    fn all(&mut self) -> Result<(), BuildError> {
        loop {
            let mut moved = false;
            for at in 0..self.stages.len() {
                while self.advance(at)? {
                    moved = true;
                }
            }
            if self.stages.iter().all(StageRun::is_done) {
                return Ok(());
            }
            if !self.runs.is_empty() {
                self.wait()?;
            } else if !moved {
                // Excluded by the plan, in which a stage needs earlier ones only.
                return Err(BuildError::NoStage);
            }
        }
    }

    fn stage(&self, at: usize) -> Result<&StageRun<'a>, BuildError> {
        self.stages.get(at).ok_or(BuildError::NoStage)
    }

    fn stage_mut(&mut self, at: usize) -> Result<&mut StageRun<'a>, BuildError> {
        self.stages.get_mut(at).ok_or(BuildError::NoStage)
    }

    /// The stage with this number in the Dockerfile, once it is done.
    fn finished(&self, index: usize) -> Option<&StageRun<'a>> {
        self.stages.iter().find(|stage| stage.planned.index == index && stage.is_done())
    }

    /// Goes on with a stage by one step. Whether it could.
    fn advance(&mut self, at: usize) -> Result<bool, BuildError> {
        let stage = self.stage(at)?;
        if stage.is_waiting() || stage.is_done() {
            return Ok(false);
        }
        if !stage.is_begun() {
            return self.begin(at);
        }
        let planned: &'a PlannedStage = stage.planned;
        let Some(step) = planned.steps.get(stage.next) else { return Ok(false) };
        let ready = step.trees().all(|tree| match tree {
            TreeRef::Stage(index) => self.finished(*index).is_some(),
            TreeRef::Context | TreeRef::Image(_) => true,
        });
        if !ready {
            return Ok(false);
        }
        let failed =
            |source| BuildError::Step { line: step.line, text: step.text.clone(), source: Box::new(source) };
        match &step.kind {
            StepKind::Config => self.stage_mut(at)?.take(step, None),
            StepKind::Workdir(workdir) => self.make_workdir(at, step, workdir).map_err(failed)?,
            StepKind::Copy(copy) => self.copy(at, step, copy).map_err(failed)?,
            StepKind::Run(run) => return self.start(at, step, run).map_err(failed),
        }
        Ok(true)
    }

    fn begin(&mut self, at: usize) -> Result<bool, BuildError> {
        use crate::plan::Base;
        let planned = self.stage(at)?.planned;
        let epoch = self.shop.options.epoch;
        let (layers, history, created) = match &planned.base {
            Base::Scratch => (Vec::new(), Vec::new(), None),
            Base::Image(wanted) => {
                let image = self.image(wanted)?;
                (image.layers.clone(), image.config.history.clone(), image.config.created)
            }
            Base::Stage(index) => match self.finished(*index) {
                None => return Ok(false),
                Some(base) => (base.layers.clone(), base.history.clone(), Some(base.created())),
            },
        };
        let seconds = epoch.unwrap_or_else(|| created.map_or(0, cofferdam_names::Timestamp::unix_seconds));
        self.stage_mut(at)?.begin(layers, history, seconds);
        Ok(true)
    }

    fn image(&self, wanted: &WantedImage) -> Result<&'a SourceImage, BuildError> {
        self.shop.images.get(wanted).ok_or_else(|| BuildError::NoImage { name: wanted.name.clone() })
    }

    /// The label of a step that begins now.
    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    fn label(stage: &StageRun<'a>, step: &'a Step, number: usize) -> StepLabel<'a> {
        let of = stage.planned.steps.len();
        let at = stage.planned.steps.iter().position(|own| std::ptr::eq(own, step)).map_or(0, |at| at + 1);
        StepLabel { number, stage: &stage.planned.name, at, of, text: &step.text }
    }
}
