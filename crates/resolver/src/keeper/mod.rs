//! The keeper of a state folder's resolvers: one small process with the host's rights, which starts a confined process for each
//! zone, makes its sockets, opens the addresses that it found, and starts it anew when it dies.
//!
//! It parses nothing that strangers send. It lives while a container that needs it does: each shim holds a connection, and starts
//! another keeper if this one goes. A zone's resolver is started by the first question of one of its containers: most of them ask
//! nothing, and their starts do not wait for what they do not need.

mod listening;
mod membership;
mod policy;
mod process;
mod remains;
mod turn;
mod upstream;
mod zone;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use cofferdam_names::ZoneName;

use crate::address::Near;
use crate::control::{Control, Order};
use crate::limits::Limits;
use crate::settings::Settings;
use listening::Sockets;
use membership::Answer;
pub use membership::{
    JoinError, Joining, Member, PATIENCE, Shown, ZonePolicy, change, forget, is_gone, join, open, reach,
    show, sweep,
};
pub use policy::InvalidRules;
pub(crate) use process::CONTROL;
pub use process::{Place, StartError};
use process::{Running, Slot};
use upstream::Upstream;
pub use upstream::connect_to;
pub use zone::NamedChange;
use zone::Zone;

/// A name that was not answered, or an address that was taken out of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial<'a> {
    /// The zone.
    pub zone: &'a ZoneName,
    /// The container that asked, by its id; none where it has gone.
    pub container: Option<&'a str>,
    /// Which name, made printable.
    pub name: &'a str,
    /// Which type of record.
    pub kind: u16,
    /// The address that the name may not lead to.
    pub address: Option<IpAddr>,
}

/// What the keeper needs of the host.
pub trait World {
    /// The host's own addresses, and its neighbours'.
    ///
    /// # Errors
    /// They cannot be read: then nothing that a server says is believed.
    fn host_addresses(&mut self) -> io::Result<Near>;

    /// What a zone says now; none where nobody knows anything else than what its containers were started with.
    ///
    /// # Errors
    /// It cannot be read: its containers are not taken in.
    fn policy(&mut self, zone: &ZoneName) -> io::Result<Option<ZonePolicy>>;

    /// Opens and closes addresses of a zone's name rules: all of them, in one step, or none.
    ///
    /// # Errors
    /// They could not be changed: the answer is not given.
    fn change(&mut self, zone: &ZoneName, changes: &[NamedChange]) -> io::Result<()>;

    /// A new socket that is connected to one of the host's name servers, or is about to be.
    ///
    /// # Errors
    /// There is none to be had: the server counts as one that does not answer.
    fn exchange(&mut self, server: SocketAddr, stream: bool) -> io::Result<OwnedFd> {
        connect_to(server, stream)
    }

    /// A name was denied.
    fn denied(&mut self, denial: &Denial<'_>);

    /// A zone's resolver has ended, or could not be started; it will be started anew.
    fn ended(&mut self, zone: &ZoneName, why: &str);
}

/// How long a keeper without containers waits for the next one.
const LINGER: Duration = Duration::from_secs(1);

/// A connection of a container's shim, or of a command that asks.
#[derive(Debug)]
struct Peer {
    control: Control,
    joined: Option<Joined>,
}

/// A container that is answered.
#[derive(Debug)]
struct Joined {
    member: Member,
    sockets: Sockets,
    /// The numbers that its resolver knows its sockets by.
    numbers: Vec<u32>,
    /// It is told that it has joined when these settings are in force.
    waits_for: Option<u64>,
}

/// Everything that the keeper has.
struct Keeper<'w, W> {
    place: Place,
    world: &'w mut W,
    slot: Slot,
    listener: OwnedFd,
    upstream: Upstream,
    near: Near,
    zones: BTreeMap<ZoneName, Zone>,
    peers: BTreeMap<u64, Peer>,
    next: u64,
    /// Since when there is no container.
    empty_since: Option<Instant>,
    /// Until when nobody is heard who connects: it has no descriptor left.
    deaf_until: Option<Instant>,
    /// How often it was told to forget.
    forgotten: u32,
}

/// The keeper's life. It returns when there was no container for a while.
///
/// # Errors
/// It cannot go on: the shims start another one.
pub fn run<W: World>(listener: OwnedFd, place: Place, world: &mut W) -> io::Result<()> {
    // Its own number may be the one that resolvers find their socket at.
    let listener = rustix::io::fcntl_dupfd_cloexec(&listener, 10).inspect(|_| drop(listener))?;
    rustix::io::ioctl_fionbio(&listener, true)?;
    std::fs::create_dir_all(&place.folder)?;
    remains::sweep(&place.folder)?;
    let upstream = Upstream::new(&place.resolv_conf);
    let mut keeper = Keeper {
        slot: Slot::take()?,
        place,
        world,
        listener,
        upstream,
        near: Near::default(),
        deaf_until: None,
        zones: BTreeMap::new(),
        peers: BTreeMap::new(),
        next: 0,
        empty_since: Some(Instant::now()),
        forgotten: 0,
    };
    keeper.live()
}

