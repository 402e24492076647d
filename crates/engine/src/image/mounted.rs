//! Images whose files are mounted into containers of others (`--mount type=image`).

use std::collections::BTreeMap;

use cofferdam_image::Platform;
use cofferdam_policy::{ContainerRequest, MountedImage, VolumeKind, Zone};

use super::ReadyImage;
use crate::Engine;
use crate::error::Result;

impl Engine {
    /// Notes what the names of mounted images lead to now: a container keeps its images, whatever becomes of their names.
    pub(crate) fn name_mounted_images(&self, request: &mut ContainerRequest) -> Result<()> {
        for volume in &mut request.volumes {
            if let VolumeKind::Image { image, id: id @ None, .. } = &mut volume.kind {
                let store = self.image_store()?;
                let found = self.find_image(&store, image)?.descriptor;
                // Here, before the definitions are locked: what has to be unpacked takes its time.
                *id = Some(self.ready_stored(&store, &found, &Platform::host())?.id);
            }
        }
        Ok(())
    }

    /// Makes the images of a request ready to be mounted, with all that is checked of an image that runs.
    pub(crate) fn mounted_images(
        &self,
        request: &ContainerRequest,
        zone: &Zone,
    ) -> Result<BTreeMap<String, MountedImage>> {
        let mut images = BTreeMap::new();
        for (name, id) in request.mounted_images() {
            let Some(id) = id else { continue };
            let ReadyImage { id, layers: lower, stack, .. } = self.ready_again(id, &Platform::host())?;
            let origin = self.origin(name, &id, &Platform::host(), zone)?;
            images.insert(name.to_owned(), MountedImage { id, lower, stack, origin });
        }
        Ok(images)
    }
}
