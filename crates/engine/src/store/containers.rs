//! Definitions of containers.

use std::io;

use cofferdam_names::{ContainerId, ContainerName, Timestamp, ZoneName};
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::range::Slot;
use super::{Locked, Store, StoreError, VERSION, failed};

/// One container's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: ContainerId,
    pub(crate) name: ContainerName,
    pub(crate) slot: Option<Slot>,
    pub(crate) created: Timestamp,
    pub(crate) image_id: String,
    pub(crate) zone: ZoneName,
    /// [`cofferdam_policy::ImageConfig`] as JSON, as it was when the container was made: the image's name may lead to another by now.
    pub(crate) image_config: String,
    /// The request as JSON.
    pub(crate) request: String,
}

/// Which range of host ids a new container has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RangeOf<'a> {
    /// None: it is an ordinary user's. It has a number, as a place for its addresses, and no ids by it.
    Nobody,
    /// One of its own.
    Itself,
    /// That of the container whose namespaces it joins. It keeps the range taken as long as it is there itself, also when
    /// that container is gone.
    Joined(&'a ContainerId),
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
    pub(crate) image_config: &'a str,
    pub(crate) range: RangeOf<'a>,
}

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    One(ContainerId),
    None,
    Several,
}

/// What the name of a definition's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: ContainerId,
    slot: Option<Slot>,
    name: ContainerName,
}

/// What a definition's file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    created: Timestamp,
    image_id: String,
    zone: ZoneName,
    /// Definitions from before it was written down have none.
    #[serde(default = "no_image_config")]
    image_config: String,
    request: String,
}

/// What an image says that says nothing.
fn no_image_config() -> String {
    "{}".to_owned()
}

/// Only the version, which is looked at first: the rest may have another shape in a later one.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

impl Entry {
    /// Reads `<id>.<range>.<name>`; `-` stands for no range.
    fn parse(file: &str) -> Option<Self> {
        let mut parts = file.splitn(3, '.');
        let (id, slot, name) = (parts.next()?, parts.next()?, parts.next()?);
        let slot = match slot {
            "-" => None,
            number => Some(Slot::from_number(number.parse().ok()?)?),
        };
        Some(Self { id: id.parse().ok()?, slot, name: name.parse().ok()? })
    }

    fn file(&self) -> String {
        match self.slot {
            Some(slot) => format!("{}.{}.{}", self.id, slot.number(), self.name),
            None => format!("{}.-.{}", self.id, self.name),
        }
    }
}

/// The lowest number that no definition has.
fn lowest_place(entries: &[Entry]) -> Result<Slot, StoreError> {
    let used: std::collections::BTreeSet<u32> =
        entries.iter().filter_map(|entry| entry.slot).map(Slot::number).collect();
    let free = (0..).find(|number| !used.contains(number)).unwrap_or(u32::MAX);
    Slot::from_number(i64::from(free)).ok_or(StoreError::NoRange(super::range::COUNT))
}

impl Store {
    /// Makes a definition. `decide` gets the id range that would be the container's and answers its zone, with anything
    /// else it worked out; if it fails, nothing was made.
    pub(crate) fn insert<T, E: From<StoreError>>(
        &self,
        new: &NewContainer<'_>,
        mut candidates: impl Iterator<Item = ContainerName>,
        decide: impl FnOnce(Option<Slot>) -> Result<(ZoneName, T), E>,
    ) -> Result<(ContainerName, T), E> {
        let locked = self.lock()?;
        let entries = self.entries()?;
        let name = match new.name {
            Some(name) => match owner(&entries, name) {
                Some(owner) => return Err(in_use(name, owner).into()),
                None => name.clone(),
            },
            None => match candidates.find(|name| owner(&entries, name).is_none()) {
                Some(name) => name,
                None => {
                    let (name, owner) = ("(generated)".to_owned(), String::new());
                    return Err(StoreError::NameInUse { name, owner }.into());
                }
            },
        };
        let slot = match new.range {
            RangeOf::Nobody => Some(lowest_place(&entries)?),
            RangeOf::Itself => Some(self.lowest_free(&entries)?),
            RangeOf::Joined(other) => {
                let other = entries.iter().find(|entry| entry.id == *other);
                other.ok_or(StoreError::JoinedGone)?.slot
            }
        };
        let (zone, answer) = decide(slot)?;
        let stored = Stored {
            version: VERSION,
            created: new.created,
            image_id: new.image_id.to_owned(),
            zone,
            image_config: new.image_config.to_owned(),
            request: new.request.to_owned(),
        };
        let entry = Entry { id: new.id.clone(), slot, name };
        self.write_entry(&locked, &entry, &stored)?;
        Ok((entry.name, answer))
    }

