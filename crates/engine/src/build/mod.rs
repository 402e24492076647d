//! `build`: images of Dockerfiles.

mod agent;
mod aside;
mod exchange;
mod output;
mod recipe;
mod runner;
mod session;
mod sources;
mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_build::dockerfile::Dockerfile;
use cofferdam_build::execute::{
    BuildCache, BuildError, BuildOptions, CacheUse, Progress, Runner, Workshop, build,
};
use cofferdam_build::plan::{BuildPlan, PlanError, PlanOptions, StepNetwork, external_images, plan};
use cofferdam_image::{Descriptor, LayerCompression, LayerForm, Reached};
use cofferdam_names::{ImageReference, ZoneName};
use cofferdam_policy::{NetworkAccess, Zone};

use crate::error::{Error, Result};
use crate::own_namespace::{as_root, has_ranges, own_maps, subordinate_maps};
use crate::{Engine, PullWhen};
pub use exchange::{CacheExport, CachePlace};
use output::Made;
use recipe::Recipe;
pub use recipe::{BuildFile, BuildSource};
use runner::StepRunner;
use session::Session;
pub use sources::BuildReach;

/// The most bytes of layers that the build cache keeps after a build.
const CACHE_BYTES: u64 = 10 << 30;

/// What becomes of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildOutput {
    /// It is an image of the store.
    Image,
    /// Its files go into a folder.
    Local(PathBuf),
    /// Its files go into a tar; none for standard output.
    Tar(Option<PathBuf>),
}

/// A build as it was asked for.
pub struct BuildRequest {
    /// Where Dockerfile and files come from.
    pub source: BuildSource,
    /// Arguments, target, platform, labels.
    pub plan: PlanOptions,
    /// The names that the image gets.
    pub tags: Vec<ImageReference>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Sockets of agents by name.
    pub agents: BTreeMap<String, PathBuf>,
    /// The zone of the steps; absent for the built-in zone `build`.
    pub zone: Option<ZoneName>,
    /// When base images are fetched.
    pub pull: PullWhen,
    /// Whether results of earlier builds count.
    pub use_cache: bool,
    /// Where results of steps come from beside the cache of this machine.
    pub cache_from: Vec<CachePlace>,
    /// Where results of steps go.
    pub cache_to: Vec<CacheExport>,
    /// How many steps at once.
    pub jobs: usize,
    /// `SOURCE_DATE_EPOCH`
    pub epoch: Option<i64>,
    /// How new layers are compressed.
    pub compression: LayerCompression,
    /// Whether the result says which packages are in it.
    pub sbom: bool,
    /// Whether the result says how it was made.
    pub provenance: bool,
    /// What becomes of the result.
    pub output: BuildOutput,
}

/// What came of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What leads to the image: its manifest, or an index of it and of what is said of it. None for files.
    pub image: Option<Descriptor>,
    /// The image's manifest.
    pub manifest: Option<Descriptor>,
    /// What leads to its configuration.
    pub config: Option<Descriptor>,
    /// How many steps were not done, because their results were there.
    pub cached: usize,
}

impl Engine {
    /// Builds an image.
    ///
    /// # Errors
    /// The Dockerfile cannot be carried out, an image is not here, or a step fails. Then nothing is left but the results of
    /// the steps before, in the cache.
    pub fn build(
        &self,
        mut request: BuildRequest,
        reach: &BuildReach<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Built> {
        self.clean_builds()?;
        let maps = own_maps()?;
        let zone = match &request.zone {
            Some(name) => self.zones().load(name)?,
            None => self.zones().load(&sources::build_zone()?)?,
        };
        // What a step has, not what was asked for, is part of what its result depends on.
        if request.plan.network == StepNetwork::Zone && zone.network.mode.value == NetworkAccess::None {
            request.plan.network = StepNetwork::None;
        }
        let session = Session::begin(&self.paths)?;
        let recipe = Recipe::read(&mut request.source, session.folder())?;
        let failed = |source| Error::Build { file: recipe.name.clone(), source: Box::new(source) };
        let (file, plan, images) = self.build_plan(&request, &recipe, &zone, reach)?;
        for name in &plan.unused_arguments {
            progress.note(&format!("build argument {name} is used by no ARG"));
        }
        if let Some(syntax) = &file.directives.syntax {
            tracing_note(progress, syntax);
        }
        let cache = BuildCache::open(&self.paths.builder()).map_err(failed)?;
        let store = match &maps {
            Some(maps) if has_ranges(maps) => self.image_store()?.with_form(LayerForm::Owned),
            _ => self.image_store()?,
        };
        // Held to the end: nothing that the build needs is collected meanwhile.
        let lease = store.lease()?;
        for place in request.cache_from.iter().filter(|_| request.use_cache) {
            exchange::import(place, &zone, &lease, &cache, reach, progress)?;
        }
        let options = BuildOptions {
            entries: exchange::wanted(&request.cache_to),
            epoch: request.epoch,
            use_cache: request.use_cache,
            jobs: request.jobs,
            compression: request.compression,
            folder: session.folder().to_owned(),
            secret_folder: session.secrets().map(std::path::Path::to_owned),
        };
        let shop = Workshop {
            plan: &plan,
            context: &recipe.context,
            images: &images,
            secrets: &request.secrets,
            agents: &request.agents,
            fetcher: reach,
            options: &options,
            lease: &lease,
            cache: &cache,
        };
        let mut runner = StepRunner::new(self, &session, &zone.name.value);
        let work = |runner: &mut dyn Runner, progress: &mut dyn Progress| {
            let stage = build(&shop, runner, progress)?;
            output::write(&request, &shop, stage)
        };
        let made = match &maps {
            None => work(&mut runner, progress),
            Some(maps) => aside::build(maps, &mut runner, progress, work),
        };
        let mut made = made.map_err(failed)?;
        let entries = std::mem::take(&mut made.stage.entries);
        let built = self.put_out(&request, &recipe, &shop, made)?;
        for place in &request.cache_to {
            exchange::export(place, &entries, &lease, reach, progress)?;
        }
        // A cache that cannot be cut now is cut after the next build.
        let _ = cache.prune(None, CACHE_BYTES);
        Ok(built)
    }

    /// What the build cache holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn build_cache_use(&self) -> Result<CacheUse> {
        self.build_cache()?.usage().map_err(cache_failed)
    }

