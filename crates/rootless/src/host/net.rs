//! The namespaces with their links to the host.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use cofferdam_kernel::rtnetlink::Change;
use cofferdam_network::{OutletLink, is_listened_at, keep_from_host, networks_of_host, ways_out};

use super::OutletEvent;
use super::anchor::Anchor;
use super::pasta::{Pasta, pause};
use crate::TUN;
use crate::wire::{Orders, Way};

/// The number of the loopback link.
const LOOPBACK: u32 = 1;
/// A host that has no way to the internet is looked at rarely.
const OFFLINE: u32 = 7;

/// A link and the process at its other end.
#[derive(Debug)]
struct Link {
    way: Way,
    pasta: Option<Pasta>,
    failures: u32,
    retry_at: Option<Instant>,
}

/// The namespaces.
#[derive(Debug)]
pub(super) struct Net {
    program: PathBuf,
    /// By their names. They end before the namespaces do.
    links: BTreeMap<String, Link>,
    anchor: Anchor,
}

impl Net {
    /// Makes the namespaces and their common link; nothing of it is left if that fails.
    pub(super) fn make(orders: &Orders) -> Result<Self, String> {
        let program = orders.pasta.clone();
        if !program.is_file() {
            return Err(format!(
                "{} is not there: install the package passt, or use --network none",
                program.display()
            ));
        }
        if let Err(error) = File::options().read(true).write(true).open(TUN) {
            return Err(format!("{TUN} cannot be opened, which pasta needs ({error}): use --network none"));
        }
        let anchor = Anchor::new(&orders.maps, orders.adopt)
            .map_err(|error| format!("make a network of this user's own: {error}"))?;
        let mut net = Self { program, links: BTreeMap::new(), anchor };
        let prepared = net.anchor.routes.make(Change::link_up(LOOPBACK));
        prepared
            .and_then(|()| net.keep_host_from_containers(orders))
            .map_err(|error| format!("prepare this user's network: {error}"))?;
        net.add(Way { outlet: orders.outlet.clone(), containers: Vec::new(), ports: Vec::new() })?;
        Ok(net)
    }

    /// Copies of the namespaces' descriptors: the user's and the network's.
    pub(super) fn namespaces(&self) -> io::Result<[OwnedFd; 2]> {
        Ok([self.anchor.user.try_clone()?, self.anchor.network.try_clone()?])
    }

    /// Makes sure that nothing that is sent to an address of the host's leaves the namespace.
    pub(super) fn keep_host_from_containers(&self, orders: &Orders) -> io::Result<()> {
        let host = host_networks()?.into_iter().map(|(address, _)| address);
        let known: Vec<IpAddr> = host.filter(|it| it.is_ipv4() || orders.pool6.is_some()).collect();
        keep_from_host(&self.anchor.routes, &known)
    }

    /// Adds a link.
    pub(super) fn add(&mut self, way: Way) -> Result<(), String> {
        let taken = way.ports.iter().find(|port| is_listened_at(port));
        if let Some(port) = taken {
            return Err(format!("port {port} is in use by a program of the host"));
        }
        let mut link = Link { way, pasta: None, failures: 0, retry_at: None };
        if link.way.ports.is_empty() && ways_out().is_ok_and(|families| families == [false; 2]) {
            // A host without a network of its own: its containers have each other, and the rest when it comes.
            link.failures = OFFLINE;
            link.retry_at = Some(Instant::now() + pause(link.failures));
            self.links.insert(link.way.outlet.link.clone(), link);
            return Ok(());
        }
        let begun = link.begin(&self.program, &self.anchor).and_then(|()| {
            match link.way.ports.iter().find(|port| !is_listened_at(port)) {
                Some(port) => Err(format!("port {port} is not listened at by pasta; may this user have it?")),
                None => Ok(()),
            }
        });
        if let Err(reason) = begun {
            link.end(&self.anchor);
            return Err(reason);
        }
        self.links.insert(link.way.outlet.link.clone(), link);
        Ok(())
    }

    /// Takes a link away.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(mut link) = self.links.remove(name) {
            link.end(&self.anchor);
        }
    }

    /// The processes at the other ends.
    pub(super) fn processes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.links.values().filter_map(|link| link.pasta.as_ref()).map(|pasta| pasta.pidfd().as_fd())
    }

    /// When the next one is to be started anew.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.links.values().filter_map(|link| link.retry_at).min()
    }

    /// The links that lead nowhere.
    pub(super) fn missing(&self) -> Vec<String> {
        self.links.iter().filter(|(_, link)| link.pasta.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// Starts anew what has ended. Meanwhile there is no link: nothing gets outside.
    pub(super) fn look_after(&mut self, tell: &mut dyn FnMut(OutletEvent)) {
        for (name, link) in &mut self.links {
            if link.pasta.as_ref().is_some_and(Pasta::has_ended) {
                link.pasta = None;
                link.retry_at = Some(Instant::now());
                tell(OutletEvent::Lost { link: name.clone(), why: "its pasta has ended".to_owned() });
            }
            if link.retry_at.is_none_or(|at| at > Instant::now()) {
                continue;
            }
            link.retry_at = None;
            match link.begin(&self.program, &self.anchor) {
                Ok(()) => {
                    link.failures = 0;
                    tell(OutletEvent::Back { link: name.clone() });
                }
                Err(why) => {
                    link.pasta = None;
                    link.failures = link.failures.saturating_add(1);
                    link.retry_at = Some(Instant::now() + pause(link.failures));
                    if link.failures == 1 {
                        tell(OutletEvent::Lost { link: name.clone(), why });
                    }
                }
            }
        }
    }
}

impl Link {
    fn begin(&mut self, program: &std::path::Path, anchor: &Anchor) -> Result<(), String> {
        let families = ways_out().map_err(|error| format!("look at the host's routes: {error}"))?;
        if families == [false; 2] && self.way.ports.is_empty() {
            return Err("the host has no way to the internet".to_owned());
        }
        let Way { outlet, ports, .. } = &self.way;
        // It is there and up before pasta is: a connection that comes at once finds it so.
        let failed = |error: io::Error| format!("set up the link {}: {error}", outlet.link);
        remove_link(anchor, &outlet.link).map_err(failed)?;
        anchor.make_link(&outlet.link).map_err(failed)?;
        let link = self.link(families);
        link.configure(&anchor.routes).map_err(failed)?;
        let pasta = Pasta::start(program, anchor.pid, outlet, ports, families)?;
        link.announce(&anchor.routes).map_err(failed)?;
        self.pasta = Some(pasta);
        Ok(())
    }

    fn link(&self, families: [bool; 2]) -> OutletLink<'_> {
        OutletLink { outlet: &self.way.outlet, containers: &self.way.containers, families }
    }

    fn end(&mut self, anchor: &Anchor) {
        self.pasta = None;
        let _ = remove_link(anchor, &self.way.outlet.link);
        // What stays leads to a table without a route, and on to the next rule.
        let _ = self.link([true, true]).forget(&anchor.routes);
    }
}

/// Takes a link away, if it is there.
fn remove_link(anchor: &Anchor, name: &str) -> io::Result<()> {
    match anchor.routes.link(name)? {
        Some(_) => anchor.routes.make(Change::delete_link(name)),
        None => Ok(()),
    }
}

/// The host's addresses that something else than the host itself could use, and their networks.
pub(super) fn host_networks() -> io::Result<Vec<(IpAddr, u8)>> {
    let far = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    Ok(networks_of_host()?.into_iter().filter(|(address, _)| far(address)).collect())
}
