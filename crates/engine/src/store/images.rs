//! Rows of imported images.

use cofferdam_names::Timestamp;
use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::{Store, StoreError, failed};

/// One image by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
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

fn record(row: &Row<'_>) -> rusqlite::Result<Result<ImageRecord, StoreError>> {
    let created: String = row.get(2)?;
    let size: i64 = row.get(3)?;
    let (name, id, config) = (row.get(0)?, row.get(1)?, row.get(4)?);
    Ok((|| {
        let created =
            created.parse().map_err(|_| StoreError::Malformed { what: "a time", text: created.clone() })?;
        Ok(ImageRecord { name, id, created, size: u64::try_from(size).unwrap_or(0), config })
    })())
}

#[allow(dead_code, reason = "the commands that change images come with `image import`")]
impl Store {
    /// Gives an image a name; a name that another image had moves. The id that lost the name, if that was its last.
    pub(crate) fn put_image(&mut self, image: &ImageRecord) -> Result<Option<String>, StoreError> {
        let fail = failed("add an image");
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let old: Option<String> = transaction
            .query_row("SELECT id FROM image WHERE name = ?1", [&image.name], |row| row.get(0))
            .optional()
            .map_err(&fail)?;
        let size = i64::try_from(image.size).unwrap_or(i64::MAX);
        transaction
            .execute(
                "INSERT OR REPLACE INTO image (name, id, created, size, config) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![image.name, image.id, image.created.to_string(), size, image.config],
            )
            .map_err(&fail)?;
        let orphan = match old {
            Some(old) => {
                let used: bool = transaction
                    .query_row("SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1)", [&old], |row| row.get(0))
                    .map_err(&fail)?;
                (!used).then_some(old)
            }
            None => None,
        };
        transaction.commit().map_err(&fail)?;
        Ok(orphan)
    }

    /// The image of this name.
    pub(crate) fn image(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        let fail = failed("read an image");
        let mut query = self
            .db
            .prepare("SELECT name, id, created, size, config FROM image WHERE name = ?1")
            .map_err(&fail)?;
        query.query_row([name], record).optional().map_err(&fail)?.transpose()
    }

    /// All images, by name.
    pub(crate) fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let fail = failed("list images");
        let mut query = self
            .db
            .prepare("SELECT name, id, created, size, config FROM image ORDER BY name")
            .map_err(&fail)?;
        let rows = query.query_map([], record).map_err(&fail)?;
        rows.map(|row| row.map_err(&fail)?).collect()
    }

    /// Takes a name away. The ids of containers that use the image stop it.
    pub(crate) fn delete_image(&mut self, name: &str) -> Result<ImageRemoval, StoreError> {
        let fail = failed("remove an image");
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let id: Option<String> = transaction
            .query_row("SELECT id FROM image WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(&fail)?;
        let Some(id) = id else { return Ok(ImageRemoval::Missing) };
        let count = |sql: &str| transaction.query_row(sql, [&id], |row| row.get::<_, i64>(0)).map_err(&fail);
        let names = count("SELECT count(*) FROM image WHERE id = ?1")?;
        if names == 1 {
            let user: Option<String> = transaction
                .query_row("SELECT id FROM container WHERE image_id = ?1 LIMIT 1", [&id], |row| row.get(0))
                .optional()
                .map_err(&fail)?;
            if let Some(user) = user {
                return Ok(ImageRemoval::InUse(user));
            }
        }
        transaction.execute("DELETE FROM image WHERE name = ?1", [name]).map_err(&fail)?;
        transaction.commit().map_err(&fail)?;
        Ok(if names == 1 { ImageRemoval::Last(id) } else { ImageRemoval::Untagged })
    }

    /// Whether an image or a container still needs this image folder.
    pub(crate) fn image_in_use(&self, id: &str) -> Result<bool, StoreError> {
        self.db
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1) OR EXISTS (SELECT 1 FROM container WHERE image_id = ?1)",
                [id],
                |row| row.get(0),
            )
            .map_err(failed("look for users of an image"))
    }
}

/// What became of an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "as above")]
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
        let mut store = Store::open(&folder.path().join("state.db")).unwrap();
        let image = |name: &str, id: &str| ImageRecord {
            name: name.into(),
            id: id.into(),
            created: Timestamp::from_unix(0, 0),
            size: 7,
            config: "{}".into(),
        };
        assert_eq!(store.put_image(&image("a", "1")).unwrap(), None);
        assert_eq!(store.put_image(&image("b", "1")).unwrap(), None);
        assert_eq!(store.put_image(&image("a", "2")).unwrap(), None);
        assert_eq!(store.put_image(&image("b", "2")).unwrap(), Some("1".into()));
        assert!(!store.image_in_use("1").unwrap());
        assert_eq!(store.image("a").unwrap(), Some(image("a", "2")));
        assert_eq!(store.images().unwrap().len(), 2);
        assert_eq!(store.delete_image("x").unwrap(), ImageRemoval::Missing);
        assert_eq!(store.delete_image("a").unwrap(), ImageRemoval::Untagged);
        assert_eq!(store.delete_image("b").unwrap(), ImageRemoval::Last("2".into()));
    }
}
