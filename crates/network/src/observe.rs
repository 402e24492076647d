//! Reads a container's network back from the kernel, part by part, beside what the plan says.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use cofferdam_confinement::network::Network;
use cofferdam_kernel::rtnetlink::{LinkDetails, RouteSocket};

use crate::changes::bits;
use crate::host::is_router;
use crate::link::Ends;
use crate::nft::{Data, Element, Expr, Rule, Tables};
use crate::rules::{self, TABLE, Tag};
use crate::{name_server, outlet};

/// One part of a container's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What.
    pub item: String,
    /// As the plan says.
    pub planned: String,
    /// As the kernel says, or why it could not be asked.
    pub found: Result<String, String>,
}

impl Part {
    pub(crate) fn new(
        item: impl Into<String>,
        planned: impl Into<String>,
        found: io::Result<String>,
    ) -> Self {
        Self { item: item.into(), planned: planned.into(), found: found.map_err(|error| error.to_string()) }
    }

    /// Whether it is as planned.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found.as_ref().is_ok_and(|found| *found == self.planned)
    }
}

/// Reads everything that [`crate::connect`] sets.
///
/// # Errors
/// The container's namespace cannot be entered, or left again.
pub fn observe(network: &Network, namespace: BorrowedFd<'_>) -> io::Result<Vec<Part>> {
    let ends = Ends::open(namespace)?;
    let mut parts = links(network, &ends);
    parts.extend(inside(network, &ends.inside));
    parts.extend(routes(network, &ends.host));
    parts.extend(outlet::parts(network, &ends.host));
    parts.extend(name_servers(network));
    parts.extend(observe_rules(network)?);
    Ok(parts)
}

/// The zone's resolver, where it is the container's name server.
fn name_servers(network: &Network) -> Vec<Part> {
    let link = &network.link.host_name;
    let gateways = network.addresses.iter().map(|pair| pair.gateway).filter(|_| network.resolver);
    let part = |gateway: IpAddr| {
        let item = format!("name server at {gateway} by {link}");
        Part::new(item, name_server::HEARD, name_server::heard(gateway, link))
    };
    gateways.map(part).collect()
}

/// The part of it that is the host's packet rules.
///
/// # Errors
/// The kernel does not answer.
pub fn observe_rules(network: &Network) -> io::Result<Vec<Part>> {
    let tables = Tables::open(TABLE)?;
    let note = tables.note()?;
    let forwarding = note.as_deref().and_then(rules::forwarding_of).unwrap_or_default();
    let base = rules::base_rules(forwarding);
    let zone = rules::zone(&network.realm, &network.zone, &network.rules);
    let chains = rules::chains().map(|chain| (chain, &base)).collect::<Vec<_>>();
    let own = zone.chains.iter().map(|chain| (chain.as_str(), &zone.rules));
    let segments: Vec<_> = rules::segments(network).map(|it| (it.rules(), it.chain)).collect();
    let own = own.chain(segments.iter().map(|(rules, chain)| (chain.as_str(), rules)));
    let mut parts = Vec::new();
    for (chain, all) in chains.into_iter().chain(own) {
        let planned: Vec<&Rule> = all.iter().filter(|rule| rule.chain == *chain).collect();
        let (planned, found) = compare_chain(&planned, tables.rules(chain));
        parts.push(Part::new(format!("chain {chain}"), planned, found));
    }
    for segment in rules::segments(network) {
        let found = tables.rules(&segment.trust).map(|found| way_of(&segment.way(), &found));
        parts.push(Part::new(format!("way to chain {}", segment.chain), "present", found));
    }
    let entries = zone.entries.iter().map(|element| ("zone", element));
    let elements = rules::elements(network);
    let shared = rules::shared_elements(network);
    let elements = elements.iter().chain(&shared).map(|element| ("container", element));
    for (whose, element) in entries.chain(elements) {
        let found = tables.element(element).map(|data| shown(data.as_ref()));
        let item = format!("{} of the {whose} {}", element.set, key_text(element));
        parts.push(Part::new(item, shown(Some(&element.data)), found));
    }
    Ok(parts)
}

/// Whether a segment's way is among those of its zone, which are all that is there.
fn way_of(way: &Rule, found: &[Option<Vec<Expr>>]) -> String {
    if found.iter().any(|rule| !rule.as_deref().is_some_and(rules::is_way)) {
        return "beside another rule".to_owned();
    }
    let there = found.iter().any(|rule| rule.as_ref() == Some(&way.expressions));
    if there { "present" } else { "absent" }.to_owned()
}

/// What a chain is to have and has: the number of rules, and the first that is another.
fn compare_chain(
    planned: &[&Rule],
    found: io::Result<Vec<Option<Vec<Expr>>>>,
) -> (String, io::Result<String>) {
    let wanted = format!("its {} rules", planned.len());
    let found = found.map(|found| {
        let place = (0..planned.len().max(found.len())).find(|place| {
            let expressions = found.get(*place).and_then(Option::as_ref);
            planned.get(*place).map(|rule| &rule.expressions) != expressions
        });
        match place {
            None => wanted.clone(),
            Some(place) => match planned.get(place) {
                Some(rule) => format!("{} rules; rule {} is not {:?}", found.len(), place + 1, rule.comment),
                None => format!("{} rules", found.len()),
            },
        }
    });
    (wanted, found)
}

