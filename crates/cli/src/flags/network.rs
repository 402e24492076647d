//! `--network`, `-p`, `--dns`, ...

use clap::Args;
use cofferdam_policy::{ContainerRequest, NetworkMode};

/// What it may reach, and what may reach it.
#[derive(Debug, Clone, Args)]
pub(super) struct NetworkFlags {
    /// Connect to a network: none, host, bridge, container:NAME or a network's name (default: the zone's)
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    network: Option<NetworkMode>,
    /// Add a name by which the network knows it
    #[arg(long, value_name = "NAME")]
    network_alias: Vec<String>,
    /// Publish a container's port to the host
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/PROTOCOL]")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Expose a port
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    expose: Vec<String>,
    /// A DNS server
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// A DNS search domain
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// A DNS option
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Add a line to /etc/hosts
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// MAC address
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
}

impl NetworkFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) {
        let network = &mut request.network;
        network.mode = self.network;
        network.aliases = self.network_alias;
        network.publish = self.publish;
        network.publish_all = self.publish_all;
        network.expose = self.expose;
        network.dns = self.dns;
        network.dns_search = self.dns_search;
        network.dns_options = self.dns_option;
        network.add_hosts = self.add_host;
        network.ip = self.ip;
        network.ip6 = self.ip6;
        network.mac_address = self.mac_address;
    }
}
