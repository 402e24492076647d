//! The links between a network namespace that stands in for the host (an ordinary user's) and the host itself: a program has the
//! other end. All of them are made by the process that starts these programs, and read back with each container.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use cofferdam_confinement::network::{Address, Network, Outlet};
use cofferdam_kernel::rtnetlink::{Change, Ipv4Setting, PolicyRule, Route, RouteSocket};

use crate::changes::{bits, make_all};
use crate::host::{MAKER, is_mirrored, mirror};
use crate::observe::Part;

/// The largest packet: the program at the other end makes connections of its own, so it costs nothing.
pub const MTU: u32 = 65_520;
/// The hardware address of this end; no link sees another.
pub const MAC: [u8; 6] = [0x02, 0xcf, 0, 0, 0, 2];
/// The hardware address of the other end.
pub const OTHER_MAC: [u8; 6] = [0x06, 0xcf, 0, 0, 0, 3];
/// How long the kernel may report on a new link with the unspecified address.
const SETTLED: Duration = Duration::from_millis(40);
const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
/// Which table a packet is sent by: the main one without its default route, then the container's own.
const SPECIFIC: u32 = 1000;
const OWN: u32 = 1001;
/// `RT_TABLE_MAIN`
const MAIN: u32 = 254;
/// The link believes no redirect; answers to connections from outside go back by it whatever the main table says, so packets may come
/// from addresses that it would not be asked for.
const SETTINGS: [(Ipv4Setting, u32); 5] = [
    (Ipv4Setting::Forwarding, 1),
    (Ipv4Setting::AcceptRedirects, 0),
    (Ipv4Setting::SendRedirects, 0),
    (Ipv4Setting::AcceptSourceRoute, 0),
    (Ipv4Setting::RpFilter, 2),
];

/// A link as the program at its other end has made it, to be given its addresses and routes.
#[derive(Debug)]
pub struct OutletLink<'a> {
    /// What it is to be.
    pub outlet: &'a Outlet,
    /// The addresses of the containers whose packets it takes, where it is not everybody's.
    pub containers: &'a [IpAddr],
    /// The families in which the host has a way to the internet: in others nothing is sent by it.
    pub families: [bool; 2],
}

impl OutletLink<'_> {
    /// Gives the link all that it is to have.
    ///
    /// # Errors
    /// The link is not there, or the kernel refuses.
    pub fn configure(&self, routes: &RouteSocket) -> io::Result<()> {
        let link = routes.link(&self.outlet.link)?.ok_or(io::ErrorKind::NotFound)?.index;
        let mut changes =
            vec![Change::link_settings(link, &SETTINGS, true), Change::link_form(link, MAC, MTU)];
        if self.outlet.addresses.iter().any(|pair| pair.address.is_ipv6()) {
            // The kernel's own reports on the link have this source. With none, pasta would take the unspecified address for ours.
            changes.push(Change::add_address(link, LINK_LOCAL, 64, MAKER));
        }
        changes.push(Change::link_up(link));
        for pair in &self.outlet.addresses {
            changes.push(Change::add_address(link, pair.address, bits(pair.address), MAKER));
            changes.push(Change::add_neighbour(link, pair.gateway, OTHER_MAC));
        }
        make_all(routes, changes)?;
        let used = |pair: &&Address| self.families[usize::from(pair.address.is_ipv6())];
        let ways = self.outlet.addresses.iter().filter(used).map(|pair| {
            let any = if pair.gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
            let route =
                Route { to: (any, 0), gateway: Some(pair.gateway), link, source: None, protocol: MAKER };
            Change::add_route_in(self.outlet.table.unwrap_or(MAIN), &route)
        });
        make_all(routes, ways.collect())?;
        let there = routes.policies()?;
        make_all(
            routes,
            self.policies()
                .into_iter()
                .filter(|it| !there.contains(it))
                .map(|it| Change::add_policy(&it))
                .collect(),
        )
    }

    /// Shows the program at the other end which addresses are here, now that it is there: it sends what comes from outside to the one
    /// that it has last seen, and while the link's own are new that is none. With its hardware address set a link announces them
    /// (`ndisc_notify`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn announce(&self, routes: &RouteSocket) -> io::Result<()> {
        std::thread::sleep(SETTLED);
        let link = routes.link(&self.outlet.link)?.ok_or(io::ErrorKind::NotFound)?.index;
        let mut changes = vec![Change::link_form(link, MAC, MTU)];
        // That has made the link forget its neighbours.
        let gateways = self.outlet.addresses.iter().map(|pair| pair.gateway);
        changes.extend(gateways.map(|gateway| Change::add_neighbour(link, gateway, OTHER_MAC)));
        make_all(routes, changes)
    }

    /// Takes away what does not go with the link.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget(&self, routes: &RouteSocket) -> io::Result<()> {
        let there = routes.policies()?;
        let own = self.policies().into_iter().filter(|it| it.priority == OWN && there.contains(it));
        make_all(routes, own.map(|it| Change::remove_policy(&it)).collect())
    }

    fn policies(&self) -> Vec<PolicyRule> {
        policies(self.outlet, self.containers.iter().copied())
    }
}

