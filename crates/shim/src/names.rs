//! The container's place in its zone's resolver: a connection to the resolver's keeper for as long as the container lives.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_confinement::network::{Network, Segment};
use cofferdam_kernel::exec::{CStringArray, fexecve};
use cofferdam_kernel::fork;
use cofferdam_kernel::signal::{SignalSet, set_mask};
use cofferdam_names::ContainerId;
use cofferdam_resolver::keeper::{InvalidRules, JoinError, Joining, Member, PATIENCE, Place, ZonePolicy};
use cofferdam_resolver::local::{Container, Part};
use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The subcommand of the program that is the keeper of resolvers.
pub const KEEPER_SUBCOMMAND: &str = "resolver-keeper";
/// How long a shim waits for a keeper that takes the place of one that has ended.
const AGAIN: Duration = Duration::from_secs(2);
/// The port of DNS.
const PORT: u16 = 53;

/// What a keeper is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeeperOrders {
    /// Where its things are.
    pub place: Place,
    /// The file that events are added to.
    pub events: PathBuf,
    /// The file that denied names are added to.
    pub denials: PathBuf,
}

impl KeeperOrders {
    /// The socket at which the keeper listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.place.folder.join("keeper.sock")
    }
}

/// A container as its zone's resolver is told of it.
///
/// # Errors
/// The zone's rules cannot be a resolver's.
pub fn member(id: &ContainerId, name: &str, network: &Network) -> Result<Member, InvalidRules> {
    let part = |segment: &Segment| Part { name: segment.name.clone(), aliases: segment.aliases.clone() };
    Ok(Member {
        container: Container {
            id: id.to_string(),
            zone: network.zone.clone(),
            names: vec![name.to_owned()],
            parts: network.segments.iter().map(part).collect(),
            addresses: network.addresses.iter().map(|pair| pair.address).collect(),
        },
        link: Some(network.link.host_name.clone()),
        gateways: network.addresses.iter().map(|pair| pair.gateway).collect(),
        port: PORT,
        policy: ZonePolicy::of(&network.zone, &network.rules)?,
    })
}

/// Who the container is to the keeper, and where that one is.
#[derive(Debug)]
pub(crate) struct Candidate {
    member: Member,
    socket: PathBuf,
    orders: KeeperOrders,
}

impl Candidate {
    pub(crate) fn new(
        id: &ContainerId,
        name: &str,
        network: &Network,
        orders: &KeeperOrders,
    ) -> Result<Self, Failure> {
        let member =
            member(id, name, network).map_err(|error| Failure::during("join the zone's resolver", &error))?;
        Ok(Self { member, socket: orders.socket(), orders: orders.clone() })
    }

    /// Asks to be taken in; the answer is waited for later.
    pub(crate) fn begin(&self) -> Result<Joining<'_, impl Fn(OwnedFd) -> io::Result<()> + '_>, JoinError> {
        self.begin_with(PATIENCE)
    }

    fn begin_with(
        &self,
        patience: Duration,
    ) -> Result<Joining<'_, impl Fn(OwnedFd) -> io::Result<()> + '_>, JoinError> {
        Joining::begin(&self.socket, &self.member, patience, |listener| start_keeper(listener, &self.orders))
    }

    /// Asks again, for a container that runs: whoever wants something of its shim waits meanwhile, so it is not waited for long.
    pub(crate) fn join_again(&self) -> Result<OwnedFd, JoinError> {
        self.begin_with(AGAIN)?.finish()
    }
}

/// Starts a keeper that listens at this socket, and outlives this process.
fn start_keeper(listener: OwnedFd, orders: &KeeperOrders) -> io::Result<()> {
    start_part(listener, KEEPER_SUBCOMMAND, &serde_json::to_string(orders)?)
}

/// Starts this program in a part that listens at a socket, and outlives this process.
pub(crate) fn start_part(listener: OwnedFd, subcommand: &str, text: &str) -> io::Result<()> {
    let program = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let number = listener.as_raw_fd();
    let args = ["cofferdam".to_owned(), subcommand.to_owned(), number.to_string(), text.to_owned()];
    let args = CStringArray::new(args)?;
    let env = CStringArray::new(Vec::<String>::new())?;
    rustix::io::fcntl_setfd(&listener, FdFlags::empty())?;
    let keep = [number, program.as_raw_fd()];
    fork::detached(&keep, move |prepared| {
        // What a shim waits for by its descriptor, a keeper is not to be deaf to: SIGTERM would not end it.
        let _ = set_mask(SignalSet::EMPTY);
        // Its successor is started where this one is not: nobody is there to be told why.
        if prepared.is_ok() {
            let _error = fexecve(program.as_fd(), &args, &env);
        }
        let _held = &listener;
        1
    })
}
