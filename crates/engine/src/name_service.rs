//! The resolvers of this state folder's zones: what their keeper is started with, and what it does on the host.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_names::{ContainerId, ContainerName, ZoneName};
use cofferdam_network::NamedAddress;
use cofferdam_policy::Zone;
use cofferdam_policy::graph::{Graph, Party};
use cofferdam_resolver::address::Near;
use cofferdam_resolver::keeper::{self, Denial, InvalidRules, NamedChange, Place, World, ZonePolicy};
use cofferdam_rootless as rootless;
use cofferdam_shim::{Event, KeeperOrders};
use rustix::process::Pid;

use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::live::Live;
use crate::paths::users_network_of;
use crate::users_network;
use crate::zone_renewal::rules_of;
use crate::{Engine, ZoneStore, ZoneStoreError, own_program};

/// The host's name servers, which are asked for what is no container's.
const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Engine {
    /// What the keeper of this state folder's resolvers is started with, by whichever shim finds none.
    pub(crate) fn keeper_orders(&self) -> Result<KeeperOrders> {
        let orders = self.orders_of(own_program::path().ok_or_else(|| {
            let why = io::Error::other("the file of the program that runs cannot be found");
            Error::io("start", "the zone's resolver", why)
        })?);
        make_private_folder(&orders.place.folder)?;
        Ok(orders)
    }

    fn orders_of(&self, program: PathBuf) -> KeeperOrders {
        KeeperOrders {
            place: Place {
                realm: self.paths.state().display().to_string(),
                folder: self.paths.resolver(),
                program,
                keys: self.paths.state().join("keys"),
                resolv_conf: RESOLV_CONF.into(),
            },
            events: self.paths.events(),
            denials: self.paths.denials(),
        }
    }

    fn keeper_socket(&self) -> PathBuf {
        self.orders_of(PathBuf::new()).socket()
    }

    /// Tells the keeper that a running container has another name, other aliases, or that its zone has other rules.
    pub(crate) fn tell_keeper(&self, id: &ContainerId, name: &ContainerName) -> Result<()> {
        let live = match Live::find(&self.paths, id) {
            Err(Error::NotRunning { .. }) => return Ok(()),
            other => other?,
        };
        let Some(network) = &live.plan.network else { return Ok(()) };
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::io("tell the resolver of", id.short(), io::Error::other(error))
        };
        let member =
            cofferdam_shim::member(id, name.as_str(), network).map_err(|error| failed(error.into()))?;
        keeper::change(&self.keeper_socket(), &member).map_err(|error| failed(error.into()))
    }

    /// What the resolvers had opened is closed: they open it again when it is asked for.
    pub(crate) fn forget_names(&self) -> Result<()> {
        let failed = |error| Error::io("tell", "the zones' resolvers", io::Error::other(error));
        keeper::forget(&self.keeper_socket()).map_err(failed)
    }

    /// The process of a zone's resolver, and where its plan and receipt are; none where it does not run.
    pub(crate) fn resolver_of(&self, zone: &ZoneName) -> io::Result<Option<(Pid, Place)>> {
        let shown = keeper::show(&self.keeper_socket())?;
        let pid = shown.into_iter().find(|shown| shown.zone == *zone).and_then(|shown| shown.pid);
        Ok(pid.and_then(Pid::from_raw).map(|pid| (pid, self.orders_of(PathBuf::new()).place)))
    }

    /// Takes away what a keeper that was killed has left, if none lives.
    pub(crate) fn sweep_resolvers(&self) -> Result<()> {
        let folder = self.paths.resolver();
        keeper::sweep(&self.keeper_socket(), &folder)
            .map_err(|source| Error::io("clean up", folder.display(), source))
    }
}

/// What the keeper does on the host.
struct Host {
    realm: String,
    events: PathBuf,
    denials: PathBuf,
    /// Where an ordinary user's network is joined to the host.
    outside: Option<PathBuf>,
}

impl Host {
    fn tell(&self, file: &Path, action: &str, zone: &ZoneName, attributes: &[(&str, &str)]) {
        let attributes: BTreeMap<String, String> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        // Names are answered, or not, with or without a record of it.
        let _ = Event::now("zone", action, zone.as_str(), attributes).append(file);
    }
}

