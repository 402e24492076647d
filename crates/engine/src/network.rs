//! What the host has for a container's network, gathered for a plan; and what an ended container has left of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use cofferdam_confinement::network::{Network, Protocol, PublishedPort};
use cofferdam_names::{ContainerId, ContainerName};
use cofferdam_network::HostNetwork;
use cofferdam_policy::{ContainerRequest, NetworkAccess, NetworkContext, NetworkMode, PortRequest};
use cofferdam_runtime::step::StepError;
use cofferdam_shim::Event;

use crate::Engine;
use crate::create::Parts;
use crate::definition::understood;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::paths::Paths;
use crate::users_network::in_network;

impl Engine {
    /// What a plan needs to know of the network; none where the container is to have none.
    pub(crate) fn network_context(
        &self,
        request: &ContainerRequest,
        parts: &Parts,
        place: u32,
    ) -> Result<Option<NetworkContext>> {
        let wanted = match &request.network.mode {
            None => parts.zone.network.mode.value == NetworkAccess::Zone,
            Some(mode) => matches!(mode, NetworkMode::Bridge | NetworkMode::Named(_)),
        };
        // An ordinary user who lacks what it takes has no network: the plan says so where one is asked for.
        if !wanted || parts.host.rootless && !(parts.host.tun && parts.host.tools.contains("pasta")) {
            return Ok(None);
        }
        let HostNetwork { pool4, pool6, mtu } = self.host_network()?;
        Ok(Some(NetworkContext {
            realm: self.paths.state().display().to_string(),
            pool4,
            pool6,
            place,
            mtu,
            segments: self.segments(request, &parts.zone.name.value)?,
            free_ports: free_ports(request.chosen_ports(&parts.image.config.exposed_ports))?,
            busy_ports: self.busy_ports(request)?,
        }))
    }
}

impl Engine {
    /// An address that was asked for is its container's as long as that one has a definition, whether it runs or not. The caller
    /// holds the lock that new definitions are added under.
    pub(crate) fn refuse_taken_addresses(&self, request: &ContainerRequest) -> Result<()> {
        let asked = asked_addresses(request);
        if asked.is_empty() {
            return Ok(());
        }
        for record in self.store.containers()? {
            let theirs = asked_addresses(&understood(&record)?);
            if let Some(address) = asked.iter().find(|address| theirs.contains(address)) {
                return Err(Error::AddressTaken { address: *address, holder: record.name.to_string() });
            }
        }
        Ok(())
    }
}

/// The addresses of `--ip` and `--ip6`; what is none is refused by the plan.
fn asked_addresses(request: &ContainerRequest) -> Vec<IpAddr> {
    let texts = [&request.network.ip, &request.network.ip6];
    texts.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
}

impl Engine {
    /// Makes the host's packet rules anew for all running containers, as they are planned: what another program has taken out of
    /// our table, or changed in it, is in force again. Containers of other state folders are cut off until they do the same.
    ///
    /// # Errors
    /// The kernel refuses; then all is as it was.
    pub fn repair_network(&self) -> Result<()> {
        let repair = || cofferdam_network::repair(|| self.networks_now()).map_err(not_repaired);
        in_network(&self.paths, repair)?;
        self.forget_names()
    }

    /// Makes our table again if somebody has flushed the host's rules while containers run: the start of another one must not
    /// leave them without.
    pub(crate) fn restore_network(&self) -> Result<()> {
        in_network(&self.paths, || self.restore_network_here()).map(drop)
    }

    fn restore_network_here(&self) -> Result<()> {
        let there = cofferdam_network::is_in_place();
        if there.map_err(|error| Error::io("look at", "the packet rules", error))? {
            return Ok(());
        }
        if self.linked()?.is_empty() {
            return Ok(());
        }
        cofferdam_network::restore(|| self.networks_now()).map_err(not_repaired)?;
        self.forget_names()
    }

    fn networks_now(&self) -> std::io::Result<Vec<Network>> {
        self.linked_networks().map_err(std::io::Error::other)
    }
}