impl<W: World> Keeper<'_, W> {
    fn gateways(&self) -> Vec<IpAddr> {
        let joined = self.peers.values().filter_map(|peer| peer.joined.as_ref());
        let mut all: Vec<IpAddr> = joined.flat_map(|joined| joined.member.gateways.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Looks at the host's servers and addresses; tells the resolvers where something has changed.
    fn look_at_host(&mut self, anew: bool) {
        let own = self.gateways();
        if anew {
            self.upstream.forget();
        }
        let mut changed = self.upstream.refresh(&own);
        if changed || anew {
            // Without knowing them, no address can be told from the host's: then nobody is asked.
            let near = self.world.host_addresses().unwrap_or_default();
            changed |= near != self.near;
            self.near = near;
        }
        if changed {
            self.send_settings(|_| true);
        }
    }

    /// Takes a container in. It is told so when its zone's resolver knows it.
    fn take_in(&mut self, number: u64, member: Member) -> Result<(), String> {
        let sockets = Sockets::open(&member).map_err(|error| format!("listen for the container: {error}"))?;
        let zone = member.container.zone.clone();
        let policy = self.policy_of(&member)?;
        match self.zones.get_mut(&zone) {
            Some(zone) => zone.set_policy(policy),
            None => {
                self.zones.insert(zone.clone(), Zone::new(zone.clone(), policy));
                self.follow_zones();
            }
        }
        let joined = Joined { member, sockets, numbers: Vec::new(), waits_for: None };
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        peer.joined = Some(joined);
        self.empty_since = None;
        if self.zones.get(&zone).is_none_or(|zone| zone.running.is_none()) {
            // What it asks waits in its sockets, and starts the resolver.
            self.send_settings(|_| true);
            self.say_joined(number);
            return Ok(());
        }
        self.look_at_host(true);
        self.hand_over(number);
        self.send_settings(|_| true);
        let sent = self.zones.get(&zone).map(|zone| zone.sent);
        if let Some(joined) = self.peers.get_mut(&number).and_then(|peer| peer.joined.as_mut()) {
            joined.waits_for = sent;
        }
        Ok(())
    }

    /// The zone's own word counts, and not what one of its containers was started with, which may be older.
    fn policy_of(&mut self, member: &Member) -> Result<ZonePolicy, String> {
        let stored = self.world.policy(&member.container.zone);
        let stored = stored.map_err(|error| format!("read the zone: {error}"))?;
        Ok(stored.unwrap_or_else(|| member.policy.clone()))
    }

    /// What a zone's resolver answers is also a matter of what other zones say: they are asked anew, for those that run.
    fn follow_zones(&mut self) {
        for zone in self.zones.values_mut().filter(|zone| zone.running.is_some()) {
            // One that cannot be read has not been applied since.
            if let Ok(Some(policy)) = self.world.policy(&zone.name) {
                zone.set_policy(policy);
            }
        }
    }

    fn say_joined(&self, number: u64) {
        if let Some(peer) = self.peers.get(&number) {
            let _ = peer.control.send(&Answer::Joined, None);
        }
    }

    /// A container that has joined has other names, or its zone other rules.
    fn change(&mut self, member: Member) -> Result<(), String> {
        let policy = self.policy_of(&member)?;
        let mut joined = self.peers.values_mut().filter_map(|peer| peer.joined.as_mut());
        let known = joined.find(|joined| joined.member.container.id == member.container.id);
        let known = known.ok_or("the container has not joined")?;
        let Member { container, .. } = member;
        if known.member.container.zone != container.zone {
            return Err("a container has one zone for its life".to_owned());
        }
        if let Some(zone) = self.zones.get_mut(&container.zone) {
            zone.set_policy(policy);
        }
        known.member.container = container;
        self.follow_zones();
        self.send_settings(|_| true);
        Ok(())
    }

    /// What the resolvers have learned is not answered any more before it is opened anew.
    fn forget(&mut self) {
        self.forgotten = self.forgotten.wrapping_add(1);
        self.send_settings(|_| true);
    }

    /// A container has gone, or what asked has.
    fn leave(&mut self, number: u64) {
        let Some(peer) = self.peers.remove(&number) else { return };
        let Some(joined) = peer.joined else { return };
        let name = &joined.member.container.zone;
        let others = || self.peers.values().filter_map(|peer| peer.joined.as_ref());
        if others().any(|other| other.member.container.zone == *name) {
            if let Some(running) = self.zones.get_mut(name).and_then(|zone| zone.running.as_mut()) {
                for number in &joined.numbers {
                    running.tell(Order::Close { number: *number }, None);
                }
            }
        } else {
            self.zones.remove(name);
            let _ = std::fs::remove_file(self.place.plan(name));
            let _ = std::fs::remove_file(self.place.receipt(name));
        }
        if others().next().is_none() {
            self.empty_since = Some(Instant::now());
        }
        self.send_settings(|_| true);
    }

    /// Starts a zone's resolver and hands it the sockets of its containers.
    fn start(&mut self, name: &ZoneName) -> Result<(), StartError> {
        self.look_at_host(true);
        let running = Running::start(&self.place, name, &mut self.slot)?;
        if let Some(zone) = self.zones.get_mut(name) {
            if let Ok(Some(policy)) = self.world.policy(name) {
                zone.set_policy(policy);
            }
            zone.has_started(running);
        }
        let of_zone = |peer: &Peer| peer.joined.as_ref().is_some_and(|it| it.member.container.zone == *name);
        let numbers: Vec<u64> =
            self.peers.iter().filter(|(_, peer)| of_zone(peer)).map(|(number, _)| *number).collect();
        // Settings first: a question before them is not answered.
        self.send_settings(|zone| zone == name);
        for number in numbers {
            self.hand_over(number);
        }
        Ok(())
    }

    /// Gives a container's sockets to its zone's resolver, once.
    fn hand_over(&mut self, number: u64) {
        let Some(joined) = self.peers.get_mut(&number).and_then(|peer| peer.joined.as_mut()) else { return };
        let Some(zone) = self.zones.get_mut(&joined.member.container.zone) else { return };
        let Some(running) = zone.running.as_mut() else { return };
        // Two numbers for each connection: one for each family.
        let first = u32::try_from(number * 2 % u64::from(u32::MAX / 2)).unwrap_or(0);
        if !running.handed.insert(first) {
            return;
        }
        joined.numbers = (first..).take(joined.sockets.datagrams.len()).collect();
        let copy = |socket: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(socket, 10).ok();
        let sockets = joined.sockets.datagrams.iter().zip(&joined.sockets.streams);
        for (&number, (datagrams, streams)) in joined.numbers.iter().zip(sockets) {
            running.tell(Order::Datagrams { number }, copy(datagrams));
            running.tell(Order::Listener { number }, copy(streams));
        }
    }

    /// Sends their settings to the resolvers of some zones.
    fn send_settings(&mut self, which: impl Fn(&ZoneName) -> bool) {
        let containers: Vec<_> = self
            .peers
            .values()
            .filter_map(|peer| peer.joined.as_ref())
            .map(|joined| joined.member.container.clone())
            .collect();
        let servers = if self.near.own.is_empty() { 0 } else { self.upstream.count() };
        for zone in self.zones.values_mut().filter(|zone| which(&zone.name)) {
            let Some(running) = zone.running.as_mut() else { continue };
            let policy = &zone.policy;
            let visible =
                |it: &&crate::local::Container| it.zone == zone.name || policy.reaches.contains(&it.zone);
            let settings = Settings {
                zone: zone.name.clone(),
                reaches: policy.reaches.clone(),
                containers: containers.iter().filter(visible).cloned().collect(),
                forwarding: policy.forwarding.clone(),
                allowed_ranges: policy.allowed_ranges.clone(),
                host_addresses: self.near.own.clone(),
                // What a rule lets through by address may be answered.
                neighbours: if policy.outside { Vec::new() } else { self.near.neighbours.clone() },
                servers,
                servers_version: self.upstream.changes().wrapping_add(self.forgotten),
                limits: Limits::default(),
            };
            let Ok(file) = membership::in_memory(&settings) else { continue };
            zone.sent += 1;
            running.tell(Order::Settings { generation: zone.sent }, Some(file.into()));
        }
    }

    /// Tells those who wait for it that their names are answered.
    fn welcome(&mut self, name: &ZoneName) {
        let Some(applied) = self.zones.get(name).map(|zone| zone.applied) else { return };
        for peer in self.peers.values_mut() {
            let Some(joined) = peer.joined.as_mut() else { continue };
            if joined.member.container.zone == *name && joined.waits_for.is_some_and(|it| it <= applied) {
                joined.waits_for = None;
                let _ = peer.control.send(&Answer::Joined, None);
            }
        }
    }
}

/// An error with what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
