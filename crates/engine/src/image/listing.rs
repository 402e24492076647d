//! Which images there are, and their end.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cofferdam_names::Timestamp;
use cofferdam_policy::ImageConfig;

use super::import::{ImageSummary, summary};
use crate::error::{Error, Result};
use crate::removal::remove_tree;
use crate::store::{ImageRecord, ImageRemoval};
use crate::{Engine, Selection};

/// What `image inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDetails {
    /// Its id.
    pub id: String,
    /// All of its names.
    pub names: Vec<String>,
    /// When it was imported.
    pub created: Timestamp,
    /// Bytes of its files.
    pub size: u64,
    /// What it says of its containers.
    pub config: ImageConfig,
    /// Its files on the host.
    pub root: PathBuf,
}

impl Engine {
    /// All imported images, by name.
    ///
    /// # Errors
    /// The definitions cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        self.clean_images()?;
        Ok(self.store.images()?.into_iter().map(summary).collect())
    }

    /// Takes a name away, and the image with its last one.
    ///
    /// # Errors
    /// There is none of this name, or a container uses it.
    pub fn remove_image(&self, name: &str) -> Result<()> {
        match self.store.delete_image(name)? {
            ImageRemoval::Missing => return Err(Error::NoImage { name: name.to_owned() }),
            ImageRemoval::InUse(user) => {
                let user = user.get(..12).unwrap_or(&user).to_owned();
                return Err(Error::ImageInUse { name: name.to_owned(), user });
            }
            ImageRemoval::Untagged => {}
            ImageRemoval::Last(id) => remove_tree(&self.paths.images().join(id))?,
        }
        self.tell_of_image("delete", name);
        Ok(())
    }

    /// One image, by a name, or its id or the beginning of it.
    ///
    /// # Errors
    /// There is none, or several ids begin so.
    pub fn image(&self, word: &str) -> Result<ImageDetails> {
        let records = self.store.images()?;
        let ids: BTreeSet<&str> = records
            .iter()
            .filter(|record| !word.is_empty() && record.id.starts_with(word))
            .map(|record| record.id.as_str())
            .collect();
        let id = match (records.iter().find(|record| record.name == word), ids.len()) {
            (Some(named), _) => named.id.clone(),
            (None, 1) => ids.into_iter().next().unwrap_or_default().to_owned(),
            (None, 0) => return Err(Error::NoImage { name: word.to_owned() }),
            (None, _) => return Err(Error::AmbiguousImage { word: word.to_owned() }),
        };
        let same: Vec<ImageRecord> = records.into_iter().filter(|record| record.id == id).collect();
        let Some(first) = same.first() else { return Err(Error::NoImage { name: word.to_owned() }) };
        Ok(ImageDetails {
            config: config(first)?,
            created: first.created,
            size: first.size,
            root: self.paths.images().join(&id).join("root"),
            names: same.iter().map(|record| record.name.clone()).collect(),
            id,
        })
    }

    /// Removes the images of a selection that no container uses; those with a name only on demand. Answers what was
    /// removed and the bytes that were freed.
    ///
    /// # Errors
    /// They cannot be read, or one cannot be removed.
    pub fn prune_images(&self, all: bool, which: &Selection) -> Result<(Vec<String>, u64)> {
        let (mut removed, mut freed) = (Vec::new(), 0u64);
        self.clean_images()?;
        for record in self.store.images()? {
            if !all || !which.has(record.created, &config(&record)?.labels) {
                continue;
            }
            match self.remove_image(&record.name) {
                Ok(()) => {
                    freed = freed.saturating_add(record.size);
                    removed.push(record.name);
                }
                Err(Error::NoImage { .. } | Error::ImageInUse { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((removed, freed))
    }
}

fn config(record: &ImageRecord) -> Result<ImageConfig> {
    serde_json::from_str(&record.config)
        .map_err(|error| Error::io("understand", format!("image {}", record.name), error.into()))
}
