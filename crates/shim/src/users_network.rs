//! A container's place in the network of an ordinary user's own: its shim is in that network from its beginning, and holds a connection to
//! the process that joins it to the host.

use std::os::fd::OwnedFd;

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::Network;
use cofferdam_policy::has_own_outlet;
use cofferdam_rootless::{Host, ReachError, Way};

use crate::failure::Failure;
use crate::names::start_part;
use crate::spec::{ShimSpec, UsersNetwork};

/// Moves this process into the network, which is made where there is none. None where the container's link is in the host's.
pub(crate) fn enter(spec: &ShimSpec) -> Result<Option<Host>, Failure> {
    let Some(UsersNetwork { socket, orders }) = &spec.rootless else { return Ok(None) };
    let text = serde_json::to_string(orders).map_err(std::io::Error::other);
    let text = text.map_err(|error| Failure::during("start this user's network", &error))?;
    let spawn = |listener: OwnedFd| start_part(listener, cofferdam_rootless::SUBCOMMAND, &text);
    let host = Host::reach(socket, spawn).map_err(refused)?;
    let namespaces = host.namespaces().map_err(refused)?;
    namespaces.enter().map_err(|error| Failure::during("enter this user's network", &error))?;
    Ok(Some(host))
}

fn refused(error: ReachError) -> Failure {
    Failure::during("give the container a network", &error)
}

/// Opens the container's own way to its published ports, if it is to have one.
pub(crate) fn publish(plan: &Plan, host: Option<&Host>) -> Result<(), Failure> {
    match (plan.network.as_ref().and_then(way_of), host) {
        (Some(way), Some(host)) => host.publish(&way).map_err(refused),
        (Some(_), None) => Err(Failure::plain("this user's network is lost; start the container anew")),
        (None, _) => Ok(()),
    }
}

/// Its own way; none where it uses that of all.
fn way_of(network: &Network) -> Option<Way> {
    let outlet = network.outlet.clone().filter(|_| has_own_outlet(network))?;
    let containers = network.addresses.iter().map(|pair| pair.address).collect();
    Some(Way { outlet, containers, ports: network.published.clone() })
}
