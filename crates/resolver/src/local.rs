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
    /// Its name first, then its aliases. Those that are no domain names are passed over.
    pub names: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The names of the containers of a zone and of those that it may reach.
///
/// A container of the zone is `name`, `name.zone`, and the first twelve letters of its id (the whole id is too long for a label). One of
/// another zone is `name.zone` only, so that no zone can give a name in another one. A zone that is called like a top-level domain
/// hides it: a name that could be a container's is nobody else's.
#[derive(Debug, Clone, Default)]
pub struct LocalNames {
    addresses: HashMap<Name, Vec<IpAddr>>,
    reverse: HashMap<IpAddr, Name>,
    zones: Vec<Name>,
}

/// What the table says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'t> {
    /// Its addresses, of both families.
    Addresses(&'t [IpAddr]),
    /// It would be a container's, and there is none of it: it is asked nowhere else.
    Absent,
    /// It is no container's.
    Elsewhere,
}

impl LocalNames {
    /// The table of a zone. Containers of zones that are not in `reaches` are passed over.
    #[must_use]
    pub fn new(zone: &ZoneName, reaches: &[ZoneName], containers: &[Container]) -> Self {
        let mut table = Self::default();
        table.zones.extend(reaches.iter().chain([zone]).filter_map(|zone| zone.as_str().parse().ok()));
        let visible = |container: &&Container| container.zone == *zone || reaches.contains(&container.zone);
        for container in containers.iter().filter(visible) {
            table.add(container, container.zone == *zone);
        }
        table
    }

    fn add(&mut self, container: &Container, of_the_zone: bool) {
        let zone = container.zone.as_str();
        let id = container.id.get(..12).unwrap_or_default();
        for (number, word) in container.names.iter().map(String::as_str).chain([id]).enumerate() {
            // A name is one label: `a.b` would stand in another zone's place.
            let single = |name: &Name| name.labels().count() == 1;
            let Some(name) = word.parse::<Name>().ok().filter(single) else { continue };
            let Ok(full) = format!("{name}.{zone}").parse::<Name>() else { continue };
            if number == 0 {
                let shown = if of_the_zone { name.clone() } else { full.clone() };
                for address in &container.addresses {
                    self.reverse.entry(*address).or_insert_with(|| shown.clone());
                }
            }
            for name in [Some(full), of_the_zone.then_some(name)].into_iter().flatten() {
                let addresses = self.addresses.entry(name).or_default();
                let new = container.addresses.iter().filter(|address| !addresses.contains(address));
                let new: Vec<IpAddr> = new.copied().collect();
                addresses.extend(new);
            }
        }
    }

    /// Looks a name up.
    #[must_use]
    pub fn find(&self, name: &Name) -> Found<'_> {
        if let Some(addresses) = self.addresses.get(name) {
            return Found::Addresses(addresses);
        }
        let single = name.labels().count() == 1;
        let under_a_zone = self.zones.iter().any(|zone| name.is_below(zone));
        if single || under_a_zone { Found::Absent } else { Found::Elsewhere }
    }

    /// The name of the container that has an address.
    #[must_use]
    pub fn name_of(&self, address: IpAddr) -> Option<&Name> {
        self.reverse.get(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(zone: &str, names: &[&str], last: u8) -> Container {
        Container {
            id: format!("{last:012x}{:052}", 0),
            zone: zone.parse().unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
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
        let Found::Addresses(found) = table.find(&name.parse().unwrap()) else { return None };
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
            assert_eq!(table.find(&absent.parse().unwrap()), Found::Absent, "{absent}");
        }
        for elsewhere in ["secret.red", "example.org", ".", "bad.alias"] {
            assert_eq!(table.find(&elsewhere.parse().unwrap()), Found::Elsewhere, "{elsewhere}");
        }
    }

    #[test]
    fn addresses_have_names() {
        let table = table();
        assert_eq!(table.name_of([10, 0, 0, 1].into()).unwrap().to_string(), "web");
        assert_eq!(table.name_of("fd00::2".parse().unwrap()).unwrap().to_string(), "web.green");
        assert_eq!(table.name_of([10, 0, 0, 3].into()), None);
    }
}
