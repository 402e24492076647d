//! Connects a container: the rules first, then its link.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use cofferdam_confinement::network::{Network, PublishedPort, ZoneRules};
use cofferdam_kernel::rtnetlink::RouteSocket;
use cofferdam_runtime::step::{Step, StepError};
use thiserror::Error;

use crate::ending::{Remains, disconnect};
use crate::listener;
use crate::lock::Lock;
use crate::nft::{Data, Element, Operation, Tables};
use crate::observe::observe_rules;
use crate::rules::{self, Forwarding, TABLE, ZoneObjects, base, base_note};
use crate::{connections, host, link, renewal};

/// Why a container cannot be connected.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A port of the host leads to another container.
    #[error("port {port} is published by the container with address {holder}")]
    PortTaken {
        /// The port.
        port: PublishedPort,
        /// Whose it is.
        holder: IpAddr,
    },
    /// A program of the host's listens at a port that is to be published.
    #[error("port {port} is in use by {program} of the host")]
    PortInUse {
        /// The port.
        port: PublishedPort,
        /// Its name and process id, where it can be told.
        program: String,
    },
    /// The zone has other rules than the container was planned with: it is to be planned anew.
    #[error("the rules of its zone were changed meanwhile")]
    ZoneChanged,
}

/// What a zone's rules are now, where somebody knows that: asked for under the lock, so that what is put into force is never older
/// than what another command has put there.
pub type Current<'a> = &'a dyn Fn() -> io::Result<Option<ZoneRules>>;

/// A container's connection; undone when it is dropped, unless it was kept.
#[derive(Debug)]
pub struct Connected {
    network: Option<Network>,
}

impl Connected {
    /// Leaves it in place.
    pub fn keep(mut self) {
        self.network = None;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(network) = self.network.take() {
            // What stays is taken away by the next clean-up, which finds the container's plan.
            let _ = disconnect(&network).and_then(Remains::clear);
        }
    }
}

/// Connects a container whose network namespace this is. The caller has one thread.
///
/// # Errors
/// [`ConnectError`]; nothing of it is left then.
pub fn connect(
    network: &Network,
    namespace: BorrowedFd<'_>,
    current: Current<'_>,
) -> Result<Connected, ConnectError> {
    for port in &network.published {
        if listener::is_listened_at(port) {
            return Err(ConnectError::PortInUse { port: *port, program: listener::program_at(port) });
        }
    }
    let undone = Connected { network: Some(network.clone()) };
    let ends = Step::Link.run("the container's namespace", || link::Ends::open(namespace))?;
    set_rules(network, &ends.host, current)?;
    link::make(network, &ends)?;
    Ok(undone)
}

/// Puts the container into the table, which is made if it is not there.
fn set_rules(network: &Network, routes: &RouteSocket, current: Current<'_>) -> Result<(), ConnectError> {
    let zone = rules::zone(&network.realm, &network.zone, &network.rules);
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    let _lock = Step::PacketRules.run("lock", Lock::take)?;
    // A container that was planned before a change of its zone would put the older rules back, for all of the zone.
    if Step::PacketRules.run("as the zone says now", current)?.is_some_and(|rules| rules != network.rules) {
        return Err(ConnectError::ZoneChanged);
    }
    let (mut operations, forwarding) = Step::PacketRules.run("base", || base_operations(&tables, routes))?;
    let there = if operations.is_empty() { zone_note(&tables, &zone)? } else { None };
    let gateways: Vec<IpAddr> = network.addresses.iter().map(|pair| pair.gateway).collect();
    if there.as_ref() != Some(&zone.note) {
        // Left out, its segments can still be made: it is the gate that is to miss the rest.
        let left_out = Step::PacketRules.is_left_out("zone");
        let all = if left_out { vec![zone.way_to_segments()] } else { zone.operations(there.is_some()) };
        operations.extend(all);
    }
    if let Some((port, holder)) = Step::PacketRules.run("ports", || holder_of(network, &tables, routes))? {
        return Err(ConnectError::PortTaken { port, holder });
    }
    let own = rules::elements(network);
    // What an earlier start of this container has left is put in anew.
    if there.is_some() {
        operations.extend(present(&tables, &own)?.into_iter().map(Operation::DeleteElement));
    }
    operations.extend(segment_operations(network, &tables)?);
    operations.extend(rules::shared_elements(network).into_iter().map(Operation::ShareElement));
    if !Step::PacketRules.is_left_out("container") {
        operations.extend(own.into_iter().map(Operation::AddElement));
    }
    Step::PacketRules.run(&network.zone, || Ok(()))?;
    tables.transact(&operations).map_err(|(operation, error)| refusal(network, &tables, operation, error))?;
    Step::HostNetwork.run("gateways", || host::add_gateways(routes, &gateways, forwarding))?;
    for gateway in gateways {
        let family = if gateway.is_ipv6() { "ipv6" } else { "ipv4" };
        Step::HostNetwork
            .apply(format_args!("forwarding {family}"), || host::become_router(gateway.is_ipv6()))?;
    }
    // What led to an earlier container with one of the addresses, and was under way when that one's end was seen to, leads nowhere.
    forget_connections(network, &tables).map_err(ConnectError::from)
}

