//! The network of an ordinary user's own: what it is started with, and work in it by commands, which are outside of it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use cofferdam_confinement::network::{AddressRange, Network};
use cofferdam_confinement::{IdMapping, IdMaps, MapWriter, Setgroups};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_network::{HostNetwork, OUTLET_MTU, pool_of};
use cofferdam_policy::{HostFacts, IdAllocation, IdRange, common_outlet};
use cofferdam_rootless::{Host, Namespaces, Orders, OutletEvent, Shown, must_enter};
use cofferdam_shim::{Connection, Event, UsersNetwork};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::live::read_plan;
use crate::name_service::raise_open_files;
use crate::paths::Paths;
use crate::store::Store;
use crate::told::{read_answer, write_answer};
use crate::{Engine, facts};

fn failed(operation: &'static str, source: io::Error) -> Error {
    Error::io(operation, "this user's network", source)
}

impl Engine {
    /// What the process that holds the network is started with, by whichever shim finds none.
    pub(crate) fn users_network(&self) -> Result<UsersNetwork> {
        let socket = self.paths.users_network();
        if let Some(folder) = socket.parent() {
            make_private_folder(folder)?;
        }
        let host = facts::gather()?;
        let HostNetwork { pool4, pool6, .. } = self.host_network()?;
        let outlet = common_outlet(pool4, pool6)
            .ok_or_else(|| failed("plan", io::Error::other("the pool of addresses is too small")))?;
        let orders = Orders {
            maps: identity(&host, &facts::own_ids(&host)),
            pasta: facts::tool("pasta").unwrap_or_else(|| PathBuf::from("/usr/bin/pasta")),
            outlet,
            pool4,
            pool6,
            adopt: shim_in_network(&self.paths)?.map(|(pid, _)| pid.as_raw_nonzero().get()),
            events: self.paths.events(),
        };
        Ok(UsersNetwork { socket, orders })
    }

    /// What the network has for containers' links: the host's, or what stands in for it.
    pub(crate) fn host_network(&self) -> Result<HostNetwork> {
        let failure = |error| Error::io("look at", "the host's network", error);
        if rustix::process::geteuid().is_root() {
            return HostNetwork::look().map_err(failure);
        }
        let known = self.shown_network().map_err(|error| failed("look at", error))?;
        let (pool4, pool6) = match known {
            Some(shown) => (shown.pool4, shown.pool6),
            // It may have been killed while containers run: another one takes over what they have.
            None => match self.linked()?.iter().find_map(|one| one.network().and_then(pools_of)) {
                Some(pools) => pools,
                None => {
                    let host = HostNetwork::look_from_aside().map_err(failure)?;
                    (host.pool4, host.pool6)
                }
            },
        };
        Ok(HostNetwork { pool4, pool6, mtu: OUTLET_MTU })
    }

    /// What the process that holds the network says; none where it does not run.
    pub(crate) fn shown_network(&self) -> io::Result<Option<Shown>> {
        shown(&self.paths.users_network())
    }

    /// Moves this process into the network, for good: for a command that does nothing else.
    ///
    /// # Errors
    /// There is no such network: no container with a link runs.
    pub fn enter_network(&self) -> Result<()> {
        if !must_enter() {
            return Ok(());
        }
        let namespaces = namespaces(&self.paths)?
            .ok_or_else(|| failed("enter", io::Error::other("no container with a link runs")))?;
        namespaces.enter().map_err(|error| failed("enter", error))
    }
}

/// What the process that listens at a socket says; none where there is none.
pub(crate) fn shown(socket: &Path) -> io::Result<Option<Shown>> {
    match Host::open(socket)? {
        Some(host) => host.show().map(Some).map_err(io::Error::other),
        None => Ok(None),
    }
}

/// The pools that a running container's addresses are from.
fn pools_of(network: &Network) -> Option<(AddressRange, Option<AddressRange>)> {
    let pool = |v6| network.address(v6).map(|pair| pool_of(pair.gateway));
    Some((pool(false)?, pool(true)))
}

/// The namespaces of a user's containers with links; none where no such container runs. The process that holds them may have been
/// killed: what containers have in there stays, and has to be changed and taken away all the same.
fn namespaces(paths: &Paths) -> Result<Option<Namespaces>> {
    match Host::open(&paths.users_network()).map_err(|error| failed("reach", error))? {
        Some(host) => host.namespaces().map(Some).map_err(|error| failed("enter", io::Error::other(error))),
        None => Ok(shim_in_network(paths)?.map(|(_, namespaces)| namespaces)),
    }
}

