//! `network connect` and `disconnect`: a container enters another part of its zone, or leaves one, also while it runs.

use cofferdam_confinement::network::{MOST_SEGMENTS, Network, Segment};
use cofferdam_names::ContainerId;
use cofferdam_policy::{ContainerRequest, NetworkMode};
use cofferdam_shim::ContainerDir;

use super::{NetworkSummary, OWN_NETWORK};
use crate::changing::{change_plan, one_at_a_time};
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::users_network::in_network;
use crate::{Engine, ownership};

impl Engine {
    /// Puts a container into a network of its zone, with names by which it is known there.
    ///
    /// # Errors
    /// The network is another zone's, the container is in it already, or has no link of its own.
    pub fn connect_network(&self, word: &str, id: &ContainerId, aliases: Vec<String>) -> Result<()> {
        let (network, segment) = self.network_or_own(word, id)?;
        self.change_networks(id, &network, "connect", |definition, segments| {
            if network.zone != definition.record.zone {
                let (name, zone) = (network.name.clone(), network.zone.clone());
                return Err(Error::NetworkOfZone { name, zone });
            }
            if segments.iter().any(|entered| entered.name == segment) {
                return Err(refused(id, &network.name, "it is in it already"));
            }
            // The own one stands first, as it does in a request.
            let place = if segment.is_empty() { 0 } else { segments.len() };
            segments.insert(place, Segment { name: segment.clone(), aliases });
            Ok(())
        })
    }

    /// Takes a container out of a network; [`OWN_NETWORK`] is its zone's own one.
    ///
    /// # Errors
    /// It is not in it, or in no other one.
    pub fn disconnect_network(&self, word: &str, id: &ContainerId) -> Result<()> {
        let (network, segment) = self.network_or_own(word, id)?;
        self.change_networks(id, &network, "disconnect", |_, segments| {
            let before = segments.len();
            segments.retain(|entered| entered.name != segment);
            if segments.len() == before {
                return Err(refused(id, &network.name, "it is not in it"));
            }
            if segments.is_empty() {
                return Err(refused(
                    id,
                    &network.name,
                    "it is the only one that it is in; `--network none` is for containers without one",
                ));
            }
            Ok(())
        })
    }

    /// A network by its name, and what it is called in a plan: the own one of a container's zone has no name there.
    fn network_or_own(&self, word: &str, id: &ContainerId) -> Result<(NetworkSummary, String)> {
        if word != OWN_NETWORK {
            let network = self.network(word)?;
            let name = network.name.clone();
            return Ok((network, name));
        }
        let own = NetworkSummary {
            id: OWN_NETWORK.to_owned(),
            name: OWN_NETWORK.to_owned(),
            zone: self.definition(id)?.record.zone,
            created: cofferdam_names::Timestamp::from_unix(0, 0),
            labels: std::collections::BTreeMap::new(),
        };
        Ok((own, String::new()))
    }

    fn change_networks(
        &self,
        id: &ContainerId,
        network: &NetworkSummary,
        action: &str,
        change: impl FnOnce(&Definition, &mut Vec<Segment>) -> Result<()>,
    ) -> Result<()> {
        let running = self.settle(id)?.state.has_shim();
        // One who runs has its lock with its shim; the rest is only changed by who holds it.
        let _lock = if running { None } else { Some(ownership::take(&self.paths, id)?) };
        let dir = self.paths.container(id);
        let _alone = one_at_a_time(&dir)?;
        let mut definition = self.definition(id)?;
        let mut plan = read_plan(&dir)?;
        let Some(old) = plan.network.clone() else {
            return Err(refused(id, &network.name, "it has no link of its own"));
        };
        let mut segments = if old.segments.is_empty() {
            vec![Segment { name: String::new(), aliases: Vec::new() }]
        } else {
            old.segments.clone()
        };
        change(&definition, &mut segments)?;
        if segments.len() > usize::from(MOST_SEGMENTS) {
            return Err(refused(id, &network.name, "it is in as many as it can be"));
        }
        let new = Network { segments, ..old.clone() };
        request_of(&mut definition.request, &new.segments);
        let text = serde_json::to_string(&definition.request)
            .map_err(|error| Error::io("write", "the request", error.into()))?;
        plan.network = Some(new.clone());
        self.put(&dir, &plan, running.then_some((&old, &new)), id)?;
        self.store.set_request(id, &text)?;
        if running {
            self.tell_keeper(id, &definition.record.name)?;
        }
        self.tell_of(action, network, Some(id));
        Ok(())
    }

    /// Changes the packet rules of one that runs, then what is written of it: a failure leaves both as they were.
    fn put(
        &self,
        dir: &ContainerDir,
        plan: &cofferdam_confinement::Plan,
        live: Option<(&Network, &Network)>,
        id: &ContainerId,
    ) -> Result<()> {
        let change = |from: &Network, to: &Network| {
            let mut all = self.linked_networks()?;
            for network in all.iter_mut().filter(|network| network.link == to.link) {
                network.clone_from(to);
            }
            let change = || {
                cofferdam_network::change_segments(from, to, &all)
                    .map_err(|source| Error::Network { id: id.clone(), source: source.into() })
            };
            in_network(&self.paths, change).map(drop)
        };
        if let Some((old, new)) = live {
            change(old, new)?;
        }
        let written = change_plan(dir, |there| {
            if let (Some(there), Some(network)) = (&mut there.network, &plan.network) {
                there.segments.clone_from(&network.segments);
            }
        });
        written.map(drop).inspect_err(|_| {
            if let Some((old, new)) = live {
                // The first error is the one to tell; what stays changed is found by `verify`.
                let _ = change(new, old);
            }
        })
    }
}

fn refused(id: &ContainerId, network: &str, why: &'static str) -> Error {
    Error::NetworkRefused { id: id.clone(), network: network.to_owned(), why }
}

/// What would have asked for these segments.
fn request_of(request: &mut ContainerRequest, segments: &[Segment]) {
    let mut all = segments.iter();
    let network = &mut request.network;
    network.connected.clear();
    if let Some(first) = all.next() {
        network.mode = Some(match first.name.as_str() {
            "" => NetworkMode::Bridge,
            name => NetworkMode::Named(name.to_owned()),
        });
        network.aliases.clone_from(&first.aliases);
    }
    network.connected.extend(all.map(|segment| (segment.name.clone(), segment.aliases.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_again_which_networks_there_are() {
        let mut request = ContainerRequest::new("x");
        let segment = |name: &str| Segment { name: name.to_owned(), aliases: vec![format!("{name}-alias")] };
        request_of(&mut request, &[segment(""), segment("front")]);
        assert_eq!(request.network.mode, Some(NetworkMode::Bridge));
        assert_eq!(request.network.named().collect::<Vec<_>>(), ["front"]);
        request_of(&mut request, &[segment("front"), segment("back")]);
        assert_eq!(request.network.named().collect::<Vec<_>>(), ["front", "back"]);
        assert_eq!(request.network.aliases, ["front-alias"]);
    }
}
