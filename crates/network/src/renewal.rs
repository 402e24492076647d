//! A zone's rules change while its containers run: the new ones take the place of the old ones in one transaction, and
//! connections that they forbid end.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use cofferdam_confinement::network::{NamePattern, Network, Protocol, ZoneRules};
use cofferdam_kernel::rtnetlink::RouteSocket;
use cofferdam_names::ZoneName;
use cofferdam_runtime::step::{Step, StepError};

use crate::connections;
use crate::host;
use crate::judge::{Flow, Judgement, Side, judge};
use crate::lock::Lock;
use crate::nft::Tables;
use crate::rules::{self, TABLE};
use crate::table::{Current, base_operations, zone_note_of};

/// What connections are judged by: the containers that run, and which addresses are the host's.
#[derive(Debug)]
pub struct Ground<'n> {
    networks: &'n [Network],
    host: Vec<IpAddr>,
    tables: Tables,
}

impl<'n> Ground<'n> {
    /// Looks at the host.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn look(networks: &'n [Network]) -> io::Result<Self> {
        Ok(Self { networks, host: host::addresses()?, tables: Tables::open(TABLE)? })
    }

    /// Whose an address is.
    #[must_use]
    pub fn side(&self, address: IpAddr) -> Side<'n> {
        let has = |network: &&Network| network.addresses.iter().any(|pair| pair.address == address);
        match self.networks.iter().find(has) {
            Some(network) => Side::Container(network),
            None if address.is_loopback() || self.host.contains(&address) => Side::Host,
            None => Side::Outside,
        }
    }

    /// Where a published port of the host leads: a container's address and port.
    #[must_use]
    pub fn behind(&self, to: IpAddr, protocol: Protocol, port: u16) -> Option<(IpAddr, u16)> {
        // `::1` leads nowhere: docs/network.md.
        let asked = matches!(self.side(to), Side::Host) && to != IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
        self.networks.iter().filter(|_| asked).find_map(|network| {
            let own = network.address(to.is_ipv6())?.address;
            let mut ports = network.published.iter();
            let found = ports.find(|published| {
                (published.host_port, published.protocol) == (port, protocol)
                    && published.address.is_none_or(|address| address == to)
            });
            found.map(|published| (own, published.container_port))
        })
    }

    /// What the rules say of a connection from one address to another.
    #[must_use]
    pub fn judge(
        &self,
        from: IpAddr,
        to: IpAddr,
        protocol: u8,
        port: Option<u16>,
        published: bool,
    ) -> Judgement {
        let flow = Flow { from: (self.side(from), from), to: (self.side(to), to), protocol, port, published };
        judge(&flow, &|network, name, address| self.is_opened(network, name, address))
    }

    /// Whether the zone's resolver has opened an address for a name.
    fn is_opened(&self, network: &Network, name: &NamePattern, address: IpAddr) -> bool {
        let element = rules::named(&network.realm, &network.zone, name, address);
        self.tables.element(&element).is_ok_and(|found| found.is_some())
    }
}

/// Puts a zone's new rules into force, for containers that run and for those to come, and ends the connections of its containers
/// that they forbid. `networks` are all containers with a link, the zone's with their new rules. How many connections were ended;
/// nothing is done where the zone has no rules in force. None where the zone has other rules by now: these are to be put into force.
///
/// # Errors
/// The kernel refuses the rules: then the old ones are in force. Or a connection cannot be ended.
pub fn renew(
    realm: &str,
    name: &ZoneName,
    rules: &ZoneRules,
    networks: &[Network],
    current: Current<'_>,
) -> Result<Option<usize>, StepError> {
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    let zone = rules::zone(realm, name, rules);
    {
        let _lock = Step::PacketRules.run("lock", Lock::take)?;
        if Step::PacketRules.run("as the zone says now", current)?.is_some_and(|current| current != *rules) {
            return Ok(None);
        }
        if Step::PacketRules.run("of the table", || tables.note())?.is_none() {
            return Ok(Some(0));
        }
        let routes = Step::Link.run("renewal", RouteSocket::open)?;
        // Another version's table is refused.
        Step::PacketRules.run("base", || base_operations(&tables, &routes))?;
        match Step::PacketRules.run("of the zone", || zone_note_of(&tables, &zone))? {
            None => return Ok(Some(0)),
            Some(note) if note == zone.note => {}
            Some(_) => tables.transact(&zone.operations(true)).map_err(|(operation, error)| {
                Step::PacketRules.failed(operation.map_or_else(String::new, |it| it.to_string()), error)
            })?,
        }
    }
    let theirs = networks.iter().filter(|network| network.realm == realm && network.zone == *name);
    let theirs: HashSet<IpAddr> =
        theirs.flat_map(|network| &network.addresses).map(|pair| pair.address).collect();
    end_forbidden(networks, |address| theirs.contains(&address)).map(Some)
}

/// Ends the connections of some containers, by their addresses, that the rules of one of both sides do not let pass. How many it were.
pub(crate) fn end_forbidden(
    networks: &[Network],
    is_meant: impl Fn(IpAddr) -> bool,
) -> Result<usize, StepError> {
    Step::PacketRules.run("connections that they forbid", || {
        let ground = Ground::look(networks)?;
        let mut known = connections::all()?;
        known.retain(|one| {
            (is_meant(one.from) || is_meant(one.to))
                && !ground.judge(one.from, one.to, one.protocol, one.port, one.published).passes
        });
        connections::end(&known)?;
        Ok(known.len())
    })
}
