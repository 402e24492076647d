//! Images come from registries and go there.

use cofferdam_image::StoreError;
use cofferdam_image::registry::{Client, Progress, PullOptions, Pulled, PushOptions};
use cofferdam_image::{Descriptor, Platform, Store};
use cofferdam_names::ImageReference;
use cofferdam_policy::{ContainerRequest, Zone, check_pull};

use crate::error::{Error, Result};
use crate::{Engine, emulation};

/// When an image is fetched for a new container (`--pull`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullWhen {
    /// Where it is not here.
    #[default]
    Missing,
    /// Always: its name may lead to something newer.
    Always,
    /// Never.
    Never,
}

impl Engine {
    /// Pulls an image from its registry.
    ///
    /// # Errors
    /// The registry cannot be used, gives something else than was asked for, or the store cannot be written.
    pub fn pull_image(
        &self,
        client: &Client,
        name: &ImageReference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Pulled> {
        super::new_name(&name.to_string())?;
        let store = self.image_store()?;
        let lease = store.lease()?;
        let pulled = client.pull(&lease, name, options, progress)?;
        self.tell_of_image("pull", &name.familiar());
        Ok(pulled)
    }

    /// Pushes an image to its registry. Answers what its name leads to there.
    ///
    /// # Errors
    /// There is no such image here, or not all of it; the registry cannot be used.
    pub fn push_image(
        &self,
        client: &Client,
        name: &ImageReference,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Descriptor> {
        let store = self.image_store()?;
        if store.reference(name)?.is_none() {
            return Err(Error::NoImage { name: name.familiar() });
        }
        let pushed = client.push(&store, name, options, progress)?;
        self.tell_of_image("push", &name.familiar());
        Ok(pushed)
    }

    /// The names of an image's repository that are here, for `push --all-tags`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn tags_of(&self, name: &ImageReference) -> Result<Vec<ImageReference>> {
        let same = |other: &ImageReference| {
            other.registry() == name.registry()
                && other.repository() == name.repository()
                && other.digest().is_none()
        };
        let names = self.image_store()?.references()?.into_iter().map(|(name, _)| name);
        Ok(names.filter(same).collect())
    }

    /// Brings the image of a new container here, with the signatures that its zone wants, as far as that is wanted. From where the
    /// zone does not allow images, nothing is fetched. Answers what was pulled.
    ///
    /// # Errors
    /// As [`Engine::pull_image`]; it is no name that could be pulled, or the zone does not allow it.
    pub fn bring_image<C: Into<Error>>(
        &self,
        client: impl Fn() -> std::result::Result<Client, C>,
        request: &ContainerRequest,
        when: PullWhen,
        progress: impl FnOnce(&ImageReference) -> Box<dyn Progress>,
    ) -> Result<Option<Pulled>> {
        if request.is_host_image() || when == PullWhen::Never {
            return Ok(None);
        }
        let platform = emulation::asked(request)?;
        // Before anything is fetched for nothing.
        emulation::check(&platform)?;
        let zone = self.zone_of(&request.image, request.zone.as_ref())?;
        self.bring(client, &request.image, &platform, &zone, when, progress)
    }

    /// The same for whatever a zone needs an image for.
    pub(crate) fn bring<C: Into<Error>>(
        &self,
        client: impl Fn() -> std::result::Result<Client, C>,
        word: &str,
        platform: &Platform,
        zone: &Zone,
        when: PullWhen,
        progress: impl FnOnce(&ImageReference) -> Box<dyn Progress>,
    ) -> Result<Option<Pulled>> {
        if when == PullWhen::Never {
            return Ok(None);
        }
        let pulled = if when == PullWhen::Missing && is_here(&self.image_store()?, word, platform)? {
            None
        } else {
            let name: ImageReference = word
                .parse()
                .map_err(|error| Error::io("pull", format!("image {word}"), std::io::Error::other(error)))?;
            check_pull(zone, &name, word)?;
            let client = client().map_err(Into::into)?;
            let other = (*platform != Platform::host()).then(|| platform.clone());
            Some(self.pull_image(&client, &name, &PullOptions { platform: other }, &*progress(&name))?)
        };
        self.bring_signatures(client, word, platform, zone)?;
        Ok(pulled)
    }
}

/// Whether all of an image is here, as far as this machine needs it. One that is here and is not what it should be is an error:
/// to fetch it anew in silence would hide that somebody changed it.
fn is_here(store: &Store, word: &str, platform: &Platform) -> Result<bool> {
    let found = store.resolve(word).and_then(|image| store.manifest(&image.descriptor, platform));
    let manifest = match found {
        Ok((_, manifest)) => manifest,
        Err(StoreError::NoImage { .. } | StoreError::NoBlob { .. } | StoreError::NoPlatform { .. }) => {
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    if !store.contains(&manifest.config.digest) {
        return Ok(false);
    }
    let config = store.config(&manifest)?;
    for (blob, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
        if !store.contains(&blob.digest) && store.layer(diff_id)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
