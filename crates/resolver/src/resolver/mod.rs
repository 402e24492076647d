//! The machine: packets and time go in, effects come out.

mod asked;
mod pending;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use asked::{Asked, Said};
use pending::{Pending, State, Waiter};

use crate::allow::Allowed;
use crate::answer::Reachable;
use crate::cache::{Cache, Entry, Key};
use crate::dice::Dice;
use crate::limits::Shares;
use crate::local::LocalNames;
use crate::opened::{Change, Openings};
use crate::question::{BLOCKED, Decision, NO_REACHABLE_AUTHORITY, Others, decide};
use crate::settings::{Forwarding, Settings};
use crate::wire::{Malformed, Name, Query, Question, Rcode};

/// Who asked, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The transport's own mark for where the answer goes.
    pub handle: u64,
    /// Its address.
    pub address: IpAddr,
    /// Whether it asked by TCP.
    pub stream: bool,
}

/// Names one exchange with a server.
pub type Ticket = u32;

/// A name that the zone does not allow, or an address that a name may not lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub client: IpAddr,
    /// For which name.
    pub name: Name,
    /// Of which type.
    pub kind: u16,
    /// The address that was taken out of its answer; none where the name is not allowed.
    pub address: Option<IpAddr>,
}

/// What is to be done in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this to the client.
    Answer {
        /// Whom.
        client: Client,
        /// What.
        packet: Vec<u8>,
    },
    /// Send this to a server, from a socket of its own with a port that nobody can guess.
    Ask {
        /// Names the exchange: [`Resolver::answer`] or [`Resolver::failed`] follows.
        ticket: Ticket,
        /// Which server, from 0 on.
        server: usize,
        /// By TCP.
        stream: bool,
        /// What.
        packet: Vec<u8>,
    },
    /// The exchange is over; its socket is closed.
    Forget(Ticket),
    /// Carry these changes out, all of them or none, then call [`Resolver::changed`].
    Change {
        /// Names them.
        ticket: Ticket,
        /// In this order.
        changes: Vec<Change>,
    },
    /// Write this down.
    Denied(Denied),
}

/// Milliseconds between two sweeps of what is past.
const SWEEP: u64 = 5_000;
/// Denials that are written down in a second.
const DENIALS: u32 = 20;

/// A zone's resolver.
#[derive(Debug)]
pub struct Resolver {
    dice: Dice,
    local: LocalNames,
    others: Others,
    reachable: Reachable,
    servers: usize,
    settings: Settings,
    shares: Shares,
    cache: Cache,
    openings: Openings,
    pending: HashMap<Key, Pending>,
    /// Which question an exchange or a change is for.
    tickets: HashMap<Ticket, Key>,
    next_ticket: Ticket,
    /// The server that answered last: it is asked first.
    good_server: usize,
    sweep_at: u64,
    denials: (u64, u32),
}

impl Resolver {
    /// One with these settings. Times are milliseconds of a clock that never goes back.
    #[must_use]
    pub fn new(settings: Settings, dice: Dice) -> Self {
        let mut resolver = Self {
            dice,
            local: LocalNames::default(),
            others: Others::Nothing,
            reachable: Reachable::default(),
            servers: 0,
            shares: Shares::new(settings.limits),
            cache: Cache::new(usize::try_from(settings.limits.cache_bytes).unwrap_or(usize::MAX)),
            openings: Openings::default(),
            pending: HashMap::new(),
            tickets: HashMap::new(),
            next_ticket: 0,
            good_server: 0,
            sweep_at: SWEEP,
            denials: (0, 0),
            settings,
        };
        resolver.take_over();
        resolver
    }

    /// Goes on with other settings. Where what may be forwarded or opened is another, all that was learned under the old rules is
    /// forgotten and closed.
    pub fn apply(&mut self, settings: Settings, out: &mut Vec<Effect>) {
        let old = std::mem::replace(&mut self.settings, settings);
        let new = &self.settings;
        let same_rules = old.forwarding == new.forwarding && old.zone == new.zone;
        let view = |it: &Settings| (it.servers, it.servers_version);
        let same_view = view(&old) == view(new)
            && (&old.allowed_ranges, &old.host_addresses, &old.neighbours)
                == (&new.allowed_ranges, &new.host_addresses, &new.neighbours);
        self.take_over();
        if same_rules && same_view {
            return;
        }
        self.cache.clear();
        self.fail_all(out);
        if !same_rules {
            let changes = self.openings.close_all();
            if !changes.is_empty() {
                let ticket = self.ticket();
                out.push(Effect::Change { ticket, changes });
            }
        }
    }

    fn take_over(&mut self) {
        let settings = &self.settings;
        self.local = LocalNames::new(&settings.zone, &settings.reaches, &settings.containers);
        self.others = match &settings.forwarding {
            Forwarding::All => Others::All,
            Forwarding::Nothing => Others::Nothing,
            Forwarding::Names(rules) => Others::Names(Allowed::new(rules)),
        };
        self.reachable = Reachable {
            ranges: settings.allowed_ranges.clone(),
            host: settings.host_addresses.clone(),
            neighbours: settings.neighbours.clone(),
        };
        self.servers = settings.servers;
        self.good_server = self.good_server.min(self.servers.saturating_sub(1));
    }