impl World for Host {
    fn host_addresses(&mut self) -> io::Result<Near> {
        let mut all = cofferdam_network::networks_of_host()?;
        if let Some(socket) = &self.outside {
            // Beside those of the network that stands in for it, the host's own, with its neighbours'.
            let shown = users_network::shown(socket)?;
            all.extend(shown.ok_or(io::ErrorKind::NotConnected)?.host);
        }
        Ok(Near::of(all))
    }

    fn exchange(&mut self, server: SocketAddr, stream: bool) -> io::Result<OwnedFd> {
        match &self.outside {
            // The host's servers are asked as the host asks them: also one that listens on its loopback address.
            Some(socket) => {
                let host = rootless::Host::open(socket)?.ok_or(io::ErrorKind::NotConnected)?;
                host.exchange(server, stream).map_err(io::Error::other)
            }
            None => keeper::connect_to(server, stream),
        }
    }

    fn policy(&mut self, zone: &ZoneName) -> io::Result<Option<ZonePolicy>> {
        let zones = ZoneStore::new(Path::new(&self.realm));
        policy_now(&zones, zone).map_err(io::Error::other)
    }

    fn change(&mut self, zone: &ZoneName, changes: &[NamedChange]) -> io::Result<()> {
        let named = |change: &NamedChange| {
            Ok(NamedAddress {
                pattern: change.pattern.to_string().parse().map_err(io::Error::other)?,
                address: change.address,
                seconds: change.ttl,
            })
        };
        let changes = changes.iter().map(named).collect::<io::Result<Vec<_>>>()?;
        cofferdam_network::set_named(&self.realm, zone, &changes)
    }

    fn denied(&mut self, denial: &Denial<'_>) {
        let kind = denial.kind.to_string();
        let address = denial.address.map(|address| address.to_string());
        let mut attributes = vec![("name", denial.name), ("type", kind.as_str())];
        attributes.extend(denial.container.map(|id| ("container", id)));
        attributes.extend(address.as_deref().map(|address| ("address", address)));
        self.tell(&self.denials, "deny-name", denial.zone, &attributes);
    }

    fn ended(&mut self, zone: &ZoneName, why: &str) {
        self.tell(&self.events, "resolver-end", zone, &[("error", why)]);
    }
}

/// What a zone's resolver answers by now: names of other zones' containers where both sides let something pass. None where the zone is
/// not there any more.
fn policy_now(zones: &ZoneStore, name: &ZoneName) -> Result<Option<ZonePolicy>> {
    let own = match zones.load(name) {
        Err(ZoneStoreError::Unknown { .. }) => return Ok(None),
        other => other?,
    };
    let failed =
        |error: InvalidRules| Error::io("use the rules of", format!("zone {name}"), io::Error::other(error));
    let mut policy = ZonePolicy::of(name, &rules_of(&own)).map_err(failed)?;
    let others = policy.reaches.iter().filter_map(|other| zones.load(other).ok());
    let all: Vec<Zone> = std::iter::once(own).chain(others).collect();
    let graph = Graph::new(&all);
    let party = |zone: &ZoneName| Party::Zone(zone.clone());
    policy.reaches.retain(|other| graph.passes(&party(name), &party(other)));
    Ok(Some(policy))
}

/// The life of the keeper of resolvers: the hidden subcommand [`cofferdam_shim::KEEPER_SUBCOMMAND`], with the number of its socket
/// and its orders.
///
/// # Errors
/// The orders cannot be read, or it cannot go on: the shims of containers start another one.
pub fn keep_resolvers(number: i32, orders: &str) -> io::Result<()> {
    let listener = cofferdam_kernel::inherited::take(number)?;
    let orders: KeeperOrders = serde_json::from_str(orders)?;
    raise_open_files();
    let realm = orders.place.realm.clone();
    let outside = (!rustix::process::geteuid().is_root()).then(|| users_network_of(Path::new(&realm)));
    let mut host = Host { realm, events: orders.events, denials: orders.denials, outside };
    keeper::run(listener, orders.place, &mut host)
}

/// For a process that holds some descriptors for each container: as many as the machine lets it have.
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
