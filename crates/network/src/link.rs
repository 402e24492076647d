//! A container's link: a pair of devices with addresses, routes and neighbours at both ends, all of them set for good, so that
//! nothing is asked or announced on it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use cofferdam_confinement::network::{Address, Network};
use cofferdam_kernel::namespace::{Namespace, join};
use cofferdam_kernel::rtnetlink::{Change, Ipv4Setting, NewVeth, Route, RouteSocket};
use cofferdam_runtime::step::{Step, StepError};
use rustix::io::Errno;

use crate::changes::{bits, but_for, make_all};
use crate::host::MAKER;
use crate::rules::Tag;

/// The host's end: it passes packets on, also from and to its loopback address for published ports (nothing else that
/// comes by the link with such an address gets past the packet rules), believes no redirect and no source route, and takes
/// nothing from an address that it would not send to.
const HOST_SETTINGS: [(Ipv4Setting, u32); 6] = [
    (Ipv4Setting::Forwarding, 1),
    (Ipv4Setting::RouteLocalnet, 1),
    (Ipv4Setting::AcceptRedirects, 0),
    (Ipv4Setting::SendRedirects, 0),
    (Ipv4Setting::AcceptSourceRoute, 0),
    (Ipv4Setting::RpFilter, 1),
];

/// Two sockets: one speaks to the host's namespace, one to the container's.
#[derive(Debug)]
pub(crate) struct Ends<'n> {
    pub(crate) host: RouteSocket,
    pub(crate) inside: RouteSocket,
    namespace: BorrowedFd<'n>,
}

impl<'n> Ends<'n> {
    /// Opens both. The caller has one thread, which goes into the container's namespace and comes back.
    pub(crate) fn open(namespace: BorrowedFd<'n>) -> io::Result<Self> {
        let own = std::fs::File::open("/proc/thread-self/ns/net")?;
        let host = RouteSocket::open()?;
        join(Namespace::Network, namespace)?;
        let inside = RouteSocket::open();
        // Whoever stayed there would take the container's network for the host's.
        join(Namespace::Network, own.as_fd()).map_err(|error| io::Error::other(Lost(error)))?;
        Ok(Self { host, inside: inside?, namespace })
    }
}

/// The thread is left in the container's namespace.
#[derive(Debug, thiserror::Error)]
#[error("cannot come back from the container's network namespace")]
pub(crate) struct Lost(#[source] io::Error);

/// Makes the link with all that belongs to it.
pub(crate) fn make(network: &Network, ends: &Ends<'_>) -> Result<(), StepError> {
    let link = &network.link;
    let name = &link.host_name;
    let veth = NewVeth {
        name,
        mac: link.host_mac.0,
        peer_name: &link.name,
        peer_mac: link.mac.0,
        peer_namespace: ends.namespace,
        mtu: link.mtu,
        group: Tag::zone(&network.realm, &network.zone).group(),
    };
    Step::Link.run(name, || match ends.host.make(Change::new_veth(&veth)) {
        // What an earlier start of this container has left, or what the kernel has not taken away yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove(&ends.host, Which::Name(name))?;
            ends.host.make(Change::new_veth(&veth))
        }
        other => other,
    })?;
    let v6 = network.address(true).is_some();
    let (outer, inner) = Step::Link.run(format_args!("{name} settings"), || {
        let gone = || io::Error::other("it has gone at once");
        let outer = ends.host.link(name)?.ok_or_else(gone)?.index;
        let inner = ends.inside.link(&link.name)?.ok_or_else(gone)?.index;
        make_all(&ends.host, vec![Change::link_settings(outer, &HOST_SETTINGS, v6)])?;
        make_all(&ends.inside, vec![Change::link_settings(inner, &[], v6)])?;
        Ok((outer, inner))
    })?;
    Step::Link.apply(format_args!("{} up", link.name), || {
        make_all(&ends.inside, vec![Change::link_up(inner)])?;
        make_all(&ends.host, vec![Change::link_up(outer)])
    })?;
    Step::Address.apply(&link.name, || make_all(&ends.inside, inside_changes(network, inner)))?;
    Step::Address.apply(format_args!("{} inside {}", "routes", link.name), || {
        make_all(&ends.inside, inside_routes(network, inner))
    })?;
    Step::Address.apply(name, || make_all(&ends.host, host_changes(network, outer)))
}

fn inside_changes(network: &Network, link: u32) -> Vec<Change> {
    let pairs = network.addresses.iter();
    pairs.map(|pair| Change::add_address(link, pair.address, bits(pair.address), 0)).collect()
}

fn inside_routes(network: &Network, link: u32) -> Vec<Change> {
    let pairs = network.addresses.iter();
    pairs
        .flat_map(|pair| {
            let neighbour = Change::add_neighbour(link, pair.gateway, network.link.host_mac.0);
            [neighbour, Change::add_route(&default_route(pair.gateway, link))]
        })
        .collect()
}

/// The container's way to everything else.
pub(crate) fn default_route(gateway: IpAddr, link: u32) -> Route {
    let any: IpAddr =
        if gateway.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Route { to: (any, 0), gateway: Some(gateway), link, source: None, protocol: 4 }
}

fn host_changes(network: &Network, link: u32) -> Vec<Change> {
    let pairs = network.addresses.iter();
    pairs
        .flat_map(|pair| {
            let neighbour = Change::add_neighbour(link, pair.address, network.link.mac.0);
            [neighbour, Change::add_route(&host_route(pair, link))]
        })
        .collect()
}

/// The host's way to one of the container's addresses.
fn host_route(pair: &Address, link: u32) -> Route {
    let to = (pair.address, bits(pair.address));
    Route { to, gateway: None, link, source: Some(pair.gateway), protocol: MAKER }
}

/// Takes the host's end of a link down, so that nothing comes or goes by it and no route leads to it: before any rule is taken away, because
/// another container may share this one's network. The link's number, if it is still there.
pub(crate) fn cut_off(host: &RouteSocket, name: &str) -> io::Result<Option<u32>> {
    let Some(link) = host.link(name)? else { return Ok(None) };
    // It has gone meanwhile.
    but_for(&[Errno::NODEV], host.make(Change::link_down(link.index)))?;
    Ok(Some(link.index))
}

/// By what a link is found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    Name(&'a str),
    /// Never that of the container's next link, which has the same name.
    Number(u32),
}

/// Removes a link with all that belongs to it; one that is not there is fine.
pub(crate) fn remove(host: &RouteSocket, which: Which<'_>) -> io::Result<()> {
    let change = match which {
        Which::Name(name) => Change::delete_link(name),
        Which::Number(index) => Change::delete_link_of(index),
    };
    but_for(&[Errno::NODEV], host.make(change))
}
