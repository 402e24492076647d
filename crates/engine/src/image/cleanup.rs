//! Removes what belongs to no image any more: what a killed import has left, and images whose last name has moved to another
//! one while a container still used them.

use super::claim::Claim;
use super::import::IMPORTING;
use crate::Engine;
use crate::error::{Error, Result};
use crate::recovery::is_engine_id;
use crate::removal::remove_tree;

impl Engine {
    /// Removes the folders of no image.
    ///
    /// # Errors
    /// They cannot be listed, or one cannot be removed.
    pub(crate) fn clean_images(&self) -> Result<()> {
        let images = self.paths.images();
        let failed = |source| Error::io("list", images.display(), source);
        let entries = match std::fs::read_dir(&images) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let importing = name.starts_with(IMPORTING);
            // The skeletons of image `host` have other names, and are not ours to judge.
            if !(importing || is_engine_id(&name)) {
                continue;
            }
            // Claimed folders are looked at first: whoever gives up a claim has named the image before.
            match Claim::is_taken(&entry.path()) {
                Ok(false) => {}
                // Taken, or gone since the folder was read.
                _ => continue,
            }
            if importing || !self.store.image_in_use(&name)? {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}
