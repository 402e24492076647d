//! Questions for which a server is asked.

use std::rc::Rc;

use super::asked::Asked;
use super::{Client, Denied, Effect, Resolver, Ticket};
use crate::answer::check;
use crate::cache::{Entry, Key};
use crate::wire::{CLASS_IN, Question, Reply, Writer, kind};

/// Milliseconds that a server has for one attempt, by number of attempts.
const PATIENCE: [u64; 4] = [1_000, 1_500, 2_000, 2_500];
/// Milliseconds that opening an address may take.
const OPENING: u64 = 2_000;
/// Wrong answers after which a question is asked by TCP, where nobody else can answer.
const WRONG: u8 = 4;

/// A client that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) client: Client,
    pub(super) asked: Asked,
}

/// How far a question is.
#[derive(Debug)]
pub(super) enum State {
    /// A server is asked.
    Asking { ticket: Ticket, id: u16, echoed: Vec<u8>, stream: bool, wrong: u8 },
    /// The answer waits until its addresses are open.
    Opening { ticket: Ticket, entry: Rc<Entry> },
}

/// A question for which a server is asked.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) question: Question,
    pub(super) rules: Vec<u16>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) state: State,
    pub(super) deadline: u64,
    server: usize,
    attempt: usize,
    /// The next attempt goes by TCP.
    stream: bool,
}

impl Pending {
    pub(super) fn new(key: &Key, rules: Vec<u16>, waiter: Waiter, server: usize) -> Self {
        Self {
            question: Question { name: key.name.clone(), kind: key.kind, class: CLASS_IN },
            rules,
            waiters: vec![waiter],
            state: State::Asking { ticket: 0, id: 0, echoed: Vec::new(), stream: false, wrong: 0 },
            deadline: 0,
            server,
            attempt: 0,
            stream: false,
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        match self.state {
            State::Asking { ticket, .. } | State::Opening { ticket, .. } => ticket,
        }
    }
}

impl Resolver {
    /// Asks the question's server, with a new number, a new case and a new socket.
    pub(super) fn send(&mut self, key: &Key, now: u64, out: &mut Vec<Effect>) {
        let ticket = self.ticket();
        let id = self.dice.number();
        let Some(pending) = self.pending.get_mut(key) else { return };
        let question = &pending.question;
        let mut echoed = question.name.wire().to_vec();
        self.dice.shuffle_case(&mut echoed);
        echoed.extend(question.kind.to_be_bytes());
        echoed.extend(question.class.to_be_bytes());
        let packet = Writer::query(id, &echoed);
        let stream = pending.stream;
        pending.state = State::Asking { ticket, id, echoed, stream, wrong: 0 };
        pending.deadline = now + PATIENCE.get(pending.attempt).copied().unwrap_or(PATIENCE[0]);
        self.tickets.insert(ticket, key.clone());
        out.push(Effect::Ask { ticket, server: pending.server, stream, packet });
    }

    fn drop_exchange(&mut self, ticket: Ticket, out: &mut Vec<Effect>) {
        self.tickets.remove(&ticket);
        out.push(Effect::Forget(ticket));
    }

    /// The same server by TCP.
    fn ask_by_stream(&mut self, key: &Key, now: u64, out: &mut Vec<Effect>) {
        let Some(pending) = self.pending.get_mut(key) else { return };
        pending.stream = true;
        let ticket = pending.ticket();
        self.drop_exchange(ticket, out);
        self.send(key, now, out);
    }

    /// The next server, until all have had their chances.
    pub(super) fn next_attempt(&mut self, key: &Key, now: u64, out: &mut Vec<Effect>) {
        let servers = self.servers;
        let Some(pending) = self.pending.get_mut(key) else { return };
        pending.attempt += 1;
        if pending.attempt >= PATIENCE.len() || servers == 0 {
            self.finish(key, None, now, out);
            return;
        }
        pending.server = (pending.server + 1) % servers;
        pending.stream = false;
        let ticket = pending.ticket();
        self.drop_exchange(ticket, out);
        self.send(key, now, out);
    }

