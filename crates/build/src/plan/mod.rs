//! From a Dockerfile to what is done: stages, their steps with all variables replaced, and what each stage's configuration
//! becomes. Nothing of it depends on what a step does, so all of it is known before the first one runs.

mod address;
mod arguments;
mod changes;
mod error;
mod mounts;
mod network_ports;
mod reachable;
mod stage;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_image::{ImageConfigFile, Platform};

use crate::dockerfile::{Dockerfile, Problem};

pub use changes::change_config;
pub use error::PlanError;
pub use reachable::{ExternalImage, external_images};
pub use steps::{
    CacheBase, CopyStep, FileSource, RunStep, SecretUse, Step, StepKind, StepMount, StepMountKind,
    StepNetwork, TreeRef, WorkdirStep,
};

pub(crate) use address::file_name;
use arguments::Globals;
pub(crate) use stage::SCRIPT_PATH;

/// What a person asks of a build beside the Dockerfile.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// `--build-arg`
    pub build_args: BTreeMap<String, String>,
    /// `--target`
    pub target: Option<String>,
    /// `--platform`; the host's without one.
    pub platform: Platform,
    /// Whether programs of a platform that is not this machine's run here.
    pub runs_others: fn(&Platform) -> bool,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--network`: what a `RUN` has that says nothing of it, and the most that one gets.
    pub network: StepNetwork,
    /// `--add-host`
    pub hosts: Vec<String>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            build_args: BTreeMap::new(),
            target: None,
            platform: Platform::host(),
            runs_others: |_| false,
            labels: BTreeMap::new(),
            network: StepNetwork::None,
            hosts: Vec::new(),
        }
    }
}

/// An image that a build uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedImage {
    /// As it is named in the Dockerfile, with variables replaced.
    pub name: String,
    /// For which platform.
    pub platform: Platform,
}

impl std::fmt::Display for WantedImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An image.
    Image(WantedImage),
    /// An earlier stage.
    Stage(usize),
}

/// A stage with everything replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStage {
    /// Its number in the Dockerfile.
    pub index: usize,
    /// Its name, or its number.
    pub name: String,
    /// The line of its `FROM`.
    pub line: usize,
    /// What it begins with.
    pub base: Base,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Its configuration at the end; layers and history are those of the base.
    pub config: ImageConfigFile,
}

/// Everything that a build does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The stages that count, in the order of the Dockerfile: a stage comes after those that it uses.
    pub stages: Vec<PlannedStage>,
    /// Where in `stages` the result is.
    pub target: usize,
    /// Images that are used beside bases (`COPY --from=image`).
    pub images: BTreeSet<WantedImage>,
    /// Build arguments that no `ARG` names.
    pub unused_arguments: Vec<String>,
}

impl BuildPlan {
    /// The stage of this number in the Dockerfile.
    #[must_use]
    pub fn stage(&self, index: usize) -> Option<&PlannedStage> {
        self.stages.iter().find(|stage| stage.index == index)
    }
}

/// Plans a build. `bases` are the configurations of [`external_images`] that stages begin with.
///
/// # Errors
/// [`PlanError`]
pub fn plan(
    file: &Dockerfile,
    options: &PlanOptions,
    bases: &BTreeMap<WantedImage, ImageConfigFile>,
) -> Result<BuildPlan, PlanError> {
    let last_line = file.stages.last().map_or(1, |stage| stage.from.line);
    let target = file.target(options.target.as_deref()).map_err(|problem: Problem| problem.at(last_line))?;
    let globals = Globals::new(file, options)?;
    let needed = reachable::stages(file, target, &globals)?;
    let mut stages: Vec<PlannedStage> = Vec::new();
    let mut images = BTreeSet::new();
    let mut used: BTreeSet<String> = globals.used.clone();
    for index in needed {
        let planned = stage::plan_stage(file, index, &globals, &stages, bases, &mut used)?;
        images.extend(planned.steps.iter().flat_map(Step::images).cloned());
        stages.push(planned);
    }
    let at = stages.iter().position(|stage| stage.index == target).unwrap_or(stages.len().saturating_sub(1));
    if let Some(result) = stages.get_mut(at) {
        result.config.labels.extend(options.labels.clone());
    }
    let unused_arguments = options
        .build_args
        .keys()
        .filter(|name| !used.contains(*name) && !arguments::is_predefined(name))
        .cloned()
        .collect();
    Ok(BuildPlan { stages, target: at, images, unused_arguments })
}

#[cfg(test)]
mod tests;
