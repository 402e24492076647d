//! Rows of containers.

use cofferdam_names::{ContainerId, ContainerName, Timestamp, ZoneName};
use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::range::{COUNT, Slot};
use super::{Store, StoreError, failed};

/// One container's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: ContainerId,
    pub(crate) name: ContainerName,
    pub(crate) slot: Option<Slot>,
    pub(crate) created: Timestamp,
    pub(crate) image_id: String,
    pub(crate) zone: ZoneName,
    /// The request as JSON.
    pub(crate) request: String,
}

/// A definition to be made.
#[derive(Debug)]
pub(crate) struct NewContainer<'a> {
    pub(crate) id: &'a ContainerId,
    /// The wanted name; none to try `candidates` one after another.
    pub(crate) name: Option<&'a ContainerName>,
    pub(crate) created: Timestamp,
    pub(crate) image_id: &'a str,
    pub(crate) request: &'a str,
    /// Whether it needs a range of host ids.
    pub(crate) wants_range: bool,
}

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    One(ContainerId),
    None,
    Several,
}

const COLUMNS: &str = "id, name, slot, created, image_id, zone, request";

/// The lowest slot that no row has: 0, or the one behind a slot whose successor is free.
const LOWEST_FREE: &str = "
    SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM container WHERE slot = 0) THEN 0
    ELSE (SELECT min(a.slot) + 1 FROM container a
          WHERE a.slot IS NOT NULL AND NOT EXISTS (SELECT 1 FROM container b WHERE b.slot = a.slot + 1)) END";

