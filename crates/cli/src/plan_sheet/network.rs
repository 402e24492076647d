//! The sheet's part on the network.

use cofferdam_confinement::network::{Address, Network, Outlet, Protocol};

use super::{Sheet, yes};

pub(super) fn network(sheet: &mut Sheet, network: &Network) {
    let Network { realm, zone, link, addresses, segments, labels, published, rules, resolver, outlet } =
        network;
    sheet.line("rules of", format!("zone {zone} below {realm}"));
    sheet.line("link", format!("{} ({}), {} bytes", link.name, link.mac, link.mtu));
    sheet.line("host's end", format!("{} ({})", link.host_name, link.host_mac));
    sheet.lines("address", addresses.iter().map(|pair| format!("{} through {}", pair.address, pair.gateway)));
    let through = |pair: &Address| format!("{} through {}", pair.address, pair.gateway);
    if let Some(Outlet { link, addresses, table }) = outlet {
        let table = table.map_or_else(String::new, |table| format!(", table {table}"));
        sheet.line("way outside", format!("{link}, by pasta{table}"));
        sheet.lines("its address", addresses.iter().map(through));
    }
    let named = |segment: &cofferdam_confinement::network::Segment| {
        let known: String = segment.aliases.iter().map(|alias| format!(" {alias}")).collect();
        if known.is_empty() { segment.name.clone() } else { format!("{} as{known}", segment.name) }
    };
    sheet.lines("segment", segments.iter().map(named));
    sheet.lines("label", labels.iter().map(|(key, value)| format!("{key}={value}")));
    let port = |protocol: Protocol, host: String, inside: u16| format!("{host} to {inside}/{protocol}");
    sheet.lines(
        "published",
        published.iter().map(|it| {
            let host = match it.address {
                Some(address) => std::net::SocketAddr::new(address, it.host_port).to_string(),
                None => it.host_port.to_string(),
            };
            port(it.protocol, host, it.container_port)
        }),
    );
    sheet.line("zone's name server", yes(*resolver));
    sheet.line("trusts its zone", yes(rules.trust));
    sheet.lines("may reach", rules.egress.iter().map(ToString::to_string));
    sheet.lines("reached by", rules.ingress.iter().map(ToString::to_string));
    sheet.optional("connections", rules.connections);
    sheet.optional("per second", rules.connections_per_second);
    sheet.optional("of the whole zone", rules.zone_connections);
    sheet.line("denials recorded", yes(rules.log));
}