    /// A client's packet.
    pub fn query(&mut self, client: Client, packet: &[u8], now: u64, out: &mut Vec<Effect>) {
        if !self.shares.admit(client.address, now) {
            return;
        }
        let query = match Query::read(packet) {
            Ok(query) => query,
            // Answers to nobody's question are not answered.
            Err(Malformed::NotAQuery | Malformed::Short) => return,
            Err(_) => {
                out.extend(Asked::unreadable(packet).map(|packet| Effect::Answer { client, packet }));
                return;
            }
        };
        let asked = Asked::new(&query, client.stream);
        let answer = |packet| Effect::Answer { client, packet };
        if query.edns.is_some_and(|edns| edns.version != 0) {
            out.push(answer(asked.reply(&Said::code(Rcode::BadVersion, None))));
            return;
        }
        let key = Key { name: query.question.name, kind: query.question.kind };
        // Only what was allowed is ever in it, and other rules empty it.
        if query.question.class == crate::wire::CLASS_IN
            && let Some(entry) = self.cache.get(&key, now)
        {
            out.push(answer(asked.reply(&Said::kept(&entry, now))));
            return;
        }
        let question = Question { name: key.name.clone(), kind: key.kind, class: query.question.class };
        match decide(&question, client.address, &self.local, &self.others) {
            Decision::Answer { rcode, mut records, extended_error } => {
                self.rotate(&mut records);
                out.push(answer(asked.reply(&Said::here(rcode, records, extended_error))));
            }
            Decision::Denied => {
                out.push(answer(asked.reply(&Said::code(Rcode::NxDomain, Some(BLOCKED)))));
                let Key { name, kind } = key;
                self.tell(Denied { client: client.address, name, kind, address: None }, now, out);
            }
            Decision::Ask { rules } => {
                let waiter = Waiter { client, asked };
                self.ask(key, rules, waiter, now, out);
            }
        }
    }

    /// Several containers of one alias take turns.
    fn rotate(&mut self, records: &mut [crate::wire::Record]) {
        if records.len() > 1 {
            let first = usize::from(self.dice.number()) % records.len();
            records.rotate_left(first);
        }
    }

    fn tell(&mut self, denied: Denied, now: u64, out: &mut Vec<Effect>) {
        let second = now / 1000;
        if self.denials.0 != second {
            self.denials = (second, 0);
        }
        if self.denials.1 < DENIALS {
            self.denials.1 += 1;
            out.push(Effect::Denied(denied));
        }
    }

    fn ask(&mut self, key: Key, rules: Vec<u16>, waiter: Waiter, now: u64, out: &mut Vec<Effect>) {
        let busy = |waiter: &Waiter| Effect::Answer {
            client: waiter.client,
            packet: waiter.asked.reply(&Said::code(Rcode::ServFail, Some(NO_REACHABLE_AUTHORITY))),
        };
        if self.servers == 0 || !self.shares.begin(waiter.client.address) {
            out.push(busy(&waiter));
            return;
        }
        // One question is asked once: that many chances to guess its answer, not one for each who asks it.
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.waiters.push(waiter);
            return;
        }
        let pending = Pending::new(&key, rules, waiter, self.good_server);
        self.pending.insert(key.clone(), pending);
        self.send(&key, now, out);
    }

    fn ticket(&mut self) -> Ticket {
        loop {
            self.next_ticket = self.next_ticket.wrapping_add(1);
            if !self.tickets.contains_key(&self.next_ticket) {
                return self.next_ticket;
            }
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Effect>) {
        let late = self.pending.iter().filter(|(_, pending)| pending.deadline <= now);
        let late: Vec<Key> = late.map(|(key, _)| key.clone()).collect();
        for key in late {
            match self.pending.get(&key).map(|pending| &pending.state) {
                Some(State::Asking { .. }) => self.next_attempt(&key, now, out),
                Some(State::Opening { .. }) => self.finish(&key, None, now, out),
                None => {}
            }
        }
        if self.sweep_at <= now {
            self.sweep_at = now + SWEEP;
            self.cache.sweep(now);
            self.openings.sweep(now);
        }
    }

    /// When [`Resolver::tick`] has something to do at the latest.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.pending.values().map(|pending| pending.deadline).min().unwrap_or(u64::MAX).min(self.sweep_at)
    }

    /// Answers all who wait for a question: with what was found, or that nothing was.
    fn finish(&mut self, key: &Key, entry: Option<Rc<Entry>>, now: u64, out: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(key) else { return };
        let ticket = pending.ticket();
        self.tickets.remove(&ticket);
        if matches!(pending.state, State::Asking { .. }) {
            out.push(Effect::Forget(ticket));
        }
        let said = match &entry {
            Some(entry) => Said::kept(entry, now),
            None => Said::code(Rcode::ServFail, Some(NO_REACHABLE_AUTHORITY)),
        };
        for Waiter { client, asked } in &pending.waiters {
            self.shares.end(client.address);
            out.push(Effect::Answer { client: *client, packet: asked.reply(&said) });
        }
        if let (Some(entry), Some(first)) = (entry, pending.waiters.first()) {
            self.cache.put(key.clone(), entry, first.client.address);
        }
    }

    fn fail_all(&mut self, out: &mut Vec<Effect>) {
        let keys: Vec<Key> = self.pending.keys().cloned().collect();
        for key in keys {
            self.finish(&key, None, 0, out);
        }
    }
}