fn shown(data: Option<&Data>) -> String {
    match data {
        None => "absent".to_owned(),
        Some(Data::None) => "present".to_owned(),
        Some(Data::Value(value)) => hex(value),
        Some(Data::Verdict(verdict)) => format!("{verdict:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn key_text(element: &Element) -> String {
    hex(&element.key)
}

fn links(network: &Network, ends: &Ends<'_>) -> Vec<Part> {
    let link = &network.link;
    let group = Tag::zone(&network.realm, &network.zone).group();
    let describe = |details: Option<LinkDetails>, with_group: bool| match details {
        None => "absent".to_owned(),
        Some(details) => {
            link_text(details.link.up, details.mac, details.mtu, with_group.then_some(details.group))
        }
    };
    let outer = ends.host.link_details(&link.host_name).map(|details| describe(details, true));
    let inner = ends.inside.link_details(&link.name).map(|details| describe(details, false));
    let others = ends.inside.links().map(|links| {
        let up = links.into_iter().filter(|link| link.up).map(|link| link.name);
        up.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    });
    vec![
        Part::new(&link.host_name, link_text(true, Some(link.host_mac.0), link.mtu, Some(group)), outer),
        Part::new(&link.name, link_text(true, Some(link.mac.0), link.mtu, None), inner),
        Part::new("links that are up inside", format!("{} lo", link.name), others),
    ]
}

fn link_text(up: bool, mac: Option<[u8; 6]>, mtu: u32, group: Option<u32>) -> String {
    let state = if up { "up" } else { "down" };
    let group = group.map_or_else(String::new, |group| format!(", group {group}"));
    format!("{state}, {}, {mtu} bytes{group}", mac.map_or_else(|| "no address".to_owned(), |mac| hex(&mac)))
}

/// Lines in one order, on one line.
fn sorted(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn inside(network: &Network, socket: &RouteSocket) -> Vec<Part> {
    let name = &network.link.name;
    let index = index_of(socket, name);
    let found =
        |read: &dyn Fn(u32) -> io::Result<String>| index.clone().map_err(io::Error::other).and_then(read);
    let addresses = found(&|link| {
        let all = socket.addresses()?.into_iter().filter(|address| address.link == link);
        Ok(sorted(all.map(|it| format!("{}/{}", it.address, it.prefix))))
    });
    let routes = found(&|link| {
        // To an IPv6 address of its own the kernel adds a route by itself.
        let own = |to: IpAddr| network.addresses.iter().any(|pair| pair.address == to);
        let all = socket.routes()?.into_iter().filter(|route| !own(route.to.0)).map(|route| {
            let device =
                if route.link == Some(link) { name.clone() } else { format!("link {:?}", route.link) };
            let gateway = route.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
            format!("{}/{}{gateway} by {device}", route.to.0, route.to.1)
        });
        Ok(sorted(all))
    });
    // One by one: the list of all is looked for among those of every namespace.
    let neighbours = found(&|link| {
        let mut all = Vec::new();
        for pair in &network.addresses {
            let mac = socket.permanent_neighbour(link, pair.gateway)?;
            all.extend(mac.map(|mac| format!("{} is {}", pair.gateway, hex(&mac))));
        }
        Ok(sorted(all.into_iter()))
    });
    let pairs = || network.addresses.iter();
    let planned_routes = pairs().map(|pair| {
        let any = if pair.gateway.is_ipv4() { "0.0.0.0" } else { "::" };
        format!("{any}/0 via {} by {name}", pair.gateway)
    });
    let mac = hex(&network.link.host_mac.0);
    vec![
        Part::new(
            "addresses inside",
            sorted(pairs().map(|pair| format!("{}/{}", pair.address, bits(pair.address)))),
            addresses,
        ),
        Part::new("routes inside", sorted(planned_routes), routes),
        Part::new(
            "neighbours inside",
            sorted(pairs().map(|pair| format!("{} is {mac}", pair.gateway))),
            neighbours,
        ),
    ]
}

/// A link's number, which no link has where it is not there; or why it could not be asked for.
fn index_of(socket: &RouteSocket, name: &str) -> Result<u32, String> {
    socket.link(name).map(|link| link.map_or(0, |link| link.index)).map_err(|error| error.to_string())
}

fn routes(network: &Network, host: &RouteSocket) -> Vec<Part> {
    let mut parts = Vec::new();
    let link = index_of(host, &network.link.host_name);
    for pair in &network.addresses {
        let found = link.clone().map_err(io::Error::other).and_then(|link| {
            Ok(match host.route_to(pair.address)? {
                Some(route) if route.to.0 == pair.address && route.link == Some(link) => {
                    format!("by {}", network.link.host_name)
                }
                Some(route) => format!("by {}/{}", route.to.0, route.to.1),
                None => "none".to_owned(),
            })
        });
        let planned = format!("by {}", network.link.host_name);
        parts.push(Part::new(format!("route to {}", pair.address), planned, found));
        let family = if pair.address.is_ipv6() { "IPv6" } else { "IPv4" };
        let router = is_router(pair.address.is_ipv6()).map(|yes| if yes { "on" } else { "off" }.to_owned());
        parts.push(Part::new(format!("forwarding of {family}"), "on", router));
    }
    parts
}
