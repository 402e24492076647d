//! `zone test`: whether a connection would pass, by which rule, and what comes of it when it is really tried.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use cofferdam_confinement::network::{Network, Protocol};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_names::{ContainerId, ZoneName};
use cofferdam_network::{Ground, Judgement, Tried};

use crate::Engine;
use crate::error::{Error, Result};
use crate::joining::namespace_file;
use crate::live::Live;

/// One end of a connection, as a person says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The host itself.
    Host,
    /// A running container.
    Container(ContainerId),
    /// Any running container of a zone.
    Zone(ZoneName),
    /// An address.
    Address(IpAddr),
}

/// A connection that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowTest {
    /// Who begins.
    pub from: End,
    /// Who is asked.
    pub to: End,
    /// How.
    pub protocol: Protocol,
    /// The port, for protocols that have ports.
    pub port: Option<u16>,
    /// How long an answer is waited for.
    pub patience: Duration,
}

/// What was found for one family of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowFound {
    /// The address of who begins; none for the host's.
    pub from: Option<IpAddr>,
    /// The address that is asked.
    pub to: IpAddr,
    /// What the rules say.
    pub judgement: Judgement,
    /// What came of it.
    pub tried: Tried,
}

fn failed(what: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::io("test", what, std::io::Error::other(why))
}

impl Engine {
    /// Judges a connection by the rules in force and tries it, for each family of addresses that both ends have. The caller has
    /// one thread.
    ///
    /// # Errors
    /// An end does not run or has no link, the ends have no family in common, or the kernel does not answer.
    pub fn test_flow(&self, test: &FlowTest) -> Result<Vec<FlowFound>> {
        let networks = self.linked_networks()?;
        let ground = Ground::look(&networks).map_err(|error| failed("a connection", error))?;
        let from = self.linked_end(&test.from)?;
        let to = self.linked_end(&test.to)?;
        let namespace = match &from {
            Some(live) => {
                let path = namespace_file(live, Namespace::Network);
                Some(File::open(&path).map_err(|source| Error::io("open", path.display(), source))?)
            }
            None => None,
        };
        let mut found = Vec::new();
        for v6 in [false, true] {
            let source = from.as_ref().and_then(linked).and_then(|network| network.address(v6));
            let asked = match (&test.to, to.as_ref().and_then(linked)) {
                (_, Some(network)) => network.address(v6).map(|pair| pair.address),
                (End::Address(address), None) => Some(*address).filter(|address| address.is_ipv6() == v6),
                // As a container knows it; as it knows itself.
                (_, None) => Some(source.map_or_else(|| loopback(v6), |pair| pair.gateway)),
            };
            let Some(asked) = asked.filter(|_| source.is_some() || from.is_none()) else { continue };
            let begins = source.map(|pair| pair.address);
            let judgement = judged(&ground, begins.unwrap_or_else(|| loopback(v6)), asked, test);
            let target = SocketAddr::new(asked, test.port.unwrap_or(0));
            let trial = cofferdam_network::begin(namespace.as_ref().map(AsFd::as_fd), target, test.protocol);
            let tried = trial.map_err(|error| failed("a connection", error))?.end(test.patience);
            found.push(FlowFound { from: begins, to: asked, judgement, tried });
        }
        if found.is_empty() {
            return Err(failed("a connection", "the ends have no family of addresses in common"));
        }
        Ok(found)
    }

    /// The running container that an end is; none for the host and for addresses.
    fn linked_end(&self, end: &End) -> Result<Option<Live>> {
        let live = match end {
            End::Host | End::Address(_) => return Ok(None),
            End::Container(id) => Live::find(&self.paths, id)?,
            End::Zone(zone) => {
                let mut all = self.running()?.into_iter().filter_map(|id| Live::find(&self.paths, &id).ok());
                let found = all.find(|live| linked(live).is_some_and(|network| network.zone == *zone));
                let what = format!("zone {zone}");
                return found.map(Some).ok_or_else(|| failed(&what, "no container of it runs with a link"));
            }
        };
        match linked(&live) {
            Some(_) => Ok(Some(live)),
            None => Err(failed(live.plan.container.as_ref(), "the container has no link of its own")),
        }
    }
}

fn linked(live: &Live) -> Option<&Network> {
    live.plan.network.as_ref()
}

fn loopback(v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

/// What the rules say, also of a published port that is asked by an address of the host's.
fn judged(ground: &Ground<'_>, from: IpAddr, to: IpAddr, test: &FlowTest) -> Judgement {
    let number = test.protocol.number(to.is_ipv6());
    match test.port.and_then(|port| ground.behind(to, test.protocol, port)) {
        Some((own, port)) => ground.judge(from, own, number, Some(port), true),
        None => ground.judge(from, to, number, test.port, false),
    }
}

impl Engine {
    /// The addresses of all running containers with a link, with their zones and names.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn linked_addresses(&self) -> Result<Vec<(IpAddr, (String, String))>> {
        let mut found = Vec::new();
        for container in self.list(&crate::ListFilters::default())? {
            let Ok(live) = Live::find(&self.paths, &container.id) else { continue };
            let Some(network) = linked(&live) else { continue };
            let names = (network.zone.to_string(), container.name.to_string());
            found.extend(network.addresses.iter().map(|pair| (pair.address, names.clone())));
        }
        Ok(found)
    }
}