/// What makes the chains of a container's segments that are not there yet. They stay as long as the table does.
fn segment_operations(network: &Network, tables: &Tables) -> Result<Vec<Operation>, StepError> {
    let mut all = Vec::new();
    for segment in rules::segments(network) {
        if !Step::PacketRules.run("of a segment", || tables.has_chain(&segment.chain))? {
            all.extend(segment.operations());
        }
    }
    Ok(all)
}

pub(crate) fn forget_connections(network: &Network, tables: &Tables) -> Result<(), StepError> {
    Step::PacketRules.run("connections of its addresses", || {
        connections::forget(tables.socket(), network.addresses.iter().map(|pair| pair.address))
    })
}

/// Another container's port that meets one of this one's: of all addresses where this one has one, or the other way round. The same
/// port twice is what the table itself refuses.
fn holder_of(
    network: &Network,
    tables: &Tables,
    routes: &RouteSocket,
) -> io::Result<Option<(PublishedPort, IpAddr)>> {
    if network.published.is_empty() {
        return Ok(None);
    }
    let host: Vec<Option<IpAddr>> = routes.addresses()?.into_iter().map(|it| Some(it.address)).collect();
    for port in &network.published {
        let others = if port.address.is_some() { &[None][..] } else { host.as_slice() };
        for address in others {
            for way in rules::ways(&PublishedPort { address: *address, ..*port }, network) {
                let Some(Data::Value(target)) = tables.element(&way)? else { continue };
                let holder = rules::target_address(&target);
                let other = holder.filter(|it| network.addresses.iter().all(|pair| pair.address != *it));
                if let Some(holder) = other {
                    return Ok(Some((*port, holder)));
                }
            }
        }
    }
    Ok(None)
}

/// What makes the table, if it is not there, and for whom the host is a router with it. One that was made by another version is refused.
pub(crate) fn base_operations(
    tables: &Tables,
    routes: &RouteSocket,
) -> io::Result<(Vec<Operation>, Forwarding)> {
    let note = tables.note()?;
    let forwarding = match &note {
        // Decided when the table was made: since then the host is a router.
        Some(note) => rules::forwarding_of(note),
        None => None,
    };
    let forwarding = match forwarding {
        Some(forwarding) => forwarding,
        None => host::forwarding(routes)?,
    };
    match note {
        Some(note) if note == base_note(forwarding) => Ok((Vec::new(), forwarding)),
        None => Ok((base(forwarding), forwarding)),
        Some(_) => Err(io::Error::other(
            "table inet cofferdam was made by another version of this program; stop its containers first",
        )),
    }
}

fn zone_note(tables: &Tables, zone: &ZoneObjects) -> Result<Option<Vec<u8>>, StepError> {
    Step::PacketRules.run("of the zone", || zone_note_of(tables, zone))
}

/// What a zone's rules were made from; none where it has none in the table.
pub(crate) fn zone_note_of(tables: &Tables, zone: &ZoneObjects) -> io::Result<Option<Vec<u8>>> {
    Ok(match tables.element(&zone.note_key())? {
        Some(Data::Value(note)) => Some(note),
        _ => None,
    })
}

/// Those of the elements that the table has with just this value.
pub(crate) fn present(tables: &Tables, elements: &[Element]) -> Result<Vec<Element>, StepError> {
    let mut found = Vec::new();
    for element in elements {
        let data = Step::PacketRules
            .run(format_args!("{} of the container", element.set), || tables.element(element))?;
        if data.as_ref() == Some(&element.data) {
            found.push(element.clone());
        }
    }
    Ok(found)
}

/// Why the table does not take the container: another one has a port, or what the kernel says.
fn refusal(
    network: &Network,
    tables: &Tables,
    operation: Option<Operation>,
    error: io::Error,
) -> ConnectError {
    if let (Some(Operation::AddElement(element)), Some(17)) = (&operation, error.raw_os_error()) {
        let port = network.published.iter().find(|port| rules::is_way_of(element, port, network));
        if let (Some(port), Ok(Some(Data::Value(target)))) = (port, tables.element(element))
            && let Some(holder) = rules::target_address(&target)
        {
            return ConnectError::PortTaken { port: *port, holder };
        }
    }
    let subject = operation.map_or_else(String::new, |operation| operation.to_string());
    Step::PacketRules.failed(subject, error).into()
}

/// Whether the table is there. It is not before the first container, and after somebody has flushed the host's rules.
///
/// # Errors
/// The kernel does not answer.
pub fn is_in_place() -> io::Result<bool> {
    Ok(Tables::open(TABLE)?.note()?.is_some())
}

/// Makes the table anew for these containers, in one transaction: what the host's owner or another program has taken out of
/// it, or changed, is as planned again. All containers that have a link must be among them, with their zones' rules as they are
/// now: the others are cut off. They are asked for under the lock.
///
/// # Errors
/// The kernel refuses; then all is as it was.
pub fn repair(networks: impl FnOnce() -> io::Result<Vec<Network>>) -> Result<(), StepError> {
    make_anew(networks, false)
}