    /// A server's packet, on the socket of an exchange. Whatever does not fit what was asked is passed over: anyone may have sent
    /// it.
    pub fn answer(&mut self, ticket: Ticket, packet: &[u8], now: u64, out: &mut Vec<Effect>) {
        let Some(key) = self.tickets.get(&ticket).cloned() else { return };
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let State::Asking { id, echoed, stream, wrong, .. } = &mut pending.state else { return };
        let reply = Reply::read(packet).ok();
        let reply = reply.filter(|reply| reply.id == *id && reply.question == pending.question);
        let Some(reply) = reply else {
            *wrong += 1;
            if *stream {
                self.next_attempt(&key, now, out);
            } else if *wrong >= WRONG {
                self.ask_by_stream(&key, now, out);
            }
            return;
        };
        // The right number in the wrong case: a server that does not keep it, or somebody who guessed. By TCP it does not matter.
        if !*stream && (reply.truncated || reply.echoed != *echoed) {
            self.ask_by_stream(&key, now, out);
            return;
        }
        if reply.truncated {
            self.next_attempt(&key, now, out);
            return;
        }
        let Some(checked) = check(&pending.question, &reply, &self.reachable, now) else {
            self.next_attempt(&key, now, out);
            return;
        };
        self.good_server = pending.server;
        if let (Some(address), Some(first)) = (checked.taken_out, pending.waiters.first()) {
            let denied = Denied {
                client: first.client.address,
                name: key.name.clone(),
                kind: key.kind,
                address: Some(address),
            };
            self.tell(denied, now, out);
        }
        self.open(&key, ticket, checked, now, out);
    }

    /// Has the answer's addresses opened; without any the answer goes out at once.
    fn open(
        &mut self,
        key: &Key,
        ticket: Ticket,
        checked: crate::answer::Checked,
        now: u64,
        out: &mut Vec<Effect>,
    ) {
        let entry = Rc::new(checked.entry);
        let Some(pending) = self.pending.get_mut(key) else { return };
        let is_address = matches!(key.kind, kind::A | kind::AAAA);
        let changes = if is_address && !pending.rules.is_empty() {
            let ipv6 = key.kind == kind::AAAA;
            self.openings.learn(&key.name, ipv6, &pending.rules, &checked.addresses, checked.ttl, now)
        } else {
            Some(Vec::new())
        };
        let Some(changes) = changes else {
            self.finish(key, None, now, out);
            return;
        };
        if changes.is_empty() {
            self.finish(key, Some(entry), now, out);
            return;
        }
        self.drop_exchange(ticket, out);
        let ticket = self.ticket();
        if let Some(pending) = self.pending.get_mut(key) {
            pending.state = State::Opening { ticket, entry };
            pending.deadline = now + OPENING;
        }
        self.tickets.insert(ticket, key.clone());
        out.push(Effect::Change { ticket, changes });
    }

    /// The changes of a ticket were carried out, or could not be: then nobody is told the addresses.
    pub fn changed(&mut self, ticket: Ticket, done: bool, now: u64, out: &mut Vec<Effect>) {
        let Some(key) = self.tickets.get(&ticket).cloned() else { return };
        let Some(State::Opening { entry, .. }) = self.pending.get(&key).map(|pending| &pending.state) else {
            return;
        };
        let entry = done.then(|| Rc::clone(entry));
        self.finish(&key, entry, now, out);
    }

    /// The exchange could not be had, or its socket failed.
    pub fn failed(&mut self, ticket: Ticket, now: u64, out: &mut Vec<Effect>) {
        if let Some(key) = self.tickets.get(&ticket).cloned()
            && let Some(State::Asking { .. }) = self.pending.get(&key).map(|pending| &pending.state)
        {
            self.next_attempt(&key, now, out);
        }
    }
}