    /// Removes results of steps that nobody used for so long, and then the least used ones until they have at most so many
    /// bytes. What has gone.
    ///
    /// # Errors
    /// It cannot be read, or a file cannot be removed.
    pub fn prune_build_cache(&self, older: Option<std::time::Duration>, most_bytes: u64) -> Result<CacheUse> {
        self.clean_builds()?;
        let cache = self.build_cache()?;
        let mut gone = cache.prune(older, most_bytes).map_err(cache_failed)?;
        if most_bytes == 0
            && let Some(_nobody_builds) = self.between_builds()?
        {
            let prune = || cache.prune_mounts().map_err(cache_failed);
            gone.bytes += match subordinate_maps()? {
                None => prune()?,
                Some(maps) => as_root(&maps, "remove caches of steps", prune)?,
            };
        }
        self.collect_images(&self.image_store()?)?;
        Ok(gone)
    }

    /// The layers that the build cache leads to; none where nothing was built yet.
    pub(crate) fn build_cache_reached(&self) -> Result<Reached> {
        if self.paths.builder().exists() {
            self.build_cache()?.reached().map_err(cache_failed)
        } else {
            Ok(Reached::default())
        }
    }

    fn build_cache(&self) -> Result<BuildCache> {
        BuildCache::open(&self.paths.builder()).map_err(cache_failed)
    }

    fn build_plan(
        &self,
        request: &BuildRequest,
        recipe: &Recipe,
        zone: &Zone,
        reach: &BuildReach<'_>,
    ) -> Result<(Dockerfile, BuildPlan, sources::Images)> {
        let failed = |why: PlanError| Error::Plan {
            file: recipe.name.clone(),
            why: Box::new(why.located(&recipe.text)),
        };
        let file = Dockerfile::parse(&recipe.text).map_err(|error| failed(error.into()))?;
        let needed = external_images(&file, &request.plan).map_err(failed)?;
        let images = self.build_sources(&needed, &recipe.name, zone, request.pull, reach)?;
        let configs = images.iter().map(|(wanted, image)| (wanted.clone(), image.config.clone())).collect();
        let plan = plan(&file, &request.plan, &configs).map_err(failed)?;
        Ok((file, plan, images))
    }

    /// Puts an image into the store. Files have been written.
    fn put_out(
        &self,
        request: &BuildRequest,
        recipe: &Recipe,
        shop: &Workshop<'_>,
        made: Made,
    ) -> Result<Built> {
        let cached = made.stage.cached;
        if request.output != BuildOutput::Image {
            return Ok(Built { image: None, manifest: None, config: None, cached });
        }
        let said = output::attestations(request, recipe, shop, &made);
        let put = output::image(shop.lease, made.stage, said, &request.tags)?;
        for name in &request.tags {
            self.tell_of_image("tag", &name.familiar());
        }
        Ok(Built { cached, ..put })
    }
}

fn tracing_note(progress: &mut dyn Progress, syntax: &str) {
    progress.note(&format!("# syntax={syntax} is not followed: Dockerfiles are read by this program alone"));
}

fn cache_failed(source: BuildError) -> Error {
    Error::Build { file: "the build cache".to_owned(), source: Box::new(source) }
}
