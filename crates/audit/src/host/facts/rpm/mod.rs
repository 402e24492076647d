//! Packages of rpm: its database of installed packages, and the advisories that dnf keeps.

mod advisories;
mod sqlite;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::packages::{MOST_BYTES, Packages};
use super::{Source, packages::days_since};
use crate::fact::{Fact, Unknown};
use sqlite::{Database, Value};

/// Where rpm has its database, by distribution.
const FOLDERS: &str = "/var/lib/rpm /usr/lib/sysimage/rpm /usr/share/rpm";

/// An installed package, or a version that an advisory names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    machine: String,
    epoch: u64,
    version: String,
    release: String,
}

impl Package {
    /// Epoch, version and release, as rpm compares them.
    fn compare(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.version, &other.version))
            .then_with(|| compare(&self.release, &other.release))
    }

    fn version(&self) -> String {
        let epoch = if self.epoch == 0 { String::new() } else { format!("{}:", self.epoch) };
        format!("{epoch}{}-{}", self.version, self.release)
    }
}

/// The packages of rpm; `None` where rpm has no database here.
pub(super) fn read(source: &Source) -> Result<Option<Packages>, Unknown> {
    for folder in FOLDERS.split(' ') {
        let path = format!("{folder}/rpmdb.sqlite");
        if let Some(bytes) = source.tree.bytes_up_to(&path, MOST_BYTES).get()? {
            let log = source.tree.status(format!("{path}-wal")).get()?.map_or(0, |status| status.size);
            if log > 0 {
                return Err(Unknown(format!(
                    "{path}: its newest changes are in {path}-wal, which is not read"
                )));
            }
            let damaged = |why: &str| Unknown(format!("{path}: {why}"));
            let installed = installed(bytes).map_err(damaged)?;
            let (outdated, list_age) = match advisories::read(source) {
                Ok((fixes, newest)) => {
                    (Fact::Known(outdated(&installed, &fixes)), Fact::Known(days_since(newest)))
                }
                Err(reason) => (Fact::Unknown(reason.clone()), Fact::Unknown(reason)),
            };
            return Ok(Some(Packages { installed: installed.len(), outdated, list_age }));
        }
        for (name, form) in [("Packages", "Berkeley DB"), ("Packages.db", "ndb")] {
            let path = format!("{folder}/{name}");
            if *source.tree.exists(&path).get()? {
                return Err(Unknown(format!(
                    "{path}: a database of rpm in the old form {form}, which is not read"
                )));
            }
        }
    }
    Ok(None)
}

fn installed(bytes: &[u8]) -> Result<Vec<Package>, &'static str> {
    let rows = Database::open(bytes)?.rows("Packages")?;
    let packages = rows.iter().map(|row| match row.get(1) {
        Some(Value::Bytes(header)) => package(header).ok_or("a package's header is damaged"),
        _ => Err("a package has no header"),
    });
    let packages: Vec<Package> = packages.collect::<Result<_, _>>()?;
    // Keys to check signatures with stand among the packages.
    Ok(packages.into_iter().filter(|package| package.name != "gpg-pubkey").collect())
}

/// The fields of a header: a table of tags (number, type, place, count; sixteen bytes each), then their values.
fn package(header: &[u8]) -> Option<Package> {
    const NAME: u32 = 1000;
    const VERSION: u32 = 1001;
    const RELEASE: u32 = 1002;
    const EPOCH: u32 = 1003;
    const MACHINE: u32 = 1022;
    const MOST_TAGS: usize = 65_536;
    let word = |at: usize| Some(u32::from_be_bytes(header.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let count = usize::try_from(word(0)?).ok().filter(|count| *count <= MOST_TAGS)?;
    let values = 8 + 16 * count;
    let place = |tag: u32| {
        let entry = (0..count).map(|index| 8 + 16 * index).find(|at| word(*at) == Some(tag))?;
        values.checked_add(usize::try_from(word(entry + 8)?).ok()?)
    };
    let text = |tag: u32| {
        let bytes = header.get(place(tag)?..)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
    };
    Some(Package {
        name: text(NAME)?,
        machine: text(MACHINE).unwrap_or_default(),
        epoch: place(EPOCH).and_then(word).map_or(0, u64::from),
        version: text(VERSION)?,
        release: text(RELEASE)?,
    })
}

/// What is installed in a version older than an advisory names: name, own version, newest version.
fn outdated(installed: &[Package], fixes: &[Package]) -> Vec<(String, String, String)> {
    // Several versions of a kernel stand beside each other: the newest counts.
    let mut newest: BTreeMap<&str, &Package> = BTreeMap::new();
    for package in installed {
        let known = newest.entry(&package.name).or_insert(package);
        if package.compare(known) == Ordering::Greater {
            *known = package;
        }
    }
    let mut found: BTreeMap<&str, (&Package, &Package)> = BTreeMap::new();
    for fix in fixes {
        let Some(own) = newest.get(fix.name.as_str()) else { continue };
        if own.machine != fix.machine || fix.compare(own) != Ordering::Greater {
            continue;
        }
        let (_, known) = found.entry(&fix.name).or_insert((own, fix));
        if fix.compare(known) == Ordering::Greater {
            *known = fix;
        }
    }
    found.values().map(|(own, fix)| (own.name.clone(), own.version(), fix.version())).collect()
}

/// Compares two versions as rpm does (rpm-version(7)): segments of digits or letters in turn, `~` before and `^` after the end.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        one = separated(one);
        other = separated(other);
        match (mark(one), mark(other)) {
            (None, None) => {}
            (Some(first), Some(second)) if first == second => {
                (one, other) = (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
                continue;
            }
            // `~` is older than everything, also than the end; `^` is newer than the end, and older than all else.
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(_), _) => return if other.is_empty() { Ordering::Greater } else { Ordering::Less },
            (None, Some(_)) => return if one.is_empty() { Ordering::Less } else { Ordering::Greater },
        }
        if one.is_empty() || other.is_empty() {
            return one.len().cmp(&other.len());
        }
        let digits = one.first().is_some_and(u8::is_ascii_digit);
        let (segment, rest) = segment(one, digits);
        let (other_segment, other_rest) = self::segment(other, digits);
        if other_segment.is_empty() {
            // Numbers are newer than letters.
            return if digits { Ordering::Greater } else { Ordering::Less };
        }
        let order = if digits { numbers(segment, other_segment) } else { segment.cmp(other_segment) };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// The mark that a rest of a version begins with.
fn mark(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied().filter(|byte| matches!(byte, b'~' | b'^'))
}

fn separated(bytes: &[u8]) -> &[u8] {
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^');
    let start = bytes.iter().position(counts).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

fn segment(bytes: &[u8], digits: bool) -> (&[u8], &[u8]) {
    let fits = |byte: &u8| if digits { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
    bytes.split_at(bytes.iter().position(|byte| !fits(byte)).unwrap_or(bytes.len()))
}

fn numbers(one: &[u8], other: &[u8]) -> Ordering {
    let bare =
        |digits: &[u8]| digits.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<u8>>();
    let (one, other) = (bare(one), bare(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

#[cfg(test)]
mod tests;
