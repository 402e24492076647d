//! The names of containers.

use std::collections::HashMap;
use std::net::IpAddr;

use cofferdam_names::ZoneName;
use serde::{Deserialize, Serialize};

use crate::wire::Name;

/// Seconds that a container's name may be kept: it can end and start anew with other addresses.
pub const TTL: u32 = 2;

/// A container as the resolver knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its id, 64 letters.
    pub id: String,
    /// Its zone.
    pub zone: ZoneName,
    /// Its name first, then what else it is called everywhere in its zone. Those that are no domain names are passed over.
    pub names: Vec<String>,
    /// The parts of its zone that it is in; empty for the zone's own one.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A part of a zone, whose containers know each other by name, and how one of them is called there beside its own names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The part; empty for the zone's own one.
    pub name: String,
    /// Its aliases.
    pub aliases: Vec<String>,
}

type Table = HashMap<Name, Vec<IpAddr>>;

/// The names of the containers of a zone and of those that it may reach.
///
/// Who asks sees the containers of its own zone that are in a part that it is in too. A container of the zone is `name`, `name.zone`, and the first twelve letters of its id (the whole id is too long for a label). One of
/// another zone is `name.zone` only, so that no zone can give a name in another one. A zone that is called like a top-level domain
/// hides it: a name that could be a container's is nobody else's.
#[derive(Debug, Clone, Default)]
pub struct LocalNames {
    /// Containers of other zones, which everybody sees.
    others: Table,
    /// What is seen in each part of the zone.
    parts: HashMap<String, Table>,
    reverse: HashMap<IpAddr, Named>,
    /// The parts that each address of the zone is in.
    members: HashMap<IpAddr, Vec<String>>,
    zones: Vec<Name>,
}

/// What an address is called.
#[derive(Debug, Clone)]
struct Named {
    name: Name,
    of_the_zone: bool,
}

/// What the table says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its addresses, of both families.
    Addresses(Vec<IpAddr>),
    /// It would be a container's, and there is none of it: it is asked nowhere else.
    Absent,
    /// It is no container's.
    Elsewhere,
}

/// The part that whoever names none is in.
const OWN: &str = "";

impl LocalNames {
    /// The table of a zone. Containers of zones that are not in `reaches` are passed over.
    #[must_use]
    pub fn new(zone: &ZoneName, reaches: &[ZoneName], containers: &[Container]) -> Self {
        let mut table = Self::default();
        table.zones.extend(reaches.iter().chain([zone]).filter_map(|zone| zone.as_str().parse().ok()));
        for container in containers {
            if container.zone == *zone {
                table.add_own(container);
            } else if reaches.contains(&container.zone) {
                // Which part of its zone it is called so in is no matter to whoever is in another zone.
                let aliases = container.parts.iter().flat_map(|part| &part.aliases).map(String::as_str);
                let words: Vec<&str> = own_words(container).into_iter().chain(aliases).collect();
                add(&mut table.others, container, &words, false);
                table.add_reverse(container, false);
            }
        }
        table
    }

    fn add_own(&mut self, container: &Container) {
        let own = [Part { name: OWN.to_owned(), aliases: Vec::new() }];
        let parts = if container.parts.is_empty() { &own[..] } else { container.parts.as_slice() };
        for part in parts {
            let table = self.parts.entry(part.name.clone()).or_default();
            let words: Vec<&str> =
                own_words(container).into_iter().chain(part.aliases.iter().map(String::as_str)).collect();
            add(table, container, &words, true);
        }
        for address in &container.addresses {
            let names = parts.iter().map(|part| part.name.clone());
            self.members.entry(*address).or_default().extend(names);
        }
        self.add_reverse(container, true);
    }

    fn add_reverse(&mut self, container: &Container, of_the_zone: bool) {
        let Some(name) = container.names.first().and_then(|word| label(word)) else { return };
        let Ok(full) = format!("{name}.{}", container.zone).parse::<Name>() else { return };
        let name = if of_the_zone { name } else { full };
        for address in &container.addresses {
            self.reverse.entry(*address).or_insert_with(|| Named { name: name.clone(), of_the_zone });
        }
    }

    /// The parts that one who asks is in.
    fn parts_of(&self, asker: IpAddr) -> impl Iterator<Item = &str> {
        let known = self.members.get(&asker);
        let own = known.is_none().then_some(OWN);
        known.into_iter().flatten().map(String::as_str).chain(own)
    }

    /// Looks a name up for whoever has this address.
    #[must_use]
    pub fn find(&self, name: &Name, asker: IpAddr) -> Found {
        let mut found: Vec<IpAddr> = Vec::new();
        let tables = self.parts_of(asker).filter_map(|part| self.parts.get(part)).chain([&self.others]);
        for address in tables.filter_map(|table| table.get(name)).flatten() {
            if !found.contains(address) {
                found.push(*address);
            }
        }
        if !found.is_empty() {
            return Found::Addresses(found);
        }
        let single = name.labels().count() == 1;
        let under_a_zone = self.zones.iter().any(|zone| name.is_below(zone));
        if single || under_a_zone { Found::Absent } else { Found::Elsewhere }
    }

    /// The name of the container that has an address, if whoever asks may know it.
    #[must_use]
    pub fn name_of(&self, address: IpAddr, asker: IpAddr) -> Option<&Name> {
        let named = self.reverse.get(&address)?;
        let shares = || self.parts_of(asker).any(|part| self.parts_of(address).any(|other| other == part));
        (!named.of_the_zone || shares()).then_some(&named.name)
    }
}