    /// The lowest range of this state folder's that no definition has.
    fn lowest_free(&self, entries: &[Entry]) -> Result<Slot, StoreError> {
        let mut used: Vec<u32> = entries.iter().filter_map(|entry| entry.slot).map(Slot::number).collect();
        used.sort_unstable();
        self.claims().lowest_free(&used)
    }

    /// Whether a range is still this state folder's to use.
    pub(crate) fn holds_range(&self, slot: Slot) -> bool {
        self.claims().holds(slot)
    }

    fn claims(&self) -> Claims<'_> {
        Claims { registry: &self.registry, claimant: &self.folder }
    }

    /// Works while nobody adds or changes definitions, which are given.
    pub(crate) fn locked<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&[Record]) -> Result<T, E>,
    ) -> Result<T, E> {
        let _locked = self.lock()?;
        work(&self.containers()?)
    }

    /// One definition.
    pub(crate) fn container(&self, id: &ContainerId) -> Result<Option<Record>, StoreError> {
        match self.entries()?.into_iter().find(|entry| entry.id == *id) {
            Some(entry) => self.record(entry),
            None => Ok(None),
        }
    }

    /// All definitions, newest first.
    pub(crate) fn containers(&self) -> Result<Vec<Record>, StoreError> {
        let records = self.entries()?.into_iter().filter_map(|entry| self.record(entry).transpose());
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        records.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    /// The ids of all definitions, also of those that a power cut left empty.
    pub(crate) fn container_ids(&self) -> Result<Vec<ContainerId>, StoreError> {
        Ok(self.entries()?.into_iter().map(|entry| entry.id).collect())
    }

    /// The container that a word means: an id, a name, or the beginning of exactly one id, in this order.
    pub(crate) fn find(&self, word: &str) -> Result<Found, StoreError> {
        let entries = self.entries()?;
        let id = entries.iter().find(|entry| entry.id.as_str() == word);
        if let Some(entry) = id.or_else(|| entries.iter().find(|entry| entry.name.as_str() == word)) {
            return Ok(Found::One(entry.id.clone()));
        }
        if word.is_empty() {
            return Ok(Found::None);
        }
        let mut begins = entries.iter().filter(|entry| entry.id.as_str().starts_with(word));
        Ok(match (begins.next(), begins.next()) {
            (Some(entry), None) => Found::One(entry.id.clone()),
            (None, _) => Found::None,
            (Some(_), Some(_)) => Found::Several,
        })
    }

    /// Takes a definition away; its id range is free from now on, unless another has it too. Whether there was one.
    pub(crate) fn delete(&self, id: &ContainerId) -> Result<bool, StoreError> {
        let _locked = self.lock()?;
        let Some(entry) = self.entries()?.into_iter().find(|entry| entry.id == *id) else { return Ok(false) };
        let path = self.folder.join(entry.file());
        std::fs::remove_file(&path).map_err(failed("remove", &path))?;
        Ok(true)
    }

    /// Gives a container another name. Whether there was such a container.
    pub(crate) fn rename(&self, id: &ContainerId, name: &ContainerName) -> Result<bool, StoreError> {
        let _locked = self.lock()?;
        let entries = self.entries()?;
        if let Some(owner) = owner(&entries, name) {
            return Err(in_use(name, owner));
        }
        let Some(old) = entries.into_iter().find(|entry| entry.id == *id) else { return Ok(false) };
        let path = self.folder.join(old.file());
        let new = Entry { name: name.clone(), ..old };
        std::fs::rename(&path, self.folder.join(new.file())).map_err(failed("rename", &path))?;
        Ok(true)
    }

    /// Replaces what was asked for. Whether there was such a container.
    pub(crate) fn set_request(&self, id: &ContainerId, request: &str) -> Result<bool, StoreError> {
        let locked = self.lock()?;
        let Some(entry) = self.entries()?.into_iter().find(|entry| entry.id == *id) else { return Ok(false) };
        let Some(stored) = self.stored(&entry)? else { return Ok(false) };
        self.write_entry(&locked, &entry, &Stored { request: request.to_owned(), ..stored })?;
        Ok(true)
    }

    fn write_entry(&self, locked: &Locked, entry: &Entry, stored: &Stored) -> Result<(), StoreError> {
        let file = entry.file();
        let text = serde_json::to_vec(stored);
        let text = text.map_err(|error| failed("write", &self.folder.join(&file))(error.into()))?;
        self.write(locked, &file, &text)
    }

    /// What the names of the definitions say.
    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let listing = match std::fs::read_dir(&self.folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &self.folder)(error)),
        };
        let mut entries = Vec::new();
        for item in listing {
            let name = item.map_err(failed("read", &self.folder))?.file_name();
            // A leading dot marks what is no container's.
            if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
                let malformed =
                    || StoreError::Malformed { what: "a container's file name", text: name.to_owned() };
                entries.push(Entry::parse(name).ok_or_else(malformed)?);
            }
        }
        Ok(entries)
    }

    fn stored(&self, entry: &Entry) -> Result<Option<Stored>, StoreError> {
        let file = entry.file();
        let Some(text) = self.read(&file)? else { return Ok(None) };
        let malformed = |source| StoreError::NotUnderstood { path: self.folder.join(&file), source };
        let Versioned { version } = serde_json::from_slice(&text).map_err(malformed)?;
        if version > VERSION {
            return Err(StoreError::Newer { path: self.folder.join(file), found: version });
        }
        serde_json::from_slice(&text).map(Some).map_err(malformed)
    }

    /// A definition with its name: none if it went meanwhile.
    fn record(&self, entry: Entry) -> Result<Option<Record>, StoreError> {
        let Some(stored) = self.stored(&entry)? else { return Ok(None) };
        let Entry { id, slot, name } = entry;
        let Stored { version: _, created, image_id, zone, image_config, request } = stored;
        Ok(Some(Record { id, name, slot, created, image_id, zone, image_config, request }))
    }
}