fn parsed<T: std::str::FromStr>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
) -> rusqlite::Result<Result<T, StoreError>> {
    let text: String = row.get(column)?;
    Ok(text.parse().map_err(|_| StoreError::Malformed { what, text }))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Result<Record, StoreError>> {
    let id = parsed(row, 0, "a container id")?;
    let name = parsed(row, 1, "a container name")?;
    let slot: Option<i64> = row.get(2)?;
    let created = parsed(row, 3, "a time")?;
    let (image_id, request) = (row.get(4)?, row.get(6)?);
    let zone = parsed(row, 5, "a zone name")?;
    let slot = slot
        .map(|number| {
            let malformed = || StoreError::Malformed { what: "an id range", text: number.to_string() };
            Slot::from_number(number).ok_or_else(malformed)
        })
        .transpose();
    Ok((|| {
        Ok(Record { id: id?, name: name?, slot: slot?, created: created?, image_id, zone: zone?, request })
    })())
}

impl Store {
    /// Makes a definition in one transaction. `decide` gets the id range that would be the container's and answers
    /// its zone, with anything else it worked out; if it fails, nothing was made.
    pub(crate) fn insert<T, E: From<StoreError>>(
        &mut self,
        new: &NewContainer<'_>,
        mut candidates: impl Iterator<Item = ContainerName>,
        decide: impl FnOnce(Option<Slot>) -> Result<(ZoneName, T), E>,
    ) -> Result<(ContainerName, T), E> {
        let fail = failed("add a container");
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let owner = |name: &ContainerName| {
            transaction
                .prepare("SELECT id FROM container WHERE name = ?1")
                .and_then(|mut query| {
                    query.query_row([name.as_str()], |row| row.get::<_, String>(0)).optional()
                })
                .map_err(failed("look for a container name"))
        };
        let name = match new.name {
            Some(name) => match owner(name)? {
                Some(owner) => return Err(StoreError::NameInUse { name: name.to_string(), owner }.into()),
                None => name.clone(),
            },
            None => loop {
                let Some(name) = candidates.next() else {
                    let (name, owner) = ("(generated)".to_owned(), String::new());
                    return Err(StoreError::NameInUse { name, owner }.into());
                };
                if owner(&name)?.is_none() {
                    break name;
                }
            },
        };
        let slot = if new.wants_range {
            let number: i64 = transaction.query_row(LOWEST_FREE, [], |row| row.get(0)).map_err(&fail)?;
            Some(Slot::from_number(number).ok_or(StoreError::NoRange(COUNT))?)
        } else {
            None
        };
        let (zone, answer) = decide(slot)?;
        let values = params![
            new.id.as_str(),
            name.as_str(),
            slot.map(Slot::number),
            new.created.to_string(),
            new.image_id,
            zone.as_str(),
            new.request,
        ];
        transaction
            .execute(
                &format!("INSERT INTO container ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
                values,
            )
            .map_err(&fail)?;
        transaction.commit().map_err(&fail)?;
        Ok((name, answer))
    }

    /// One definition.
    pub(crate) fn container(&self, id: &ContainerId) -> Result<Option<Record>, StoreError> {
        let fail = failed("read a container");
        let mut query =
            self.db.prepare(&format!("SELECT {COLUMNS} FROM container WHERE id = ?1")).map_err(&fail)?;
        query.query_row([id.as_str()], record).optional().map_err(&fail)?.transpose()
    }

    /// All definitions, newest first.
    pub(crate) fn containers(&self) -> Result<Vec<Record>, StoreError> {
        let fail = failed("list containers");
        let mut query = self
            .db
            .prepare(&format!("SELECT {COLUMNS} FROM container ORDER BY created DESC, id"))
            .map_err(&fail)?;
        let rows = query.query_map([], record).map_err(&fail)?;
        rows.map(|row| row.map_err(&fail)?).collect()
    }

    /// The ids of all definitions.
    pub(crate) fn container_ids(&self) -> Result<Vec<ContainerId>, StoreError> {
        let fail = failed("list containers");
        let mut query = self.db.prepare("SELECT id FROM container").map_err(&fail)?;
        let rows = query.query_map([], |row| parsed(row, 0, "a container id")).map_err(&fail)?;
        rows.map(|row| row.map_err(&fail)?).collect()
    }

    /// The container that a word means: an id, a name, or the beginning of exactly one id, in this order.
    pub(crate) fn find(&self, word: &str) -> Result<Found, StoreError> {
        let fail = failed("look for a container");
        let mut exact = self
            .db
            .prepare("SELECT id FROM container WHERE id = ?1 OR name = ?1 ORDER BY id <> ?1 LIMIT 1")
            .map_err(&fail)?;
        let id: Option<Result<ContainerId, StoreError>> =
            exact.query_row([word], |row| parsed(row, 0, "a container id")).optional().map_err(&fail)?;
        if let Some(id) = id {
            return Ok(Found::One(id?));
        }
        if word.is_empty() {
            return Ok(Found::None);
        }
        // Not LIKE: % and _ in the word would count, and case would not.
        let mut prefix = self
            .db
            .prepare("SELECT id FROM container WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2")
            .map_err(&fail)?;
        let rows = prefix.query_map([word], |row| parsed(row, 0, "a container id")).map_err(&fail)?;
        let mut ids = rows.map(|row| row.map_err(&fail)?).collect::<Result<Vec<ContainerId>, _>>()?;
        Ok(match (ids.pop(), ids.pop()) {
            (Some(id), None) => Found::One(id),
            (None, _) => Found::None,
            (Some(_), Some(_)) => Found::Several,
        })
    }

    /// Takes a definition away; its id range is free from now on. Whether there was one.
    pub(crate) fn delete(&self, id: &ContainerId) -> Result<bool, StoreError> {
        let fail = failed("remove a container");
        let count = self.db.execute("DELETE FROM container WHERE id = ?1", [id.as_str()]).map_err(&fail)?;
        Ok(count > 0)
    }

    /// Gives a container another name. Whether there was such a container.
    pub(crate) fn rename(&mut self, id: &ContainerId, name: &ContainerName) -> Result<bool, StoreError> {
        let fail = failed("rename a container");
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let owner: Option<String> = transaction
            .query_row("SELECT id FROM container WHERE name = ?1", [name.as_str()], |row| row.get(0))
            .optional()
            .map_err(&fail)?;
        if let Some(owner) = owner {
            return Err(StoreError::NameInUse { name: name.to_string(), owner });
        }
        let count = transaction
            .execute("UPDATE container SET name = ?2 WHERE id = ?1", [id.as_str(), name.as_str()])
            .map_err(&fail)?;
        transaction.commit().map_err(&fail)?;
        Ok(count > 0)
    }

    /// Replaces what was asked for. Whether there was such a container.
    pub(crate) fn set_request(&self, id: &ContainerId, request: &str) -> Result<bool, StoreError> {
        let fail = failed("change a container");
        let count = self
            .db
            .execute("UPDATE container SET request = ?2 WHERE id = ?1", [id.as_str(), request])
            .map_err(&fail)?;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.db")).unwrap();
        (folder, store)
    }

    fn add(store: &mut Store, id: &str, name: &str) -> Result<u32, StoreError> {
        let (id, name) = (id.parse().unwrap(), name.parse().unwrap());
        let new = NewContainer {
            id: &id,
            name: Some(&name),
            created: Timestamp::from_unix(1, 0),
            image_id: "host",
            request: "{}",
            wants_range: true,
        };
        let answer = store.insert(&new, std::iter::empty(), |slot| {
            Ok::<_, StoreError>(("default".parse().unwrap(), slot.unwrap().number()))
        });
        answer.map(|(_, number)| number)
    }

    #[test]
    fn the_lowest_free_range_is_given() {
        let (_folder, mut store) = store();
        assert_eq!(add(&mut store, "a0", "one").unwrap(), 0);
        assert_eq!(add(&mut store, "b0", "two").unwrap(), 1);
        assert_eq!(add(&mut store, "c0", "three").unwrap(), 2);
        assert!(store.delete(&"b0".parse().unwrap()).unwrap());
        assert!(!store.delete(&"b0".parse().unwrap()).unwrap());
        assert_eq!(add(&mut store, "d0", "four").unwrap(), 1);
        assert!(store.delete(&"a0".parse().unwrap()).unwrap());
        assert_eq!(add(&mut store, "e0", "five").unwrap(), 0);
        assert_eq!(add(&mut store, "f0", "six").unwrap(), 3);
    }

    #[test]
    fn a_failed_decision_and_a_used_name_leave_nothing() {
        let (_folder, mut store) = store();
        add(&mut store, "a0", "one").unwrap();
        assert!(matches!(add(&mut store, "b0", "one"), Err(StoreError::NameInUse { .. })));
        let id: ContainerId = "c0".parse().unwrap();
        let new = NewContainer {
            id: &id,
            name: None,
            created: Timestamp::from_unix(1, 0),
            image_id: "host",
            request: "{}",
            wants_range: true,
        };
        let names = || ["one", "two"].into_iter().map(|name| name.parse().unwrap());
        let refused = store.insert(&new, names(), |_| Err::<(ZoneName, ()), _>(StoreError::NoRange(0)));
        assert!(refused.is_err());
        assert_eq!(store.container_ids().unwrap().len(), 1);
        let (name, ()) =
            store.insert(&new, names(), |_| Ok::<_, StoreError>(("default".parse().unwrap(), ()))).unwrap();
        assert_eq!(name.as_str(), "two");
    }

    #[test]
    fn words_find_ids_names_and_unique_beginnings() {
        let (_folder, mut store) = store();
        add(&mut store, "abc1", "web").unwrap();
        add(&mut store, "abd2", "abc1x").unwrap();
        let one = |id: &str| Found::One(id.parse().unwrap());
        assert_eq!(store.find("abc1").unwrap(), one("abc1"));
        assert_eq!(store.find("web").unwrap(), one("abc1"));
        assert_eq!(store.find("abd").unwrap(), one("abd2"));
        assert_eq!(store.find("ab").unwrap(), Found::Several);
        for none in ["", "we", "ABC", "%", "ab_1"] {
            assert_eq!(store.find(none).unwrap(), Found::None, "{none}");
        }
        let web = "abc1".parse().unwrap();
        assert!(store.rename(&web, &"db".parse().unwrap()).unwrap());
        assert!(store.rename(&web, &"abc1x".parse().unwrap()).is_err());
        assert!(store.set_request(&web, "[]").unwrap());
        let record = store.container(&web).unwrap().unwrap();
        assert_eq!((record.name.as_str(), record.request.as_str()), ("db", "[]"));
        assert_eq!(store.containers().unwrap().len(), 2);
    }
}
