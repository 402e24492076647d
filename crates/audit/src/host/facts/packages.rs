//! Facts about packages: what is installed, and for what of it a security fix is known (deb-version(7), apt's lists;
//! rpm's in a module of its own).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{Source, rpm};
use crate::fact::{Fact, Unknown};

/// dpkg's database and apt's lists are some ten MiB long.
pub(super) const MOST_BYTES: usize = 128 << 20;

/// The packages of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// How many are installed.
    pub installed: usize,
    /// Those for which the security archive has a newer version: package, installed version, newer version.
    pub outdated: Fact<Vec<(String, String, String)>>,
    /// How old the newest list of the security archive is, in days.
    pub list_age: Fact<i64>,
}

/// The packages; `None` where no package manager is known here.
pub(crate) fn gather(source: &Source) -> Fact<Option<Packages>> {
    read(source).into()
}

fn read(source: &Source) -> Result<Option<Packages>, Unknown> {
    if let Some(status) = source.tree.bytes_up_to("/var/lib/dpkg/status", MOST_BYTES).get()? {
        let installed = installed(&String::from_utf8_lossy(status));
        let (outdated, list_age) = match security_lists(source) {
            Ok((lists, age)) => (Fact::Known(outdated(&installed, &lists)), Fact::Known(age)),
            Err(reason) => (Fact::Unknown(reason.clone()), Fact::Unknown(reason)),
        };
        return Ok(Some(Packages { installed: installed.len(), outdated, list_age }));
    }
    if let Some(text) = source.tree.bytes_up_to("/lib/apk/db/installed", MOST_BYTES).get()? {
        let count = String::from_utf8_lossy(text).lines().filter(|line| line.starts_with("P:")).count();
        let gap = || Unknown("apk keeps no list of security fixes on the host".to_owned());
        return Ok(Some(Packages {
            installed: count,
            outdated: Fact::Unknown(gap()),
            list_age: Fact::Unknown(gap()),
        }));
    }
    rpm::read(source)
}

/// The fields `Package`, `Architecture`, `Version` and `Status` of each paragraph (deb822(5)).
fn paragraphs(text: &str) -> impl Iterator<Item = [&str; 4]> {
    text.split("\n\n").map(|paragraph| {
        let mut fields = [""; 4];
        for line in paragraph.lines() {
            for (field, name) in
                fields.iter_mut().zip(["Package: ", "Architecture: ", "Version: ", "Status: "])
            {
                if let Some(value) = line.strip_prefix(name) {
                    *field = value.trim();
                }
            }
        }
        fields
    })
}

/// Installed packages by name and architecture.
fn installed(text: &str) -> BTreeMap<(String, String), String> {
    let here = paragraphs(text).filter(|[name, _, version, status]| {
        !name.is_empty() && !version.is_empty() && status.ends_with(" installed")
    });
    here.map(|[name, machine, version, _]| ((name.to_owned(), machine.to_owned()), version.to_owned()))
        .collect()
}

/// The text of apt's lists of security archives, and the age of the newest in days.
fn security_lists(source: &Source) -> Result<(Vec<String>, i64), Unknown> {
    const FOLDER: &str = "/var/lib/apt/lists";
    let names = source.tree.names_with_ending(FOLDER, "_Packages")?;
    let mut lists = Vec::new();
    let mut newest = None;
    for name in names.into_iter().filter(|name| name.contains("security")) {
        let path = format!("{FOLDER}/{name}");
        if let Some(status) = source.tree.status(&path).get()? {
            newest = newest.max(Some(status.modified));
        }
        if let Some(bytes) = source.tree.bytes_up_to(&path, MOST_BYTES).get()? {
            lists.push(String::from_utf8_lossy(bytes).into_owned());
        }
    }
    let Some(newest) = newest else {
        return Err(Unknown("apt has no list of a security archive: run `apt-get update`".to_owned()));
    };
    Ok((lists, days_since(newest)))
}