fn owner<'a>(entries: &'a [Entry], name: &ContainerName) -> Option<&'a ContainerId> {
    entries.iter().find(|entry| entry.name == *name).map(|entry| &entry.id)
}

fn in_use(name: &ContainerName, owner: &ContainerId) -> StoreError {
    StoreError::NameInUse { name: name.to_string(), owner: owner.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let registry = folder.path().join("ids");
        let store = Store { registry, ..Store::new(folder.path().join("definitions")) };
        (folder, store)
    }

    fn new<'a>(id: &'a ContainerId, name: Option<&'a ContainerName>) -> NewContainer<'a> {
        let created = Timestamp::from_unix(1, 0);
        NewContainer {
            id,
            name,
            created,
            image_id: "host",
            image_config: "{}",
            request: "{}",
            range: RangeOf::Itself,
        }
    }

    fn add(store: &Store, id: &str, name: &str) -> Result<u32, StoreError> {
        let (id, name) = (id.parse().unwrap(), name.parse().unwrap());
        let answer = store.insert(&new(&id, Some(&name)), std::iter::empty(), |slot| {
            Ok::<_, StoreError>(("default".parse().unwrap(), slot.unwrap().number()))
        });
        answer.map(|(_, number)| number)
    }

    #[test]
    fn the_lowest_free_range_is_given() {
        let (_folder, store) = store();
        assert_eq!(add(&store, "a0", "one").unwrap(), 0);
        assert_eq!(add(&store, "b0", "two").unwrap(), 1);
        assert_eq!(add(&store, "c0", "three").unwrap(), 2);
        assert!(store.delete(&"b0".parse().unwrap()).unwrap());
        assert!(!store.delete(&"b0".parse().unwrap()).unwrap());
        assert_eq!(add(&store, "d0", "four").unwrap(), 1);
        assert!(store.delete(&"a0".parse().unwrap()).unwrap());
        assert_eq!(add(&store, "e0", "five").unwrap(), 0);
        assert_eq!(add(&store, "f0", "six").unwrap(), 3);
    }

    #[test]
    fn a_range_that_is_joined_stays_taken() {
        let (_folder, store) = store();
        add(&store, "a0", "one").unwrap();
        let (one, id): (ContainerId, ContainerId) = ("a0".parse().unwrap(), "b0".parse().unwrap());
        let name = "two".parse().unwrap();
        let joining = NewContainer { range: RangeOf::Joined(&one), ..new(&id, Some(&name)) };
        let decided = |slot: Option<Slot>| {
            assert_eq!(slot.unwrap().number(), 0);
            Ok::<_, StoreError>(("default".parse().unwrap(), ()))
        };
        store.insert(&joining, std::iter::empty(), decided).unwrap();
        assert!(store.delete(&one).unwrap());
        assert_eq!(add(&store, "c0", "three").unwrap(), 1);
        assert!(store.delete(&id).unwrap());
        let gone = store.insert(&joining, std::iter::empty(), decided);
        assert!(matches!(gone, Err(StoreError::JoinedGone)));
        assert_eq!(add(&store, "d0", "four").unwrap(), 0);
    }

    #[test]
    fn a_failed_decision_and_a_used_name_leave_nothing() {
        let (_folder, store) = store();
        add(&store, "a0", "one").unwrap();
        assert!(matches!(add(&store, "b0", "one"), Err(StoreError::NameInUse { .. })));
        let id: ContainerId = "c0".parse().unwrap();
        let names = || ["one", "two"].into_iter().map(|name| name.parse().unwrap());
        let refused =
            store.insert(&new(&id, None), names(), |_| Err::<(ZoneName, ()), _>(StoreError::NoRange(0)));
        assert!(refused.is_err());
        assert_eq!(store.container_ids().unwrap().len(), 1);
        let decided = |_| Ok::<_, StoreError>(("default".parse().unwrap(), ()));
        let (name, ()) = store.insert(&new(&id, None), names(), decided).unwrap();
        assert_eq!(name.as_str(), "two");
    }

    #[test]
    fn words_find_ids_names_and_unique_beginnings() {
        let (_folder, store) = store();
        add(&store, "abc1", "web").unwrap();
        add(&store, "abd2", "abc1.x").unwrap();
        let one = |id: &str| Found::One(id.parse().unwrap());
        assert_eq!(store.find("abc1").unwrap(), one("abc1"));
        assert_eq!(store.find("web").unwrap(), one("abc1"));
        assert_eq!(store.find("abc1.x").unwrap(), one("abd2"));
        assert_eq!(store.find("abd").unwrap(), one("abd2"));
        assert_eq!(store.find("ab").unwrap(), Found::Several);
        for none in ["", "we", "ABC", "%", "ab_1"] {
            assert_eq!(store.find(none).unwrap(), Found::None, "{none}");
        }
        let web = "abc1".parse().unwrap();
        assert!(store.rename(&web, &"db".parse().unwrap()).unwrap());
        assert!(store.rename(&web, &"abc1.x".parse().unwrap()).is_err());
        assert!(store.set_request(&web, "[]").unwrap());
        let record = store.container(&web).unwrap().unwrap();
        assert_eq!((record.name.as_str(), record.request.as_str()), ("db", "[]"));
        assert_eq!(store.containers().unwrap().len(), 2);
    }

    #[test]
    fn an_empty_definition_counts_as_missing_and_a_newer_one_is_refused() {
        let (_folder, store) = store();
        add(&store, "a0", "one").unwrap();
        add(&store, "b0", "two").unwrap();
        std::fs::write(store.folder.join("a0.0.one"), "").unwrap();
        let id = "a0".parse().unwrap();
        assert_eq!(store.container(&id).unwrap(), None);
        assert_eq!(store.containers().unwrap().len(), 1);
        assert!(store.delete(&id).unwrap());
        std::fs::write(store.folder.join("b0.1.two"), r#"{"version": 99}"#).unwrap();
        assert!(matches!(store.containers(), Err(StoreError::Newer { found: 99, .. })));
        std::fs::write(store.folder.join("b0.1.two"), "x").unwrap();
        assert!(matches!(store.containers(), Err(StoreError::NotUnderstood { .. })));
        std::fs::write(store.folder.join("something else"), "x").unwrap();
        assert!(matches!(store.container_ids(), Err(StoreError::Malformed { .. })));
    }

    #[test]
    fn many_at_once_share_nothing() {
        let (_folder, store) = store();
        let add_some = |letter: char| {
            for number in 10..30 {
                add(&store, &format!("{letter}{number}"), &format!("{letter}-{number}")).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for letter in ['a', 'b', 'c'] {
                scope.spawn(move || add_some(letter));
            }
        });
        let mut slots: Vec<u32> =
            store.containers().unwrap().iter().map(|record| record.slot.unwrap().number()).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..60).collect::<Vec<_>>());
    }
}