/// The same, only if the table is gone and there are containers.
///
/// # Errors
/// As [`repair`].
pub fn restore(networks: impl FnOnce() -> io::Result<Vec<Network>>) -> Result<(), StepError> {
    make_anew(networks, true)
}

/// Makes the table anew if it is gone, or is not as this container was planned. `networks` are asked for only then: all
/// containers that have a link, as they are planned now. What was found to be missing or different; nothing where all is well.
///
/// # Errors
/// As [`repair`].
pub fn mend(
    own: impl FnOnce() -> io::Result<Option<Network>>,
    networks: impl FnOnce() -> io::Result<Vec<Network>>,
) -> Result<Vec<String>, StepError> {
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    // Held from the look on: what another command changes meanwhile is not taken for damage.
    let _lock = Step::PacketRules.run("lock", Lock::take)?;
    let Some(own) = Step::PacketRules.run("of the container", own)? else { return Ok(Vec::new()) };
    let wrong = match Step::PacketRules.run("of the table", || tables.note())? {
        None => vec!["the table".to_owned()],
        Some(_) => {
            let parts = Step::PacketRules.run("look", || observe_rules(&own))?;
            parts.into_iter().filter(|part| !part.holds()).map(|part| part.item).collect()
        }
    };
    if !wrong.is_empty() {
        let networks = Step::PacketRules.run("of all containers", networks)?;
        make_anew_locked(&networks, &tables)?;
    }
    Ok(wrong)
}

fn make_anew(
    networks: impl FnOnce() -> io::Result<Vec<Network>>,
    only_if_gone: bool,
) -> Result<(), StepError> {
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    let _lock = Step::PacketRules.run("lock", Lock::take)?;
    if only_if_gone && Step::PacketRules.run("of the table", || tables.note())?.is_some() {
        return Ok(());
    }
    let networks = Step::PacketRules.run("of all containers", networks)?;
    if only_if_gone && networks.is_empty() {
        return Ok(());
    }
    make_anew_locked(&networks, &tables)
}

fn make_anew_locked(networks: &[Network], tables: &Tables) -> Result<(), StepError> {
    let routes = Step::Link.run("repair", RouteSocket::open)?;
    let note = Step::PacketRules.run("of the table", || tables.note())?;
    let known = note.as_deref().and_then(rules::forwarding_of);
    let forwarding = match known {
        Some(forwarding) => forwarding,
        None => Step::HostNetwork.run("of the host", || host::forwarding(&routes))?,
    };
    let mut operations = Vec::new();
    if note.is_some() {
        operations.push(Operation::DeleteTable);
    }
    operations.extend(base(forwarding));
    let (mut zones, mut segments) = (BTreeSet::new(), BTreeSet::new());
    for network in networks {
        let zone = rules::zone(&network.realm, &network.zone, &network.rules);
        if zones.insert(zone.chains[0].clone()) {
            operations.extend(zone.operations(false));
        }
        for segment in rules::segments(network) {
            if segments.insert(segment.chain.clone()) {
                operations.extend(segment.operations());
            }
        }
        operations.extend(rules::shared_elements(network).into_iter().map(Operation::ShareElement));
        operations.extend(rules::elements(network).into_iter().map(Operation::ShareElement));
    }
    tables.transact(&operations).map_err(|(operation, error)| {
        Step::PacketRules.failed(operation.map_or_else(String::new, |it| it.to_string()), error)
    })
}

/// Puts a container that has a link into other segments, in one transaction, and ends its connections that are not allowed any more.
/// `networks` are all containers with a link, this one as it is to be.
///
/// # Errors
/// The kernel refuses: then all is as it was. Or a connection cannot be ended.
pub fn change_segments(old: &Network, new: &Network, networks: &[Network]) -> Result<(), StepError> {
    let tables = Step::PacketRules.run("open", || Tables::open(TABLE))?;
    let lock = Step::PacketRules.run("lock", Lock::take)?;
    let (before, after) = (rules::elements(old), rules::elements(new));
    let gone: Vec<Element> = before.iter().filter(|element| !after.contains(element)).cloned().collect();
    let gone = present(&tables, &gone)?;
    let has_left = !gone.is_empty();
    let mut operations: Vec<_> = gone.into_iter().map(Operation::DeleteElement).collect();
    operations.extend(segment_operations(new, &tables)?);
    let come = after.into_iter().filter(|element| !before.contains(element));
    operations.extend(come.map(Operation::ShareElement));
    tables.transact(&operations).map_err(|(operation, error)| {
        Step::PacketRules.failed(operation.map_or_else(String::new, |it| it.to_string()), error)
    })?;
    drop(lock);
    if !has_left {
        return Ok(());
    }
    let own: Vec<IpAddr> = new.addresses.iter().map(|pair| pair.address).collect();
    renewal::end_forbidden(networks, |address| own.contains(&address)).map(drop)
}