/// How many days ago a time is that is told in seconds since 1970.
pub(super) fn days_since(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(seconds) / 86_400
}

fn outdated(
    installed: &BTreeMap<(String, String), String>,
    lists: &[String],
) -> Vec<(String, String, String)> {
    let mut newest: BTreeMap<(String, String), String> = BTreeMap::new();
    for [name, machine, version, _] in lists.iter().flat_map(|list| paragraphs(list)) {
        let key = (name.to_owned(), machine.to_owned());
        let Some(own) = installed.get(&key) else { continue };
        let known = newest.get(&key).unwrap_or(own);
        if compare(version, known) == Ordering::Greater {
            newest.insert(key, version.to_owned());
        }
    }
    newest
        .into_iter()
        .map(|(key, version)| {
            let own = installed.get(&key).cloned().unwrap_or_default();
            (key.0, own, version)
        })
        .collect()
}

/// Compares two versions as dpkg does (deb-version(7)).
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let split = |version: &str| -> (u64, String, String) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().unwrap_or(0), upstream.to_owned(), revision.to_owned())
    };
    let (one, other) = (split(one), split(other));
    one.0.cmp(&other.0).then_with(|| part(&one.1, &other.1)).then_with(|| part(&one.2, &other.2))
}

/// Compares an upstream version or a revision: text and numbers in turn.
fn part(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        let (text, rest) = take(one, |byte| !byte.is_ascii_digit());
        let (other_text, other_rest) = take(other, |byte| !byte.is_ascii_digit());
        let order = text_order(text, other_text);
        if order != Ordering::Equal {
            return order;
        }
        let (number, rest) = take(rest, |byte| byte.is_ascii_digit());
        let (other_number, other_rest) = take(other_rest, |byte| byte.is_ascii_digit());
        let order = number_order(number, other_number);
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

fn take(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !wanted(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// `~` before the end, the end before letters, letters before all else.
fn text_order(one: &[u8], other: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let longest = one.len().max(other.len());
    (0..longest)
        .map(|at| weight(one.get(at)).cmp(&weight(other.get(at))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length: without zeros before them, the longer one is the larger.
fn number_order(one: &[u8], other: &[u8]) -> Ordering {
    let bare = |digits: &'_ [u8]| digits.iter().take_while(|digit| **digit == b'0').count();
    let (one, other) = (&one[bare(one)..], &other[bare(other)..]);
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_dpkg_compares_them() {
        for (smaller, larger) in [
            ("1.0", "1.1"),
            ("1.9", "1.10"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0a"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("1.0-1+deb12u9", "1.0-1+deb12u10"),
            ("9.0", "1:0.1"),
            ("1.0-1~bpo1", "1.0-1"),
            ("1.0a", "1.0+"),
        ] {
            assert_eq!(compare(smaller, larger), Ordering::Less, "{smaller} {larger}");
            assert_eq!(compare(larger, smaller), Ordering::Greater, "{smaller} {larger}");
        }
        assert_eq!(compare("1.00-1", "1.0-1"), Ordering::Equal);
        assert_eq!(compare("0:1.0", "1.0"), Ordering::Equal);
    }

    #[test]
    fn what_is_outdated() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n\nPackage: b\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n";
        let list = "Package: a\nArchitecture: amd64\nVersion: 1.0-1+deb12u1\n\nPackage: a\nArchitecture: amd64\nVersion: 0.9\n\nPackage: b\nArchitecture: amd64\nVersion: 2\n\nPackage: a\nArchitecture: i386\nVersion: 9\n";
        let found = outdated(&installed(status), &[list.to_owned()]);
        assert_eq!(found, [("a".to_owned(), "1.0-1".to_owned(), "1.0-1+deb12u1".to_owned())]);
    }

    proptest::proptest! {
        #[test]
        fn comparing_is_a_total_order(one in "[0-9a~+.:-]{0,12}", other in "[0-9a~+.:-]{0,12}") {
            assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
            assert_eq!(compare(&one, &one), Ordering::Equal);
        }
    }
}
