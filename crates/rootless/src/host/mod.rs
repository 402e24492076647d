//! The process that holds a user's network: one thread, one poll(2). It stays where the user is, outside of both namespaces: pasta and
//! the sockets to name servers are the host's.

mod anchor;
mod net;
mod pasta;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_kernel::netlink::{Family, Listener};
use cofferdam_kernel::readiness::ready;
use cofferdam_resolver::control::Control;
use cofferdam_resolver::keeper::connect_to;
use rustix::event::{PollFd, PollFlags};

use crate::wire::{Answer, Orders, Request, Shown, Way};
use net::{Net, host_networks};

/// How long one without containers waits for the next one.
const LINGER: Duration = Duration::from_secs(1);
/// For how long nobody is heard when there is no descriptor left.
const DEAF: Duration = Duration::from_millis(200);
/// `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`
const ADDRESSES: [u32; 2] = [5, 9];

/// What people are to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutletEvent {
    /// A link's pasta has ended, or could not be started anew.
    Lost {
        /// Which link.
        link: String,
        /// Why.
        why: String,
    },
    /// It runs again.
    Back {
        /// Which link.
        link: String,
    },
}

#[derive(Debug)]
struct Peer {
    control: Control,
    /// The link of its own way.
    link: Option<String>,
}

struct Machine<'t> {
    orders: Orders,
    listener: OwnedFd,
    /// Told of changes of the host's addresses.
    addresses: Vec<Listener>,
    net: Option<Net>,
    peers: BTreeMap<u64, Peer>,
    next: u64,
    empty_since: Option<Instant>,
    /// Until when nobody is heard who connects: there is no descriptor left.
    deaf_until: Option<Instant>,
    tell: &'t mut dyn FnMut(OutletEvent),
}

enum Source {
    Listener,
    Peer(u64),
    Addresses,
    Pasta,
}

/// The life of the process. It returns when nobody was connected for a while: pasta and the namespaces end with it.
///
/// # Errors
/// It cannot go on.
pub fn run(listener: OwnedFd, orders: Orders, tell: &mut dyn FnMut(OutletEvent)) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&listener, true)?;
    let addresses = ADDRESSES.iter().map(|group| Listener::open(Family::Route, *group));
    let mut machine = Machine {
        orders,
        listener,
        addresses: addresses.collect::<io::Result<_>>()?,
        net: None,
        peers: BTreeMap::new(),
        next: 0,
        empty_since: Some(Instant::now()),
        deaf_until: None,
        tell,
    };
    machine.live()
}