/// What a container is called in all parts of its zone: the whole id is too long for a label.
fn own_words(container: &Container) -> Vec<&str> {
    let id = container.id.get(..12).unwrap_or_default();
    container.names.iter().map(String::as_str).chain([id]).collect()
}

/// A name is one label: `a.b` would stand in another zone's place.
fn label(word: &str) -> Option<Name> {
    word.parse::<Name>().ok().filter(|name| name.labels().count() == 1)
}

/// Adds `word.zone` for each word, and `word` alone for containers of the zone.
fn add(table: &mut Table, container: &Container, words: &[&str], of_the_zone: bool) {
    for name in words.iter().filter_map(|word| label(word)) {
        let Ok(full) = format!("{name}.{}", container.zone).parse::<Name>() else { continue };
        for name in [Some(full), of_the_zone.then_some(name)].into_iter().flatten() {
            let addresses = table.entry(name).or_default();
            for address in &container.addresses {
                if !addresses.contains(address) {
                    addresses.push(*address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn container(zone: &str, names: &[&str], last: u8) -> Container {
        Container {
            id: format!("{last:012x}{:052}", 0),
            zone: zone.parse().unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            parts: Vec::new(),
            addresses: vec![[10, 0, 0, last].into(), format!("fd00::{last}").parse().unwrap()],
        }
    }

    fn table() -> LocalNames {
        let containers = [
            container("blue", &["web", "www", "bad.alias", "Also_Fine"], 1),
            container("green", &["web", "db"], 2),
            container("red", &["secret"], 3),
            container("blue", &["second", "www"], 4),
        ];
        LocalNames::new(&"blue".parse().unwrap(), &["green".parse().unwrap()], &containers)
    }

    fn addresses(table: &LocalNames, name: &str) -> Option<Vec<u8>> {
        let Found::Addresses(found) = table.find(&name.parse().unwrap(), ASKER) else { return None };
        Some(
            found
                .iter()
                .filter_map(|address| match address {
                    IpAddr::V4(address) => Some(address.octets()[3]),
                    IpAddr::V6(_) => None,
                })
                .collect(),
        )
    }

    #[test]
    fn a_zone_sees_its_own_and_whom_it_may_reach() {
        let table = table();
        assert_eq!(addresses(&table, "web"), Some(vec![1]));
        assert_eq!(addresses(&table, "also_fine"), Some(vec![1]));
        assert_eq!(addresses(&table, "web.blue"), Some(vec![1]));
        assert_eq!(addresses(&table, "www"), Some(vec![1, 4]));
        assert_eq!(addresses(&table, "web.green"), Some(vec![2]));
        assert_eq!(addresses(&table, "000000000004"), Some(vec![4]));
    }

    #[test]
    fn others_are_not_there() {
        let table = table();
        for absent in ["db", "secret", "nobody", "nobody.green", "x.web.blue"] {
            assert_eq!(table.find(&absent.parse().unwrap(), ASKER), Found::Absent, "{absent}");
        }
        for elsewhere in ["secret.red", "example.org", ".", "bad.alias"] {
            assert_eq!(table.find(&elsewhere.parse().unwrap(), ASKER), Found::Elsewhere, "{elsewhere}");
        }
    }

    #[test]
    fn addresses_have_names() {
        let table = table();
        assert_eq!(table.name_of([10, 0, 0, 1].into(), ASKER).unwrap().to_string(), "web");
        assert_eq!(table.name_of("fd00::2".parse().unwrap(), ASKER).unwrap().to_string(), "web.green");
        assert_eq!(table.name_of([10, 0, 0, 3].into(), ASKER), None);
    }

    /// Two projects in one zone that call different containers alike.
    #[test]
    fn who_asks_sees_the_parts_that_it_is_in() {
        let part = |name: &str| Part { name: name.to_owned(), aliases: vec!["db".to_owned()] };
        let within = |last: u8, names: &[&str]| Container {
            parts: names.iter().map(|name| part(name)).collect(),
            ..container("blue", &[format!("c{last}").as_str()], last)
        };
        let containers = [
            within(1, &["one"]),
            within(2, &["two"]),
            within(3, &["one", "two"]),
            container("blue", &["alone"], 4),
            Container { parts: vec![part("back")], ..container("green", &["far"], 5) },
        ];
        let table = LocalNames::new(&"blue".parse().unwrap(), &["green".parse().unwrap()], &containers);
        let found = |last: u8, name: &str| match table.find(&name.parse().unwrap(), [10, 0, 0, last].into()) {
            Found::Addresses(found) => found.len() / 2,
            _ => 0,
        };
        assert_eq!([found(1, "db"), found(2, "db"), found(3, "db"), found(4, "db")], [2, 2, 3, 0]);
        assert_eq!([found(1, "c2"), found(1, "c3"), found(4, "alone"), found(1, "alone")], [0, 1, 1, 0]);
        assert_eq!([found(1, "far.green"), found(4, "far.green"), found(1, "c2.blue")], [1, 1, 0]);
        assert_eq!([found(4, "db.green"), found(4, "db.blue")], [1, 0], "aliases of another zone's parts");
        let name = |of: u8, asker: u8| table.name_of([10, 0, 0, of].into(), [10, 0, 0, asker].into());
        assert!(name(2, 1).is_none() && name(3, 1).is_some() && name(5, 4).is_some());
    }
}
