//! A changed zone and the containers of it that run: their packet rules change at once. Everything else of a zone binds them from
//! their next start on.

use std::collections::BTreeMap;

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::{Network, ZoneRules};
use cofferdam_names::{ContainerId, ContainerName, ZoneName};
use cofferdam_policy::{BUILTIN_ZONES, NetworkAccess, Zone};
use cofferdam_shim::{ContainerDir, Event};
use serde::{Deserialize, Serialize};

use crate::changing::change_plan;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::users_network::in_network;
use crate::{ContainerSummary, Engine, ListFilters, ZoneStore, ZoneStoreError};

/// How often a change begins anew because the zone was changed once more.
const TRIES: usize = 10;

/// What a changed zone did to what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Renewed {
    /// Containers that have other packet rules now.
    pub containers: usize,
    /// Connections that were ended because the new rules forbid them.
    pub connections: usize,
}

/// A running container with a link.
pub(crate) struct Linked {
    id: ContainerId,
    pub(crate) name: ContainerName,
    dir: ContainerDir,
    plan: Plan,
}

impl Linked {
    pub(crate) fn network(&self) -> Option<&Network> {
        self.plan.network.as_ref()
    }
}

impl Engine {
    /// Puts a zone's rules into force for its running containers, in one transaction, and ends connections that they forbid.
    ///
    /// # Errors
    /// The kernel refuses: then the old rules are in force and planned. Or a plan cannot be read or written.
    pub fn renew_zone(&self, name: &ZoneName) -> Result<Renewed> {
        // Where no container of an ordinary user's has a link, there is nothing to be changed.
        Ok(in_network(&self.paths, || self.renew_zone_here(name))?.unwrap_or_default())
    }

    fn renew_zone_here(&self, name: &ZoneName) -> Result<Renewed> {
        for _ in 0..TRIES {
            let zone = self.zones().load(name)?;
            if let Some(renewed) = self.renew_once(name, &rules_of(&zone))? {
                return Ok(renewed);
            }
        }
        let why = std::io::Error::other("it is changed all the time");
        Err(Error::io("put into force the rules of", format!("zone {name}"), why))
    }

    /// None where the zone was changed once more meanwhile.
    fn renew_once(&self, name: &ZoneName, rules: &ZoneRules) -> Result<Option<Renewed>> {
        let mut linked = self.linked()?;
        let is_of_zone = |one: &Linked| one.network().is_some_and(|network| network.zone == *name);
        let mut changed = Vec::new();
        for (place, one) in linked.iter_mut().enumerate().filter(|(_, one)| is_of_zone(one)) {
            let Some(network) = one.plan.network.as_mut().filter(|network| network.rules != *rules) else {
                continue;
            };
            let before = std::mem::replace(&mut network.rules, rules.clone());
            // Before they are in force: whoever looks meanwhile finds a difference, and `--repair` makes the new ones.
            write_rules(&one.dir, rules)?;
            changed.push((place, before));
        }
        let networks: Vec<Network> = linked.iter().filter_map(Linked::network).cloned().collect();
        let realm = self.paths.state().display().to_string();
        let current = || current_rules(&self.zones(), name).map_err(std::io::Error::other);
        match cofferdam_network::renew(&realm, name, rules, &networks, &current) {
            Ok(None) => Ok(None),
            Ok(Some(connections)) => {
                let renewed = Renewed { containers: changed.len(), connections };
                self.tell_renewed(name, renewed);
                // Its resolver answers by the new rules for names.
                for (place, _) in &changed {
                    self.tell_keeper(&linked[*place].id, &linked[*place].name)?;
                }
                Ok(Some(renewed))
            }
            Err(error) => {
                for (place, before) in changed {
                    write_rules(&linked[place].dir, &before)?;
                }
                let source = std::io::Error::other(error);
                Err(Error::io("put into force the rules of", format!("zone {name}"), source))
            }
        }
    }

    /// The zone may have changed between a container's plan and its start, which puts the plan's rules into force.
    pub(crate) fn keep_zone_renewed(&self, network: &Network) -> Result<()> {
        match current_rules(&self.zones(), &network.zone)? {
            Some(rules) if rules != network.rules => self.renew_zone(&network.zone).map(drop),
            _ => Ok(()),
        }
    }

    /// All containers with a link that run or are about to be started again.
    pub(crate) fn linked(&self) -> Result<Vec<Linked>> {
        let mut found = Vec::new();
        for ContainerSummary { id, name, .. } in self.list(&ListFilters::default())? {
            let dir = self.paths.container(&id);
            match read_plan(&dir) {
                Ok(plan) if plan.network.is_some() => found.push(Linked { id, name, dir, plan }),
                Ok(_) => {}
                // It has ended and is gone.
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The networks of all containers that run with a link, with their zones' rules as they are now.
    pub(crate) fn linked_networks(&self) -> Result<Vec<Network>> {
        let mut networks: Vec<Network> =
            self.linked()?.into_iter().filter_map(|one| one.plan.network).collect();
        let mut known = BTreeMap::new();
        for network in &mut networks {
            if !known.contains_key(&network.zone) {
                known.insert(network.zone.clone(), current_rules(&self.zones(), &network.zone)?);
            }
            if let Some(Some(rules)) = known.get(&network.zone) {
                network.rules.clone_from(rules);
            }
        }
        Ok(networks)
    }

    fn tell_renewed(&self, zone: &ZoneName, renewed: Renewed) {
        let attributes = [("containers", renewed.containers), ("connections", renewed.connections)];
        let attributes = attributes.map(|(name, count)| (name.to_owned(), count.to_string()));
        // The rules are in force, told or not.
        let _ = Event::now("zone", "apply", zone.as_str(), attributes.into()).append(&self.paths.events());
    }
}

/// The packet rules of a zone. Where it gives its containers no link any more, those that still have one may do nothing by it.
pub(crate) fn rules_of(zone: &Zone) -> ZoneRules {
    let rules = zone.network.packet_rules();
    match zone.network.mode.value {
        NetworkAccess::Zone => rules,
        NetworkAccess::None => ZoneRules { trust: false, egress: Vec::new(), ingress: Vec::new(), ..rules },
    }
}

/// The rules that a zone of this host has now. None where there is no other one than that by which a container was planned: the zone is
/// built in, or was removed.
pub(crate) fn current_rules(zones: &ZoneStore, name: &ZoneName) -> Result<Option<ZoneRules>> {
    if BUILTIN_ZONES.contains(&name.as_str()) {
        return Ok(None);
    }
    match zones.load(name) {
        Ok(zone) => Ok(Some(rules_of(&zone))),
        Err(ZoneStoreError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a zone's rules into a plan, unless its container is gone.
fn write_rules(dir: &ContainerDir, rules: &ZoneRules) -> Result<()> {
    let written = change_plan(dir, |plan| {
        if let Some(network) = &mut plan.network {
            network.rules.clone_from(rules);
        }
    });
    match written {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}