impl Machine<'_> {
    fn live(&mut self) -> io::Result<()> {
        loop {
            for source in self.wait()? {
                match source {
                    Source::Listener => self.on_connect(),
                    Source::Peer(number) => self.on_peer(number),
                    Source::Addresses => self.on_addresses()?,
                    Source::Pasta => {}
                }
            }
            if let Some(net) = &mut self.net {
                net.look_after(self.tell);
            }
            if self.peers.is_empty() && self.empty_since.is_some_and(|since| since + LINGER <= Instant::now())
            {
                return Ok(());
            }
        }
    }

    fn wait(&self) -> io::Result<Vec<Source>> {
        let mut sources = vec![Source::Listener];
        let deaf_until = self.deaf_until.filter(|until| *until > Instant::now());
        let wanted = if deaf_until.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(&self.listener, wanted)];
        for listener in &self.addresses {
            sources.push(Source::Addresses);
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        for (number, peer) in &self.peers {
            sources.push(Source::Peer(*number));
            fds.push(PollFd::new(&peer.control, PollFlags::IN));
        }
        let mut deadline = self.empty_since.filter(|_| self.peers.is_empty()).map(|since| since + LINGER);
        if let Some(net) = &self.net {
            for pidfd in net.processes() {
                sources.push(Source::Pasta);
                fds.push(PollFd::from_borrowed_fd(pidfd, PollFlags::IN));
            }
            deadline = [deadline, net.retry_at()].into_iter().flatten().min();
        }
        let deadline = [deadline, deaf_until].into_iter().flatten().min();
        let timeout =
            deadline.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        ready(sources.into_iter().zip(fds), timeout)
    }

    fn on_connect(&mut self) {
        loop {
            match Control::accept(&self.listener) {
                Ok(Some(control)) => {
                    self.next += 1;
                    self.peers.insert(self.next, Peer { control, link: None });
                    self.empty_since = None;
                }
                Ok(None) => return,
                Err(_) => {
                    // Who waits there stays ready to be heard: without a pause this process would do nothing else.
                    self.deaf_until = Some(Instant::now() + DEAF);
                    return;
                }
            }
        }
    }

    fn on_peer(&mut self, number: u64) {
        let Some(peer) = self.peers.get(&number) else { return };
        let Ok(Some((request, _))) = peer.control.receive::<Request>() else { return self.leave(number) };
        let mut fd = None;
        let answer = match request {
            Request::Join => match self.join(number) {
                Ok(()) => return,
                Err(reason) => Answer::Refused(reason),
            },
            Request::Publish(way) => {
                self.publish(number, way).map_or_else(Answer::Refused, |()| Answer::Done)
            }
            Request::Withdraw => {
                self.withdraw(number);
                Answer::Done
            }
            Request::Exchange { server, stream } => match connect_to(server, stream) {
                Ok(socket) => {
                    fd = Some(socket);
                    Answer::Socket
                }
                Err(error) => Answer::Refused(error.to_string()),
            },
            Request::Show => self.show(),
        };
        self.answer(number, &answer, fd.as_ref());
    }

    fn answer(&mut self, number: u64, answer: &Answer, fd: Option<&OwnedFd>) {
        let sent = self.peers.get(&number).map(|peer| peer.control.send(answer, fd.map(AsFd::as_fd)));
        if !matches!(sent, Some(Ok(()))) {
            self.leave(number);
        }
    }

    fn join(&mut self, number: u64) -> Result<(), String> {
        let net = match &mut self.net {
            Some(net) => net,
            None => self.net.insert(Net::make(&self.orders)?),
        };
        let copies = net.namespaces().map_err(|error| error.to_string())?;
        let [user, network] = copies;
        self.answer(number, &Answer::User, Some(&user));
        self.answer(number, &Answer::Network, Some(&network));
        Ok(())
    }

    fn publish(&mut self, number: u64, way: Way) -> Result<(), String> {
        self.withdraw(number);
        let net = self.net.as_mut().ok_or("there is no network yet")?;
        let link = way.outlet.link.clone();
        net.add(way)?;
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.link = Some(link);
        }
        Ok(())
    }

    fn withdraw(&mut self, number: u64) {
        let link = self.peers.get_mut(&number).and_then(|peer| peer.link.take());
        if let (Some(link), Some(net)) = (link, &mut self.net) {
            net.remove(&link);
        }
    }

    fn show(&self) -> Answer {
        match host_networks() {
            Ok(host) => Answer::Shown(Shown {
                pool4: self.orders.pool4,
                pool6: self.orders.pool6,
                host,
                missing: self.net.as_ref().map(Net::missing).unwrap_or_default(),
            }),
            Err(error) => Answer::Refused(format!("look at the host's addresses: {error}")),
        }
    }

    fn leave(&mut self, number: u64) {
        self.withdraw(number);
        self.peers.remove(&number);
        if self.peers.is_empty() {
            self.empty_since = Some(Instant::now());
        }
    }

    fn on_addresses(&mut self) -> io::Result<()> {
        for listener in &self.addresses {
            listener.read(|_| {})?;
        }
        match &self.net {
            // What cannot be kept from containers any more ends their way outside: the process ends, and pasta with it.
            Some(net) => net.keep_host_from_containers(&self.orders),
            None => Ok(()),
        }
    }
}
