//! The keeper's loop: one thread, one poll(2).

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cofferdam_kernel::readiness::ready;
use cofferdam_names::ZoneName;
use rustix::event::{PollFd, PollFlags};

use super::membership::{Answer, Request, Shown, member_of};
use super::{Denial, Keeper, LINGER, Peer, World, chain};
use crate::control::{Control, Order, Report};

/// Messages of one resolver that are seen to before the next one has its turn.
const TURN: usize = 16;
/// How often it is looked whether the host's servers or addresses are others.
const LOOK: Duration = Duration::from_secs(30);

/// For how long nobody is heard when there is no descriptor left.
const DEAF: Duration = Duration::from_millis(200);

/// What is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Listener,
    Peer(u64),
    Resolver(ZoneName),
    End(ZoneName),
    /// A container asks, and its zone's resolver was not needed before.
    Question(ZoneName),
}

impl<W: World> Keeper<'_, W> {
    pub(super) fn live(&mut self) -> io::Result<()> {
        let mut look_at = Instant::now() + LOOK;
        loop {
            for source in self.wait(look_at)? {
                match source {
                    Source::Listener => self.on_connect(),
                    Source::Peer(number) => self.on_peer(number),
                    Source::Resolver(zone) => self.on_resolver(&zone),
                    Source::End(zone) => self.on_end(&zone, "its process has ended"),
                    Source::Question(zone) => self.on_question(&zone),
                }
            }
            let now = Instant::now();
            self.start_what_is_due(now);
            if look_at <= now {
                look_at = now + LOOK;
                self.look_at_host(true);
            }
            if self.peers.is_empty() && self.empty_since.is_some_and(|since| since + LINGER <= now) {
                return Ok(());
            }
        }
    }

    fn wait(&self, look_at: Instant) -> io::Result<Vec<Source>> {
        let hears = self.deaf_until.is_none_or(|until| until <= Instant::now());
        let mut sources = vec![Source::Listener];
        let wanted = if hears { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(&self.listener, wanted)];
        for (number, peer) in &self.peers {
            sources.push(Source::Peer(*number));
            fds.push(PollFd::new(&peer.control, PollFlags::IN));
            let Some(joined) = &peer.joined else { continue };
            let zone = &joined.member.container.zone;
            if self.zones.get(zone).is_some_and(|zone| zone.waits_for_a_question()) {
                for socket in joined.sockets.datagrams.iter().chain(&joined.sockets.streams) {
                    sources.push(Source::Question(zone.clone()));
                    fds.push(PollFd::new(socket, PollFlags::IN));
                }
            }
        }
        let mut deadline = look_at;
        for (name, zone) in &self.zones {
            if let Some(running) = &zone.running {
                let room = if running.is_behind() { PollFlags::OUT } else { PollFlags::empty() };
                sources.push(Source::Resolver(name.clone()));
                fds.push(PollFd::new(&running.control, PollFlags::IN | room));
                sources.push(Source::End(name.clone()));
                fds.push(PollFd::from_borrowed_fd(running.pidfd.as_fd(), PollFlags::IN));
            }
            deadline = zone.restart_at.map_or(deadline, |at| deadline.min(at));
        }
        deadline = self.empty_since.map_or(deadline, |since| deadline.min(since + LINGER));
        deadline = self.deaf_until.filter(|_| !hears).map_or(deadline, |until| deadline.min(until));
        let timeout = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        ready(sources.into_iter().zip(fds), Some(timeout))
    }

    fn on_connect(&mut self) {
        loop {
            match Control::accept(&self.listener) {
                Ok(Some(control)) => {
                    if control.set_nonblocking().is_ok() {
                        self.next += 1;
                        self.peers.insert(self.next, Peer { control, joined: None });
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    // Who waits there stays ready to be heard: without a pause the keeper would do nothing else.
                    self.deaf_until = Some(Instant::now() + DEAF);
                    return;
                }
            }
        }
    }

    fn on_peer(&mut self, number: u64) {
        let Some(peer) = self.peers.get(&number) else { return };
        match peer.control.receive::<Request>() {
            Ok(Some((Request::Join, Some(file)))) if peer.joined.is_none() => {
                let taken = member_of(file).map_err(|error| error.to_string());
                if let Err(reason) = taken.and_then(|member| self.take_in(number, member)) {
                    // It may have been taken out already, for just that reason.
                    if let Some(peer) = self.peers.get(&number) {
                        let _ = peer.control.send(&Answer::Refused(reason), None);
                    }
                    self.leave(number);
                }
            }
            Ok(Some((Request::Change, Some(file)))) if peer.joined.is_none() => {
                let member = member_of(file).map_err(|error| error.to_string());
                let answer = match member.and_then(|member| self.change(member)) {
                    Ok(()) => Answer::Joined,
                    Err(reason) => Answer::Refused(reason),
                };
                self.answer(number, &answer);
            }
            Ok(Some((Request::Forget, _))) if peer.joined.is_none() => {
                self.forget();
                self.answer(number, &Answer::Joined);
            }
            Ok(Some((Request::Show, _))) => {
                for shown in self.shown() {
                    let _ = peer.control.send(&Answer::Shown(shown), None);
                }
                self.leave(number);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.leave(number),
        }
    }

    /// The one answer to a command.
    fn answer(&mut self, number: u64, answer: &Answer) {
        if let Some(peer) = self.peers.get(&number) {
            let _ = peer.control.send(answer, None);
        }
        self.leave(number);
    }

    fn on_question(&mut self, name: &ZoneName) {
        if self.zones.get(name).is_some_and(|zone| zone.waits_for_a_question()) {
            self.try_start(name, Instant::now());
        }
    }

    fn shown(&self) -> Vec<Shown> {
        let members = |name: &ZoneName| {
            let joined = self.peers.values().filter_map(|peer| peer.joined.as_ref());
            joined.filter(|joined| joined.member.container.zone == *name).count()
        };
        let shown = self.zones.values().map(|zone| Shown {
            zone: zone.name.clone(),
            pid: zone.running.as_ref().map(|running| running.pid.as_raw_nonzero().get()),
            restarts: zone.restarts,
            members: members(&zone.name),
        });
        shown.collect()
    }

    fn on_resolver(&mut self, name: &ZoneName) {
        for _ in 0..TURN {
            let Some(running) = self.zones.get_mut(name).and_then(|zone| zone.running.as_mut()) else {
                return;
            };
            if !running.flush() {
                self.on_end(name, "it does not read");
                return;
            }
            match running.control.receive::<Report>() {
                Ok(Some((report, _))) => self.on_report(name, report),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(None) => return self.on_end(name, "it has closed its socket"),
                Err(_) => return self.on_end(name, "it said what no resolver says"),
            }
        }
    }

    fn on_report(&mut self, name: &ZoneName, report: Report) {
        match report {
            Report::Applied { generation } => {
                if let Some(zone) = self.zones.get_mut(name) {
                    zone.has_applied(generation);
                }
                self.welcome(name);
            }
            Report::Exchange { ticket, server, stream } => {
                self.look_at_host(false);
                let may = self.zones.get_mut(name).is_some_and(|zone| zone.may_exchange(Instant::now()));
                let at = if may { self.upstream.at(server).ok() } else { None };
                let socket = at.and_then(|at| self.world.exchange(at, stream).ok());
                self.tell(name, Order::Exchange { ticket }, socket);
            }
            Report::Change { ticket, changes } => {
                let judged = self.zones.get_mut(name).and_then(|zone| {
                    let judged = zone.judge(&changes, &self.near)?;
                    zone.has_room_for(&judged, Instant::now()).then_some(judged)
                });
                let done = judged.is_some_and(|changes| self.world.change(name, &changes).is_ok());
                self.tell(name, Order::Changed { ticket, done }, None);
            }
            Report::Denied { client, name: asked, kind, address } => {
                if !self.zones.get_mut(name).is_some_and(|zone| zone.tells_denial(Instant::now())) {
                    return;
                }
                let asked: String = asked.chars().filter(|letter| !letter.is_control()).take(100).collect();
                let joined = self.peers.values().filter_map(|peer| peer.joined.as_ref());
                let containers = joined.map(|joined| &joined.member.container);
                let asker = containers
                    .filter(|container| container.zone == *name)
                    .find(|container| container.addresses.contains(&client));
                let container = asker.map(|container| container.id.as_str());
                self.world.denied(&Denial { zone: name, container, name: &asked, kind, address });
            }
        }
    }

    fn tell(&mut self, name: &ZoneName, order: Order, fd: Option<std::os::fd::OwnedFd>) {
        if let Some(running) = self.zones.get_mut(name).and_then(|zone| zone.running.as_mut())
            && !running.tell(order, fd)
        {
            self.on_end(name, "it does not read");
        }
    }

    /// A resolver has ended or must: its zone's rules and what is open stay, and another one comes.
    fn on_end(&mut self, name: &ZoneName, why: &str) {
        let Some(zone) = self.zones.get_mut(name) else { return };
        let Some(running) = &zone.running else { return };
        if why == "its process has ended" && !running.has_ended() {
            return;
        }
        zone.has_ended(Instant::now());
        self.world.ended(name, why);
    }

    fn start_what_is_due(&mut self, now: Instant) {
        let due = self.zones.iter().filter(|(_, zone)| zone.restart_at.is_some_and(|at| at <= now));
        let due: Vec<ZoneName> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            self.try_start(&name, now);
        }
    }

    fn try_start(&mut self, name: &ZoneName, now: Instant) {
        if let Err(error) = self.start(name) {
            if let Some(zone) = self.zones.get_mut(name) {
                zone.has_ended(now);
            }
            self.world.ended(name, &chain(&error));
        }
    }
}
