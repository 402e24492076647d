//! Disconnects a container: what anybody could notice at once, and what the kernel takes its time for afterwards.

use std::io;

use cofferdam_confinement::network::Network;
use cofferdam_kernel::rtnetlink::RouteSocket;
use cofferdam_runtime::step::{Step, StepError};

use crate::lock::Lock;
use crate::nft::{Operation, Tables};
use crate::rules::{self, TABLE};
use crate::table::{forget_connections, present};
use crate::{host, link};

/// What is left of a container's connection: a link by which nothing comes or goes any more.
///
/// Taking it away waits for the kernel several times (grace periods of RCU, together some 30 ms), and so does closing the socket by which
/// rules were taken away. Whoever waits for a container's end need not wait for that too.
#[derive(Debug)]
#[must_use = "the link is there until its namespace goes"]
pub struct Remains {
    link: Option<u32>,
    routes: RouteSocket,
    /// Kept open until now: the wait is in closing them.
    _tables: [Tables; 2],
}

impl Remains {
    /// Takes the link away; one that has gone with its namespace is fine.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn clear(self) -> Result<(), StepError> {
        let Some(index) = self.link else { return Ok(()) };
        Step::Link.run("remove it", || link::remove(&self.routes, link::Which::Number(index)))
    }
}

/// Takes a container's way to the network and its elements away; what is not there is fine. With the last container the table goes.
///
/// # Errors
/// The kernel refuses; calling again goes on from there.
pub fn disconnect(network: &Network) -> Result<Remains, StepError> {
    let routes = Step::Link.run("remove", RouteSocket::open)?;
    let link = Step::Link.run(format_args!("cut off {}", network.link.host_name), || {
        link::cut_off(&routes, &network.link.host_name)
    })?;
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    // Not the same one: the answer to a socket's first question is short, and the beginning of it is enough.
    let others = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    take_rules(network, &routes, &tables, &others)?;
    Ok(Remains { link, routes, _tables: [tables, others] })
}

fn take_rules(
    network: &Network,
    routes: &RouteSocket,
    tables: &Tables,
    others: &Tables,
) -> Result<(), StepError> {
    let _lock = Step::PacketRules.run("lock", Lock::take)?;
    if Step::PacketRules.run("of the table", || tables.note())?.is_none() {
        forget_connections(network, tables)?;
        return Step::HostNetwork.run("remove gateways", || host::remove_gateways(routes));
    }
    let gone = present(tables, &rules::elements(network))?;
    let operations: Vec<_> = gone.into_iter().map(Operation::DeleteElement).collect();
    let failed = |(operation, error): (Option<Operation>, io::Error)| {
        Step::PacketRules.failed(operation.map_or_else(String::new, |it| it.to_string()), error)
    };
    tables.transact(&operations).map_err(failed)?;
    // Behind the ways of published ports: as long as these are there, each packet may make a connection.
    forget_connections(network, tables)?;
    if Step::PacketRules.run("of any container", || others.is_empty(rules::ALL))? {
        tables.transact(&[Operation::DeleteTable]).map_err(failed)?;
        Step::HostNetwork.run("remove gateways", || host::remove_gateways(routes))?;
    }
    Ok(())
}
