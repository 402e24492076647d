//! `NetworkSettings` of a container, with every field that Docker's has.

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::Network;
use cofferdam_engine::{ContainerSummary, OWN_NETWORK};
use serde_json::{Map, Value, json};

use super::super::port;

/// A container has one link and one address of each family, whatever networks it is in; without a link all of these are empty.
pub(super) fn document(summary: &ContainerSummary, plan: &Plan) -> Value {
    let own = plan.network.as_ref();
    let text = |v6: bool, gateway: bool| {
        let pair = own.and_then(|own| own.address(v6));
        pair.map_or_else(String::new, |pair| if gateway { pair.gateway } else { pair.address }.to_string())
    };
    let bits = |v6: bool, bits: u8| own.and_then(|own| own.address(v6)).map_or(0, |_| bits);
    let mac = own.map_or_else(String::new, |own| own.link.mac.to_string());
    let endpoint = |name: &str| {
        json!({
            "IPAMConfig": null,
            "Links": null,
            "Aliases": aliases(own, name),
            "MacAddress": mac,
            "DriverOpts": null,
            "GwPriority": 0,
            "NetworkID": "",
            "EndpointID": "",
            "Gateway": text(false, true),
            "IPAddress": text(false, false),
            "IPPrefixLen": bits(false, 32),
            "IPv6Gateway": text(true, true),
            "GlobalIPv6Address": text(true, false),
            "GlobalIPv6PrefixLen": bits(true, 128),
            "DNSNames": own.map(|own| known_as(summary, own, name)),
        })
    };
    let networks: Map<String, Value> =
        summary.networks.iter().map(|name| (name.clone(), endpoint(name))).collect();
    json!({
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": own.map_or("", |own| own.link.host_name.as_str()),
        "Ports": own.map_or_else(Map::new, ports),
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": "",
        "Gateway": text(false, true),
        "GlobalIPv6Address": text(true, false),
        "GlobalIPv6PrefixLen": bits(true, 128),
        "IPAddress": text(false, false),
        "IPPrefixLen": bits(false, 32),
        "IPv6Gateway": text(true, true),
        "MacAddress": mac,
        "Networks": networks,
    })
}

/// The names that were given to a container in a network; null without any, as Docker has it.
fn aliases(network: Option<&Network>, name: &str) -> Option<Vec<String>> {
    let name = if name == OWN_NETWORK { "" } else { name };
    let segment = network?.segments.iter().find(|segment| segment.name == name)?;
    (!segment.aliases.is_empty()).then(|| segment.aliases.clone())
}

/// All names that others in a network find a container by.
fn known_as(summary: &ContainerSummary, network: &Network, name: &str) -> Vec<String> {
    let own = [summary.name.to_string(), summary.id.short().to_owned()];
    let aliases = aliases(Some(network), name).unwrap_or_default();
    let [first, id] = own;
    std::iter::once(first).chain(aliases).chain([id]).collect()
}

/// What leads to each published port.
fn ports(network: &Network) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (inside, protocol, host) in port::ways(network) {
        let way = json!({ "HostIp": host.ip(), "HostPort": host.port().to_string() });
        let ways = all.entry(format!("{inside}/{protocol}")).or_insert_with(|| json!([]));
        if let Value::Array(ways) = ways {
            ways.push(way);
        }
    }
    all
}
