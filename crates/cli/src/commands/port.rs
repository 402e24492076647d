//! `cofferdam port`: the ports of the host that lead to a container.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_confinement::network::{Network, Protocol, Service};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};

/// Flags of `port`.
#[derive(Debug, Parser)]
pub(crate) struct PortCommand {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    name: String,
    /// Only what leads to this port of the container
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Run for PortCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let engine = engine(globals)?;
        let details = engine.inspect(&container(&engine, &self.name)?)?;
        let ways = details.plan.network.as_ref().map(ways).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        match self.port {
            None => {
                for (port, protocol, host) in ways {
                    writeln!(out, "{port}/{protocol} -> {host}")?;
                }
            }
            Some(text) => {
                let wanted = private_port(&text)?;
                let hosts: Vec<_> =
                    ways.into_iter().filter(|(port, protocol, _)| wanted.has(*protocol, *port)).collect();
                if hosts.is_empty() {
                    return Err(Report::new(format!(
                        "port {text} of container {} is not published",
                        self.name
                    )));
                }
                for (_, _, host) in hosts {
                    writeln!(out, "{host}")?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Port and protocol in the container, and an address and port of the host that lead there.
pub(super) fn ways(network: &Network) -> Vec<(u16, Protocol, SocketAddr)> {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let mut all = Vec::new();
    for port in &network.published {
        let hosts = match port.address {
            Some(address) => vec![address],
            None => any.into_iter().filter(|host| network.address(host.is_ipv6()).is_some()).collect(),
        };
        all.extend(
            hosts
                .into_iter()
                .map(|host| (port.container_port, port.protocol, SocketAddr::new(host, port.host_port))),
        );
    }
    all
}

/// `PORT` or `PORT/PROTOCOL`
fn private_port(text: &str) -> Result<Service, Report> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let service: Result<Service, _> = format!("{protocol}/{port}").parse();
    service.map_err(|_| Report::new(format!("invalid port {text:?}: its form is PORT[/PROTOCOL]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_of_tcp_unless_it_says_otherwise() {
        assert!(private_port("80").unwrap().has(Protocol::Tcp, 80));
        assert!(private_port("53/udp").unwrap().has(Protocol::Udp, 53));
        for text in ["", "x", "80/", "80/icmp", "0"] {
            assert!(private_port(text).is_err(), "{text}");
        }
    }
}