/// A shim that is in the network, by its number. No container is looked after on the way: the clean-up of one that was lost asks
/// for this.
fn shim_in_network(paths: &Paths) -> Result<Option<(Pid, Namespaces)>> {
    for id in Store::new(paths.definitions()).container_ids()? {
        match read_plan(&paths.container(&id)) {
            Ok(plan) if plan.network.is_some() => {}
            Ok(_) => continue,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        let found = shim_at(&paths.run_dir(&id).socket());
        if let Some(found) = found.map_err(|error| Error::io("find the network of", id.short(), error))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The shim that listens at a socket, and the network that it is in; none where nobody listens.
fn shim_at(socket: &Path) -> io::Result<Option<(Pid, Namespaces)>> {
    let connection = match Connection::open(socket) {
        Ok(connection) => connection,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let pid = socket_peercred(&connection)?.pid;
    let namespaces = Namespaces::of_process(pid);
    // Asked only now: as long as the shim has its end of the connection, the number is the shim's.
    let mut ends = [PollFd::new(&connection, PollFlags::empty())];
    rustix::io::retry_on_intr(|| poll(&mut ends, Some(&Timespec::default())))?;
    if !ends[0].revents().is_empty() {
        return Ok(None);
    }
    namespaces.map(|namespaces| Some((pid, namespaces)))
}

/// Runs work where the links of containers are: here, or for an ordinary user in a process of its own in that user's network. None where
/// there is no such network: no container with a link runs.
pub(crate) fn in_network<T: Serialize + DeserializeOwned>(
    paths: &Paths,
    work: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    if !must_enter() {
        return work().map(Some);
    }
    let Some(namespaces) = namespaces(paths)? else { return Ok(None) };
    let (answer, say) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed("enter", error.into()))?;
    match clone3(&CloneRequest { silent: true, ..CloneRequest::default() })
        .map_err(|error| failed("enter", error))?
    {
        Cloned::Child => {
            let done = namespaces.enter().map_err(|error| failed("enter", error)).and_then(|()| work());
            exit_now(i32::from(write_answer(done, File::from(say)).is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(say);
            let answer = read_answer(File::from(answer));
            let _ = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
            let done = answer.map_err(|error| failed("work in", error))?;
            done.map(Some).map_err(|told| failed("work in", io::Error::other(told)))
        }
    }
}

/// All ids that the user's containers can have, each as itself.
fn identity(host: &HostFacts, ids: &IdAllocation) -> IdMaps {
    let own = |id| IdMapping { container: id, host: id, size: 1 };
    let further = |ranges: &[IdRange]| {
        let line =
            |range: &IdRange| IdMapping { container: range.first, host: range.first, size: range.size };
        ranges.iter().map(line).collect::<Vec<_>>()
    };
    match ids {
        IdAllocation::Subordinate { uids, gids } => IdMaps {
            uids: [vec![own(host.uid)], further(uids)].concat(),
            gids: [vec![own(host.gid)], further(gids)].concat(),
            writer: MapWriter::Newuidmap,
            setgroups: Setgroups::Allow,
        },
        _ => IdMaps {
            uids: vec![own(host.uid)],
            gids: vec![own(host.gid)],
            writer: MapWriter::Direct,
            setgroups: Setgroups::Deny,
        },
    }
}

/// The life of the process that holds an ordinary user's network: the hidden subcommand [`cofferdam_rootless::SUBCOMMAND`], with the
/// number of its socket and its orders.
///
/// # Errors
/// The orders cannot be read, or it cannot go on.
pub fn hold_network(number: i32, orders: &str) -> io::Result<()> {
    let listener = cofferdam_kernel::inherited::take(number)?;
    let orders: Orders = serde_json::from_str(orders)?;
    let events = orders.events.clone();
    raise_open_files();
    let mut tell = |event: OutletEvent| {
        let (action, link, why) = match event {
            OutletEvent::Lost { link, why } => ("outlet-lost", link, Some(why)),
            OutletEvent::Back { link } => ("outlet-back", link, None),
        };
        let attributes = why.into_iter().map(|why| ("error".to_owned(), why)).collect();
        let _ = Event::now("network", action, &link, attributes).append(&events);
    };
    cofferdam_rootless::run(listener, orders, &mut tell)
}
