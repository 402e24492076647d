//! Networks as Docker has them: each is a part of one zone. Its containers know each other by name and reach each other where the zone
//! trusts its own; the zone's rules hold for all of them, so no network is wider than its zone.
//!
//! Whoever removes one holds the lock of the definitions, so that no container is made meanwhile that counts on it.

mod connect;
mod file;

use std::collections::BTreeMap;
use std::time::SystemTime;

use cofferdam_confinement::network::Network;
use cofferdam_names::{ContainerId, ContainerName, Timestamp, ZoneName};
use cofferdam_policy::{ContainerRequest, NetworkMode, is_volume_name};
use cofferdam_shim::Event;
use serde::{Deserialize, Serialize};

use crate::definition::understood;
use crate::error::{Error, Result};
use crate::live::Live;
use crate::{Engine, Selection};

/// What Docker calls the network of whoever names none: here it is each zone's own.
pub const OWN_NETWORK: &str = "bridge";
/// Words that mean something else than a network that somebody made.
const RESERVED: [&str; 5] = [OWN_NETWORK, "default", "host", "none", "zone"];

/// A network that somebody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSummary {
    /// Its id, 64 letters.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The zone that it is a part of.
    pub zone: ZoneName,
    /// When it was made.
    pub created: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A container that runs and is in a network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkMember {
    /// Which.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// Its link and addresses.
    pub network: Network,
}

impl Engine {
    /// Makes a network in a zone.
    ///
    /// # Errors
    /// The name is none or is taken, or there is no such zone.
    pub fn create_network(
        &self,
        name: &str,
        zone: &ZoneName,
        labels: BTreeMap<String, String>,
    ) -> Result<NetworkSummary> {
        if !is_volume_name(name) || name.len() > 255 || RESERVED.contains(&name) {
            let rule = "a network's name has 2 to 255 letters, digits and _.-, begins with a letter or a digit, and is none of \
                        bridge, default, host, none, zone";
            let why = std::io::Error::new(std::io::ErrorKind::InvalidInput, rule);
            return Err(Error::io("use", format!("network name {name:?}"), why));
        }
        self.zones().load(zone)?;
        let id = crate::create::new_id()?.to_string();
        let created = Timestamp::from(SystemTime::now());
        let network = NetworkSummary { id, name: name.to_owned(), zone: zone.clone(), created, labels };
        self.store.locked(|_| -> Result<()> {
            match file::read(&self.paths.networks(), name)? {
                Some(_) => Err(Error::NetworkExists { name: name.to_owned() }),
                None => file::write(&self.paths.networks(), &network),
            }
        })?;
        self.tell_of("create", &network, None);
        Ok(network)
    }

    /// All networks that somebody made, by name.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn networks(&self) -> Result<Vec<NetworkSummary>> {
        file::all(&self.paths.networks())
    }

    /// The network that a person means: a name, a whole id, or the beginning of one id only.
    ///
    /// # Errors
    /// There is none.
    pub fn network(&self, word: &str) -> Result<NetworkSummary> {
        let all = self.networks()?;
        if let Some(found) = all.iter().find(|network| network.name == word || network.id == word) {
            return Ok(found.clone());
        }
        let mut begins = all.into_iter().filter(|network| !word.is_empty() && network.id.starts_with(word));
        match (begins.next(), begins.next()) {
            (Some(found), None) => Ok(found),
            _ => Err(Error::NoNetwork { name: word.to_owned() }),
        }
    }

    /// The containers that run and are in a network, [`OWN_NETWORK`] among them.
    ///
    /// # Errors
    /// A container cannot be looked at.
    pub fn network_members(&self, name: &str) -> Result<Vec<NetworkMember>> {
        let mut members = Vec::new();
        for id in self.running()? {
            let live = match Live::find(&self.paths, &id) {
                Err(Error::NotRunning { .. } | Error::NoContainer { .. }) => continue,
                other => other?,
            };
            let Some(network) = live.plan.network else { continue };
            if names_of(&network).any(|known| known == name) {
                let name = self.definition(&id)?.record.name;
                members.push(NetworkMember { id, name, network });
            }
        }
        Ok(members)
    }

    /// The ranges that containers' addresses are from, and the host's address in each.
    ///
    /// # Errors
    /// The host cannot be looked at.
    pub fn network_pools(&self) -> Result<Vec<(String, String)>> {
        let host = self.host_network()?;
        let pools = std::iter::once(host.pool4).chain(host.pool6);
        Ok(pools.filter_map(|pool| Some((pool.to_string(), pool.nth(1)?.to_string()))).collect())
    }

    /// Removes a network.
    ///
    /// # Errors
    /// There is none, or a container is in it, running or not.
    pub fn remove_network(&self, word: &str) -> Result<()> {
        let network = self.network(word)?;
        self.store.locked(|records| -> Result<()> {
            for record in records {
                if understood(record)?.network.named().any(|name| name == network.name) {
                    let (name, user) = (network.name.clone(), record.name.to_string());
                    return Err(Error::NetworkInUse { name, user });
                }
            }
            file::remove(&self.paths.networks(), &network.name)
        })?;
        self.tell_of("destroy", &network, None);
        Ok(())
    }

    /// Removes the networks of a selection that no container is in; answers their names.
    ///
    /// # Errors
    /// They cannot be read, or one cannot be removed.
    pub fn prune_networks(&self, which: &Selection) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for network in self.networks()? {
            if !which.has(network.created, &network.labels) {
                continue;
            }
            match self.remove_network(&network.name) {
                Ok(()) => removed.push(network.name),
                Err(Error::NetworkInUse { .. } | Error::NoNetwork { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// The request with networks by their names, where it has some by their ids.
    pub(crate) fn with_network_names(&self, request: &mut ContainerRequest) -> Result<()> {
        if request.network.named().next().is_none() {
            return Ok(());
        }
        if let Some(NetworkMode::Named(word)) = &mut request.network.mode
            && word != "zone"
        {
            *word = self.network(word)?.name;
        }
        let connected = std::mem::take(&mut request.network.connected);
        for (word, aliases) in connected {
            request.network.connected.insert(self.network(&word)?.name, aliases);
        }
        Ok(())
    }

    /// The networks that a container of a zone may name.
    pub(crate) fn segments(&self, request: &ContainerRequest, zone: &ZoneName) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in request.network.named() {
            let network = file::read(&self.paths.networks(), name)?;
            let network = network.ok_or_else(|| Error::NoNetwork { name: name.to_owned() })?;
            if network.zone != *zone {
                return Err(Error::NetworkOfZone { name: network.name, zone: network.zone });
            }
            names.push(network.name);
        }
        Ok(names)
    }

    fn tell_of(&self, action: &str, network: &NetworkSummary, container: Option<&ContainerId>) {
        let mut attributes = BTreeMap::from([
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), OWN_NETWORK.to_owned()),
            ("zone".to_owned(), network.zone.to_string()),
        ]);
        attributes.extend(container.map(|id| ("container".to_owned(), id.to_string())));
        // What happened has happened: a full disk does not undo it.
        let _ = Event::now("network", action, &network.id, attributes).append(&self.paths.events());
    }
}

/// The networks that a container with a link is in, by the names that people use.
pub(crate) fn names_of(network: &Network) -> impl Iterator<Item = &str> {
    let own = network.segments.is_empty().then_some(OWN_NETWORK);
    let named = network.segments.iter().map(|segment| match segment.name.as_str() {
        "" => OWN_NETWORK,
        name => name,
    });
    own.into_iter().chain(named)
}
