//! A changed zone and the containers of it that run: their packet rules change at once. Everything else of a zone binds them from
//! their next start on.

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::{Network, ZoneRules};
use cofferdam_names::{ContainerId, ContainerName, ZoneName};
use cofferdam_policy::{BUILTIN_ZONES, NetworkAccess, Zone};
use cofferdam_shim::{ContainerDir, Event};

use crate::changing::write_plan;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::{ContainerSummary, Engine, ListFilters};

/// What a changed zone did to what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    pub fn renew_zone(&self, zone: &Zone) -> Result<Renewed> {
        // An ordinary user's containers have no link of the host's.
        if !rustix::process::geteuid().is_root() {
            return Ok(Renewed::default());
        }
        let name = &zone.name.value;
        let mut linked = self.linked()?;
        let is_of_zone = |one: &Linked| one.network().is_some_and(|network| network.zone == *name);
        let rules = rules_of(zone);
        let mut changed = Vec::new();
        for (place, one) in linked.iter_mut().enumerate().filter(|(_, one)| is_of_zone(one)) {
            let before = one.plan.clone();
            if let Some(network) = one.plan.network.as_mut().filter(|network| network.rules != rules) {
                network.rules = rules.clone();
                // Before they are in force: whoever looks meanwhile finds a difference, and `--repair` makes the new ones.
                write_if_there(&one.dir, &one.plan)?;
                changed.push((place, before));
            }
        }
        let networks: Vec<Network> = linked.iter().filter_map(Linked::network).cloned().collect();
        let realm = self.paths.state().display().to_string();
        match cofferdam_network::renew(&realm, name, &rules, &networks) {
            Ok(connections) => {
                let renewed = Renewed { containers: changed.len(), connections };
                self.tell_renewed(name, renewed);
                // Its resolver answers by the new rules for names.
                for (place, _) in &changed {
                    self.tell_keeper(&linked[*place].id, &linked[*place].name)?;
                }
                Ok(renewed)
            }
            Err(error) => {
                for (place, before) in changed {
                    write_if_there(&linked[place].dir, &before)?;
                }
                let source = std::io::Error::other(error);
                Err(Error::io("put into force the rules of", format!("zone {name}"), source))
            }
        }
    }

    /// The zone may have changed between a container's plan and its start, which puts the plan's rules into force.
    pub(crate) fn keep_zone_renewed(&self, network: &Network) -> Result<()> {
        if BUILTIN_ZONES.contains(&network.zone.as_str()) {
            return Ok(());
        }
        // A zone that is gone or cannot be read has not been applied since.
        let Ok(zone) = self.zones().load(&network.zone) else { return Ok(()) };
        if rules_of(&zone) == network.rules {
            return Ok(());
        }
        self.renew_zone(&zone).map(drop)
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

    /// The networks of all containers that run with a link.
    pub(crate) fn linked_networks(&self) -> Result<Vec<Network>> {
        Ok(self.linked()?.into_iter().filter_map(|one| one.plan.network).collect())
    }

    fn tell_renewed(&self, zone: &ZoneName, renewed: Renewed) {
        let attributes = [("containers", renewed.containers), ("connections", renewed.connections)];
        let attributes = attributes.map(|(name, count)| (name.to_owned(), count.to_string()));
        // The rules are in force, told or not.
        let _ = Event::now("zone", "apply", zone.as_str(), attributes.into()).append(&self.paths.events());
    }
}

/// The packet rules of a zone. Where it gives its containers no link any more, those that still have one may do nothing by it.
fn rules_of(zone: &Zone) -> ZoneRules {
    let rules = zone.network.packet_rules();
    match zone.network.mode.value {
        NetworkAccess::Zone => rules,
        NetworkAccess::None => ZoneRules { trust: false, egress: Vec::new(), ingress: Vec::new(), ..rules },
    }
}

/// Writes a plan, unless its container is gone.
fn write_if_there(dir: &ContainerDir, plan: &Plan) -> Result<()> {
    match write_plan(dir, plan) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
