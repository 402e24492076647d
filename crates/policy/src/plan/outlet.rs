//! An ordinary user's way between the network that stands in for the host's and the host's own.

use cofferdam_confinement::network::{
    Address, AddressRange, Network, OUTLET_PREFIX, Outlet, Protocol, PublishedPort,
};

use super::{Planner, PolicyError};
use crate::{HostFacts, NetworkContext};

/// Places of the pools: of the link of all, of the other ends, and of the first link that is a container's own.
const COMMON: u32 = 2;
const OTHER: u32 = 3;
const FIRST_OWN: u32 = 20_480;
/// So many containers of a user can have links.
pub(super) const PLACES: u32 = 20_000;
/// The first number of a routing table of ours.
const FIRST_TABLE: u32 = 0xcf_0000;
/// Ports of one container: each is given to pasta, which listens at it.
const MOST_PORTS: usize = 128;

const ADVICE: &str = "or use --network none";

/// What an ordinary user lacks to have a network, and what to do.
pub(super) fn lack(host: &HostFacts) -> Option<(&'static str, &'static str)> {
    if !host.rootless {
        None
    } else if !host.tools.contains("pasta") {
        let advice = "install the package passt, or use --network none";
        Some(("an ordinary user's network needs pasta, which is not installed", advice))
    } else if !host.tun {
        let advice = "let this user open it (mode 0666, as udev makes it), or use --network none";
        Some(("an ordinary user's network needs /dev/net/tun, which cannot be opened", advice))
    } else {
        None
    }
}

/// Whether pasta can listen at a port.
pub(super) fn admit(asked: &str, port: &PublishedPort, lowest: u16) -> Result<(), PolicyError> {
    if port.protocol == Protocol::Sctp {
        return Err(PolicyError::lacks(asked, "pasta forwards no SCTP", "publish it as root"));
    }
    if port.host_port < lowest {
        let lack = format!("an ordinary user may listen at ports from {lowest} on");
        let advice = "use one of these, or lower net.ipv4.ip_unprivileged_port_start";
        return Err(PolicyError::lacks(asked, lack, advice));
    }
    Ok(())
}

/// The outlet of all containers that publish nothing. None where the pools have no room for it.
#[must_use]
pub fn common_outlet(pool4: AddressRange, pool6: Option<AddressRange>) -> Option<Outlet> {
    let addresses = [Some(pool4), pool6].into_iter().flatten().map(|pool| at(pool, COMMON));
    let addresses = addresses.collect::<Option<Vec<_>>>()?;
    Some(Outlet { link: format!("{OUTLET_PREFIX}-all"), addresses, table: None })
}

fn at(pool: AddressRange, place: u32) -> Option<Address> {
    Some(Address { address: pool.nth(place)?, gateway: pool.nth(OTHER)? })
}

impl Planner<'_> {
    /// The container's outlet; none where the host's own network has its links.
    pub(super) fn outlet(
        &self,
        host: &NetworkContext,
        published: &[PublishedPort],
    ) -> Result<Option<Outlet>, PolicyError> {
        if !self.context.host.rootless {
            return Ok(None);
        }
        if published.len() > MOST_PORTS {
            let rule = format!("an ordinary user's container publishes at most {MOST_PORTS} ports");
            return Err(PolicyError::invalid("--publish", rule));
        }
        let full = || PolicyError::lacks("network", "the pool of addresses has no place left", ADVICE);
        if published.is_empty() {
            return common_outlet(host.pool4, host.pool6).ok_or_else(full).map(Some);
        }
        let pools = [Some(host.pool4), host.pool6].into_iter().flatten();
        let addresses = pools.map(|pool| at(pool, FIRST_OWN + host.place)).collect::<Option<Vec<_>>>();
        // Pasta takes names of at most 14 bytes.
        let id: String = self.context.container.short().chars().take(11).collect();
        Ok(Some(Outlet {
            link: format!("{OUTLET_PREFIX}{id}"),
            addresses: addresses.ok_or_else(full)?,
            table: Some(FIRST_TABLE + host.place),
        }))
    }
}

/// Whether a network has its outlet for itself.
#[must_use]
pub fn has_own_outlet(network: &Network) -> bool {
    network.outlet.as_ref().is_some_and(|outlet| outlet.table.is_some())
}
