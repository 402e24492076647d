//! A network in the shape of Docker's `network inspect`, with its zone beside it.

use cofferdam_engine::{Engine, NetworkMember, NetworkSummary, OWN_NETWORK};
use serde_json::{Map, Value, json};

use crate::report::Report;

/// The network that a word means.
pub(super) fn find(engine: &Engine, word: &str) -> Result<Value, Report> {
    if word == OWN_NETWORK {
        return document(engine, OWN_NETWORK, None);
    }
    let network = engine.network(word)?;
    document(engine, &network.name, Some(&network))
}

fn document(engine: &Engine, name: &str, network: Option<&NetworkSummary>) -> Result<Value, Report> {
    let config = engine.network_pools()?.into_iter();
    let config: Vec<Value> =
        config.map(|(subnet, gateway)| json!({ "Subnet": subnet, "Gateway": gateway })).collect();
    let containers: Map<String, Value> = engine
        .network_members(name)?
        .into_iter()
        .map(|member| (member.id.to_string(), container(&member)))
        .collect();
    Ok(json!({
        "Name": name,
        "Id": network.map_or("", |network| network.id.as_str()),
        "Created": network.map(|network| network.created.to_string()),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": true,
        "EnableIPv6": config.len() > 1,
        "IPAM": { "Driver": "default", "Options": null, "Config": config },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": {},
        "Labels": network.map(|network| network.labels.clone()).unwrap_or_default(),
        "Zone": network.map(|network| network.zone.clone()),
    }))
}

fn container(member: &NetworkMember) -> Value {
    let address = |v6: bool| {
        let pair = member.network.address(v6);
        pair.map_or_else(String::new, |pair| format!("{}/{}", pair.address, if v6 { 128 } else { 32 }))
    };
    json!({
        "Name": member.name,
        "EndpointID": "",
        "MacAddress": member.network.link.mac.to_string(),
        "IPv4Address": address(false),
        "IPv6Address": address(true),
    })
}
