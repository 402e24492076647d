//! The images that a build begins with.

use std::collections::BTreeMap;
use std::fs::File;

use cofferdam_build::execute::{Fetcher, RunnerError, SourceImage, StageLayer};
use cofferdam_build::plan::{ExternalImage, WantedImage};
use cofferdam_image::registry::{Client, Progress};
use cofferdam_image::{Descriptor, Platform, Store};
use cofferdam_names::{ImageReference, ZoneName};
use cofferdam_policy::{HOST_IMAGE, Zone, admit_image};

use crate::error::{Error, Result};
use crate::{Engine, PullWhen};

/// By what the Dockerfile asks for.
pub(super) type Images = BTreeMap<WantedImage, SourceImage>;

/// How a build comes to what is elsewhere.
pub struct BuildReach<'a> {
    /// The way to registries; asked for when something is fetched.
    pub client: &'a dyn Fn() -> Result<Client>,
    /// Who hears how an image comes in.
    pub watch: &'a dyn Fn(&ImageReference) -> Box<dyn Progress>,
}

/// The most bytes of a file that is fetched.
const MOST_FILE: u64 = 8 << 30;

impl Fetcher for BuildReach<'_> {
    fn fetch(&self, url: &str, into: &mut File) -> std::result::Result<(), RunnerError> {
        (self.client)()?.file(url, MOST_FILE, into)?;
        Ok(())
    }
}

impl std::fmt::Debug for BuildReach<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BuildReach")
    }
}

impl Engine {
    /// Brings images here that are not, and finds them in the store. Each must be one that the zone of the steps admits.
    pub(super) fn build_sources(
        &self,
        needed: &[ExternalImage],
        file: &str,
        zone: &Zone,
        pull: PullWhen,
        reach: &BuildReach<'_>,
    ) -> Result<Images> {
        let mut images = Images::new();
        if needed.is_empty() {
            return Ok(images);
        }
        let store = self.image_store()?;
        for (line, wanted, _) in needed {
            let WantedImage { name, platform } = wanted;
            let failed = |error: Error| {
                let subject = format!("image {name} of {file}:{line}");
                Error::io("begin with", subject, std::io::Error::other(error))
            };
            if name == HOST_IMAGE {
                let why = "the host's own programs are no layers, and stay on the host";
                return Err(failed(Error::io("build on", "image host", std::io::Error::other(why))));
            }
            let found = self
                .bring(reach.client, name, platform, zone, pull, reach.watch)
                .and_then(|_| self.find_image(&store, name))
                .and_then(|image| {
                    let id = image.descriptor.digest.to_string();
                    admit_image(zone, name, &self.origin(name, &id, platform, zone)?)?;
                    source(&store, &image.descriptor, platform)
                });
            images.insert(wanted.clone(), found.map_err(failed)?);
        }
        Ok(images)
    }
}

/// The zone of all steps where none was asked for.
pub(super) fn build_zone() -> Result<ZoneName> {
    "build".parse().map_err(|error| Error::io("name", "the zone", std::io::Error::other(error)))
}

fn source(store: &Store, image: &Descriptor, platform: &Platform) -> Result<SourceImage> {
    let (descriptor, manifest) = store.manifest(image, platform)?;
    let config = store.config(&manifest)?;
    // One that stands alone says itself what it is for. Of this machine's any is taken, as `run` takes it.
    if *platform != Platform::host() && platform.rank(&config.platform).is_none() {
        return Err(cofferdam_image::StoreError::NoPlatform {
            digest: descriptor.digest,
            platform: Box::new(platform.clone()),
            offered: vec![config.platform.to_string()],
        }
        .into());
    }
    let (blobs, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if blobs != diff_ids {
        return Err(cofferdam_image::StoreError::LayerCount { blobs, diff_ids }.into());
    }
    let layers = manifest.layers.iter().zip(&config.diff_ids).map(|(blob, diff_id)| StageLayer {
        diff_id: diff_id.clone(),
        blob: blob.digest.clone(),
        size: blob.size,
        media_type: blob.media_type.to_string(),
    });
    Ok(SourceImage { digest: descriptor.digest, layers: layers.collect(), config })
}