/// Looks at the packet rules as a running container was planned, and makes those of all of them anew where they are missing or
/// different. What was found is an event.
pub(crate) fn mend_network(paths: Paths, id: &ContainerId) -> Result<()> {
    let engine = Engine::open(paths)?;
    let own = || match read_plan(&engine.paths.container(id)) {
        Ok(plan) => Ok(plan.network),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(std::io::Error::other(error)),
    };
    let all = || engine.networks_now();
    let tell = |action: &str, attributes: [(&str, String); 1]| {
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        let _ = Event::now("network", action, "cofferdam", attributes.into()).append(&engine.paths.events());
    };
    match cofferdam_network::mend(own, all) {
        Ok(wrong) if wrong.is_empty() => Ok(()),
        Ok(wrong) => {
            tell("repair", [("missing", wrong.join(", "))]);
            engine.forget_names()
        }
        Err(error) => {
            tell("repair-failed", [("error", error.to_string())]);
            Err(not_repaired(error))
        }
    }
}

impl Engine {
    /// The ports that are in use of those ranges out of which a request wants one.
    fn busy_ports(&self, request: &ContainerRequest) -> Result<BTreeSet<(Protocol, u16)>> {
        let read = request.network.publish.iter().filter_map(|text| text.parse::<PortRequest>().ok());
        let choices: Vec<PortRequest> = read.filter(|port| port.choice().is_some()).collect();
        let mut busy = BTreeSet::new();
        if choices.is_empty() {
            return Ok(busy);
        }
        for network in self.linked_networks()? {
            busy.extend(network.published.iter().map(|port| (port.protocol, port.host_port)));
        }
        for PortRequest { address, host, protocol, .. } in choices {
            let (first, last) = host.unwrap_or_default();
            for host_port in first..=last {
                let port = PublishedPort { address, host_port, container_port: host_port, protocol };
                if cofferdam_network::is_listened_at(&port) {
                    busy.insert((protocol, host_port));
                }
            }
        }
        Ok(busy)
    }

    /// The running container that has published a port which this one wants as well.
    pub(crate) fn port_conflict(&self, network: &Network) -> Option<(PublishedPort, ContainerName)> {
        let wanted = |other: &PublishedPort| {
            network.published.iter().find(|port| {
                let meets =
                    port.address.is_none() || other.address.is_none() || port.address == other.address;
                meets && (port.host_port, port.protocol) == (other.host_port, other.protocol)
            })
        };
        self.linked().ok()?.into_iter().find_map(|one| {
            let other = one.network().filter(|other| other.link != network.link)?;
            let port = other.published.iter().find_map(wanted)?;
            Some((*port, one.name.clone()))
        })
    }
}

fn not_repaired(error: StepError) -> Error {
    Error::io("repair", "the packet rules", std::io::Error::other(error))
}

/// Ports of the host at which nobody listens, as the kernel gives them to programs that do not mind which.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let failed = |error| Error::io("find", "a free port", error);
    // All are held until the last is found, so that none is found twice.
    let mut held = Vec::new();
    for _ in 0..count.min(4096) {
        held.push(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?);
    }
    held.iter().map(|listener| Ok(listener.local_addr().map_err(failed)?.port())).collect()
}

/// Takes away what an ended container has left of its link and rules, if it had any.
pub(crate) fn end_network(paths: &Paths, id: &ContainerId) -> Result<()> {
    let plan = match read_plan(&paths.container(id)) {
        Ok(plan) => plan,
        // Without a plan it was never started.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(network) = &plan.network else { return Ok(()) };
    let disconnect = || {
        cofferdam_network::disconnect(network)
            .and_then(cofferdam_network::Remains::clear)
            .map_err(|source| Error::Network { id: id.clone(), source: source.into() })
    };
    // An ordinary user's network that no shim is in is gone, with all that was in it. While one is, what is left would be its next
    // container's that gets the same address.
    in_network(paths, disconnect).map(drop)
}