/// The rules by which packets of these containers find their table; none where it is the main one.
fn policies(outlet: &Outlet, containers: impl Iterator<Item = IpAddr>) -> Vec<PolicyRule> {
    let Some(table) = outlet.table else { return Vec::new() };
    containers
        .flat_map(|address| {
            let v6 = address.is_ipv6();
            [
                PolicyRule { v6, priority: SPECIFIC, from: None, table: MAIN, no_default: true },
                PolicyRule { v6, priority: OWN, from: Some(address), table, no_default: false },
            ]
        })
        .collect()
}

/// Makes addresses of the host's the namespace's own as well, and takes those away that the host has no more: what is sent to them
/// stays in the namespace, where nobody answers. The program at the other end would bring it to the host's services.
///
/// # Errors
/// The kernel refuses.
pub fn keep_from_host(routes: &RouteSocket, host: &[IpAddr]) -> io::Result<()> {
    mirror(routes, host)
}

/// The addresses of the host's that are kept from containers now.
///
/// # Errors
/// The kernel does not answer.
pub fn kept_from_host(routes: &RouteSocket) -> io::Result<BTreeSet<IpAddr>> {
    Ok(routes.addresses()?.into_iter().filter(is_mirrored).map(|it| it.address).collect())
}

/// The container's way to and from the host, as it is to be and is.
pub(crate) fn parts(network: &Network, routes: &RouteSocket) -> Vec<Part> {
    let Some(outlet) = &network.outlet else { return Vec::new() };
    // Without the program at its other end the link is gone: less than planned, and never more than allowed.
    let planned = format!("up, {MTU} bytes, or absent");
    let link = routes.link_details(&outlet.link).map(|details| match details {
        Some(details) if !details.link.up || details.mtu != MTU => {
            format!("{}, {} bytes", if details.link.up { "up" } else { "down" }, details.mtu)
        }
        _ => planned.clone(),
    });
    let mut parts = vec![Part::new(&outlet.link, &planned, link)];
    let containers = || network.addresses.iter().map(|pair| pair.address);
    for policy in policies(outlet, containers()) {
        let found =
            routes.policies().map(|all| if all.contains(&policy) { "present" } else { "absent" }.to_owned());
        let whose =
            policy.from.map_or_else(|| "all but the default route".to_owned(), |from| from.to_string());
        parts.push(Part::new(format!("table {} for {whose}", policy.table), "present", found));
    }
    // In a family that the host has no way in, there is none here either: less than planned is never more than allowed.
    for pair in &outlet.addresses {
        let v6 = pair.gateway.is_ipv6();
        let found = routes.link(&outlet.link).and_then(|link| {
            let all = routes.routes_of(outlet.table.unwrap_or(MAIN))?;
            let ways = all.iter().filter(|route| route.to.1 == 0 && route.to.0.is_ipv6() == v6);
            let index = link.map(|link| link.index);
            let strange =
                ways.filter(|route| route.link != index || route.gateway != Some(pair.gateway)).count();
            Ok(if strange == 0 { "by its outlet".to_owned() } else { "by another link".to_owned() })
        });
        let family = if v6 { "IPv6" } else { "IPv4" };
        parts.push(Part::new(format!("way outside of {family}"), "by its outlet", found));
    }
    parts
}
