//! The files below /etc that differ from container to container; the engine writes them into the container's folder.

use std::fmt::Write;

use cofferdam_confinement::Plan;

use super::PolicyError;
use crate::ContainerRequest;

/// Their texts, by the names that [`crate::PlanContext::state_dir`] has for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcFiles {
    /// `hostname`
    pub hostname: String,
    /// `hosts`
    pub hosts: String,
    /// `resolv.conf`
    pub resolv_conf: String,
}

impl EtcFiles {
    /// The texts for a plan and the request that it was made from.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`]: `--add-host` or `--dns` holds what cannot stand in such a file.
    pub fn new(plan: &Plan, request: &ContainerRequest) -> Result<Self, PolicyError> {
        let name = plan.hostname.as_deref().unwrap_or("localhost");
        let mut hosts = String::from(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        );
        for entry in &request.network.add_hosts {
            // Docker takes `name:address` and `name=address`; an IPv6 address has colons of its own.
            let (host, address) = entry
                .split_once('=')
                .or_else(|| entry.split_once(':'))
                .ok_or_else(|| invalid("--add-host", entry, "its form is NAME:ADDRESS"))?;
            let host = word("--add-host", host)?;
            for address in addresses_of(address, plan).ok_or_else(|| {
                invalid(
                    "--add-host",
                    entry,
                    "it ends with an address, or with host-gateway where there is a link",
                )
            })? {
                let _ = writeln!(hosts, "{address}\t{host}");
            }
        }
        let own = plan.network.as_ref().map_or(&[][..], |network| &network.addresses);
        if name != "localhost" && own.is_empty() {
            let _ = writeln!(hosts, "127.0.0.1\t{name}");
        }
        for pair in own {
            let _ = writeln!(hosts, "{}\t{name}", pair.address);
        }
        let mut resolv_conf = String::new();
        if plan.network.is_none() {
            let zone = plan.zone.as_ref().map_or_else(String::new, |zone| format!("zone `{zone}`: "));
            let _ = writeln!(
                resolv_conf,
                "# {zone}no network but the container's own loopback, so no name server answers."
            );
        }
        if let Some(network) =
            plan.network.as_ref().filter(|network| network.resolver && request.network.dns.is_empty())
        {
            for pair in &network.addresses {
                let _ = writeln!(resolv_conf, "nameserver {}", pair.gateway);
            }
        }
        for server in &request.network.dns {
            let address: std::net::IpAddr =
                server.parse().map_err(|_| invalid("--dns", server, "it is an address"))?;
            let _ = writeln!(resolv_conf, "nameserver {address}");
        }
        if !request.network.dns_search.is_empty() {
            let domains = request.network.dns_search.iter().map(|domain| word("--dns-search", domain));
            let _ = writeln!(resolv_conf, "search {}", domains.collect::<Result<Vec<_>, _>>()?.join(" "));
        }
        if !request.network.dns_options.is_empty() {
            let options = request.network.dns_options.iter().map(|option| word("--dns-option", option));
            let _ = writeln!(resolv_conf, "options {}", options.collect::<Result<Vec<_>, _>>()?.join(" "));
        }
        Ok(Self { hostname: format!("{name}\n"), hosts, resolv_conf })
    }
}

/// An address, or what Docker's word for the host stands for: the host's addresses on the link.
fn addresses_of(text: &str, plan: &Plan) -> Option<Vec<std::net::IpAddr>> {
    if text == "host-gateway" {
        let pairs = &plan.network.as_ref()?.addresses;
        return Some(pairs.iter().map(|pair| pair.gateway).collect());
    }
    let address = text.trim_start_matches('[').trim_end_matches(']');
    address.parse().ok().map(|address| vec![address])
}

fn invalid(flag: &str, text: &str, rule: &str) -> PolicyError {
    PolicyError::invalid(format!("{flag} {text:?}"), rule)
}

/// One word of a line: nothing that could begin another word, line or comment.
fn word<'t>(flag: &str, text: &'t str) -> Result<&'t str, PolicyError> {
    let plain = |letter: char| letter.is_ascii_graphic() && letter != '#';
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text)
    } else {
        Err(invalid(flag, text, "it is one word of visible ASCII letters"))
    }
}
