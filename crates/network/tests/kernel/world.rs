//! Plans of containers' networks, as the tests need them.

use cofferdam_confinement::network::{Address, Link, MacAddress, Network, ZoneRules};

/// The rules of a zone.
pub fn rules(trust: bool, egress: &[&str], ingress: &[&str]) -> ZoneRules {
    let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    ZoneRules {
        trust,
        egress: read(egress),
        ingress: read(ingress),
        connections: None,
        connections_per_second: None,
        zone_connections: None,
        log: false,
    }
}

/// The plan of a container's network.
pub fn network(zone: &str, number: u16, rules: ZoneRules) -> Network {
    let [high, low] = number.to_be_bytes();
    Network {
        realm: "/test".to_owned(),
        zone: zone.parse().unwrap(),
        link: Link {
            host_name: format!("cfd{number:012x}"),
            name: "eth0".to_owned(),
            host_mac: MacAddress([6, 0xcf, 10, 207, high, low]),
            mac: MacAddress([2, 0xcf, 10, 207, high, low]),
            mtu: 1500,
        },
        addresses: vec![
            Address {
                address: format!("10.207.{high}.{low}").parse().unwrap(),
                gateway: "10.207.0.1".parse().unwrap(),
            },
            Address {
                address: format!("fdcf:0:0:1::{number:x}").parse().unwrap(),
                gateway: "fdcf:0:0:1::1".parse().unwrap(),
            },
        ],
        segments: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        published: Vec::new(),
        rules,
        resolver: false,
        outlet: None,
    }
}
