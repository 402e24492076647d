//! `--network`, `-p`, `--dns`, ...

use std::str::FromStr;

use clap::Args;
use cofferdam_policy::{ContainerRequest, NetworkMode};

use crate::report::Report;

/// What it may reach, and what may reach it.
#[derive(Debug, Clone, Args)]
pub(super) struct NetworkFlags {
    /// Connect to a network: none, host, bridge, container:NAME or a network's name (default: the zone's); name=NETWORK,alias=NAME
    /// with a name for it there
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    network: Vec<Attachment>,
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

/// One `--network`: a word, or Docker's longer form of `KEY=VALUE` pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attachment {
    mode: NetworkMode,
    aliases: Vec<String>,
    ip: Option<String>,
    ip6: Option<String>,
    mac_address: Option<String>,
}

impl FromStr for Attachment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = !text.contains('=');
        let pairs: Vec<&str> = if plain { Vec::new() } else { text.split(',').collect() };
        let mut name = plain.then(|| text.to_owned());
        let (mut aliases, mut ip, mut ip6, mut mac_address) = (Vec::new(), None, None, None);
        for pair in pairs {
            let (key, value) =
                pair.split_once('=').ok_or("its form is NETWORK or name=NETWORK[,KEY=VALUE]...")?;
            match key {
                "name" => name = Some(value.to_owned()),
                "alias" => aliases.push(value.to_owned()),
                "ip" => ip = Some(value.to_owned()),
                "ip6" => ip6 = Some(value.to_owned()),
                "mac-address" => mac_address = Some(value.to_owned()),
                _ => return Err(format!("{key} is not known; keys are name, alias, ip, ip6, mac-address")),
            }
        }
        let name = name.filter(|name| !name.is_empty()).ok_or("it names no network")?;
        Ok(Self { mode: NetworkMode::from(name), aliases, ip, ip6, mac_address })
    }
}

impl NetworkFlags {
    pub(super) fn apply(self, request: &mut ContainerRequest) -> Result<(), Report> {
        let network = &mut request.network;
        let mut attachments = self.network.into_iter();
        network.aliases = self.network_alias;
        if let Some(first) = attachments.next() {
            network.mode = Some(first.mode);
            network.aliases.extend(first.aliases);
            (network.ip, network.ip6, network.mac_address) = (first.ip, first.ip6, first.mac_address);
        }
        for Attachment { mode, aliases, ip, ip6, mac_address } in attachments {
            if ip.or(ip6).or(mac_address).is_some() {
                let text = format!(
                    "cannot use --network {mode}: a container has one link, whose addresses the first network names"
                );
                return Err(Report::new(text).hint("give ip, ip6 and mac-address with the first --network"));
            }
            let name = mode.to_string();
            if network.mode.as_ref().is_some_and(|first| first.to_string() == name) {
                network.aliases.extend(aliases);
            } else {
                network.connected.entry(name).or_default().extend(aliases);
            }
        }
        network.publish = self.publish;
        network.publish_all = self.publish_all;
        network.expose = self.expose;
        network.dns = self.dns;
        network.dns_search = self.dns_search;
        network.dns_options = self.dns_option;
        network.add_hosts = self.add_host;
        network.ip = self.ip.or(network.ip.take());
        network.ip6 = self.ip6.or(network.ip6.take());
        network.mac_address = self.mac_address.or(network.mac_address.take());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_word_or_pairs() {
        let read = |text: &str| text.parse::<Attachment>();
        assert_eq!(read("front").unwrap().mode, NetworkMode::Named("front".to_owned()));
        let long = read("name=front,alias=db,alias=store,ip=10.207.200.1").unwrap();
        assert_eq!((long.mode.to_string().as_str(), long.aliases.len()), ("front", 2));
        assert_eq!(long.ip.as_deref(), Some("10.207.200.1"));
        for bad in ["", "alias=x", "name=a,gw-priority=1", "name=a,b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
