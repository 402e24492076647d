//! Names of imported images: one file that holds them all.

use cofferdam_names::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Locked, Store, StoreError, VERSION, failed};

/// The file's name. Its dot keeps it out of the containers.
const FILE: &str = ".images.json";

/// One image by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub(crate) name: String,
    /// The name of its folder below `images`.
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    /// Bytes of its files.
    pub(crate) size: u64,
    /// [`cofferdam_policy::ImageConfig`] as JSON.
    pub(crate) config: String,
}

/// What the file holds. Images are in the order of their names.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    version: u32,
    images: Vec<ImageRecord>,
}

impl Index {
    fn has(&self, id: &str) -> bool {
        self.images.iter().any(|image| image.id == id)
    }
}

impl Store {
    fn index(&self) -> Result<Index, StoreError> {
        let Some(text) = self.read(FILE)? else { return Ok(Index { version: VERSION, images: Vec::new() }) };
        let index: Index = serde_json::from_slice(&text)
            .map_err(|source| StoreError::NotUnderstood { path: self.folder.join(FILE), source })?;
        if index.version > VERSION {
            return Err(StoreError::Newer { path: self.folder.join(FILE), found: index.version });
        }
        Ok(index)
    }

    fn write_index(&self, locked: &Locked, index: &Index) -> Result<(), StoreError> {
        let text = serde_json::to_vec(index);
        self.write(
            locked,
            FILE,
            &text.map_err(|error| failed("write", &self.folder.join(FILE))(error.into()))?,
        )
    }

    /// Gives an image a name; a name that another image had moves. The id that lost the name, if that was its last.
    pub(crate) fn put_image(&self, image: &ImageRecord) -> Result<Option<String>, StoreError> {
        let locked = self.lock()?;
        let mut index = self.index()?;
        let old = match index.images.binary_search_by(|other| other.name.cmp(&image.name)) {
            Ok(at) => index.images.get_mut(at).map(|place| std::mem::replace(place, image.clone())),
            Err(at) => {
                index.images.insert(at, image.clone());
                None
            }
        };
        self.write_index(&locked, &index)?;
        Ok(old.map(|old| old.id).filter(|id| !index.has(id)))
    }

    /// The image of this name.
    pub(crate) fn image(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        Ok(self.index()?.images.into_iter().find(|image| image.name == name))
    }

    /// Whether an image of this id has a name.
    pub(super) fn has_image(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.index()?.has(id))
    }

    /// All images, by name.
    pub(crate) fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        Ok(self.index()?.images)
    }

    /// Takes a name away. A container that uses the image stops it.
    pub(crate) fn delete_image(&self, name: &str) -> Result<ImageRemoval, StoreError> {
        let locked = self.lock()?;
        let mut index = self.index()?;
        let Some(at) = index.images.iter().position(|image| image.name == name) else {
            return Ok(ImageRemoval::Missing);
        };
        let id = index.images.remove(at).id;
        let last = !index.has(&id);
        if last && let Some(user) = self.containers()?.into_iter().find(|record| record.image_id == id) {
            return Ok(ImageRemoval::InUse(user.id.to_string()));
        }
        self.write_index(&locked, &index)?;
        Ok(if last { ImageRemoval::Last(id) } else { ImageRemoval::Untagged })
    }

    /// Whether an image or a container still needs this image folder.
    pub(crate) fn image_in_use(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.index()?.has(id) || self.containers()?.iter().any(|record| record.image_id == id))
    }
}

/// What became of an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageRemoval {
    /// There was none.
    Missing,
    /// This container uses the image.
    InUse(String),
    /// The name is gone; the image has others.
    Untagged,
    /// The name is gone, and it was the last of the image with this id.
    Last(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_between_images_and_the_last_one_frees_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("definitions"));
        let image = |name: &str, id: &str| ImageRecord {
            name: name.into(),
            id: id.into(),
            created: Timestamp::from_unix(0, 0),
            size: 7,
            config: "{}".into(),
        };
        assert_eq!(store.put_image(&image("b", "1")).unwrap(), None);
        assert_eq!(store.put_image(&image("a", "1")).unwrap(), None);
        assert_eq!(store.put_image(&image("a", "2")).unwrap(), None);
        assert_eq!(store.put_image(&image("b", "2")).unwrap(), Some("1".into()));
        assert!(!store.image_in_use("1").unwrap());
        assert_eq!(store.image("a").unwrap(), Some(image("a", "2")));
        assert_eq!(store.images().unwrap().len(), 2);
        assert!(store.container_ids().unwrap().is_empty());
        assert_eq!(store.delete_image("x").unwrap(), ImageRemoval::Missing);
        assert_eq!(store.delete_image("a").unwrap(), ImageRemoval::Untagged);
        assert_eq!(store.delete_image("b").unwrap(), ImageRemoval::Last("2".into()));
    }
}
