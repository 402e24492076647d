//! The process around the machine: one thread, one epoll(7), sockets that others made.
//!
//! It makes no socket, opens no file and reads no clock but the monotonic one. Everything that it has comes through the socket to its
//! keeper (see [`crate::control`]).

mod exchanges;
mod framed;
mod poller;
mod streams;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_kernel::code_pages;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use rustix::time::{ClockId, clock_gettime};

use crate::control::{Control, Order, Report};
use crate::dice::Dice;
use crate::resolver::{Client, Effect, Resolver};
use crate::settings::Settings;
use exchanges::Exchanges;
use poller::{Poller, Source};
use streams::Streams;

/// Datagrams of one socket that are answered before the next one has its turn.
const TURN: usize = 32;
/// Octets of the longest message.
const BUFFER: usize = 64 << 10;
/// Questions are short: what is longer is none.
const LONGEST_QUERY: usize = 4096;
/// The mark of a client that came by a stream.
const STREAM: u64 = 1 << 63;

/// Everything that the process has.
struct Worker {
    control: Control,
    poller: Poller,
    /// None until the first settings have come.
    resolver: Option<Resolver>,
    datagrams: HashMap<u32, OwnedFd>,
    streams: Streams,
    exchanges: Exchanges,
    effects: Vec<Effect>,
    buffer: Vec<u8>,
    /// Nothing has come since the pages of its code were let go.
    slim: bool,
}

/// Answers until the keeper has gone. `control` is this end of the socket to it.
///
/// # Errors
/// The keeper's socket or epoll(7) failed: the keeper starts another one.
pub fn run(control: Control) -> io::Result<()> {
    control.set_nonblocking()?;
    let poller = Poller::new()?;
    poller.add(&control, Source::Control)?;
    let mut worker = Worker {
        control,
        poller,
        resolver: None,
        datagrams: HashMap::new(),
        streams: Streams::default(),
        exchanges: Exchanges::default(),
        effects: Vec::new(),
        buffer: vec![0; BUFFER],
        slim: false,
    };
    while worker.turn()? {}
    Ok(())
}

/// The process's part: it was executed with its socket as descriptor 3.
///
/// # Errors
/// As [`run`], or there is no such descriptor.
pub fn main() -> io::Result<()> {
    run(Control::from_socket(cofferdam_kernel::inherited::take(crate::keeper::CONTROL)?))
}

/// Milliseconds of the monotonic clock.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0)
}

fn random(bytes: &mut [u8]) {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // It fails only for a signal: the pool is ready long before a container runs.
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
    }
}

impl Worker {
    /// Waits for something and sees to it. False when the keeper has gone.
    fn turn(&mut self) -> io::Result<bool> {
        let deadline = self.resolver.as_ref().map_or(u64::MAX, Resolver::deadline);
        let deadline = deadline.min(self.streams.deadline());
        let ready = self.poller.wait(deadline.saturating_sub(now()))?;
        // Most zones ask seldom: what their resolver's start has touched is not needed meanwhile.
        if ready.is_empty() && !self.slim {
            code_pages::release();
        }
        self.slim = ready.is_empty();
        for source in ready {
            match source {
                Source::Control => {
                    if !self.on_control()? {
                        return Ok(false);
                    }
                }
                Source::Datagrams(number) => self.on_datagrams(number),
                Source::Listener(number) => self.streams.accept(&self.poller, number, now())?,
                Source::Stream(number) => self.on_stream(number),
                Source::Exchange(ticket) => self.on_exchange(ticket),
            }
            self.carry_out()?;
        }
        let now = now();
        self.streams.end_idle(now);
        if let Some(resolver) = &mut self.resolver
            && resolver.deadline() <= now
        {
            resolver.tick(now, &mut self.effects);
            self.carry_out()?;
        }
        Ok(true)
    }

    fn on_control(&mut self) -> io::Result<bool> {
        loop {
            let (order, fd) = match self.control.receive::<Order>() {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            self.obey(order, fd)?;
            self.carry_out()?;
        }
    }

    fn obey(&mut self, order: Order, fd: Option<OwnedFd>) -> io::Result<()> {
        match (order, fd) {
            (Order::Settings { generation }, Some(file)) => {
                let settings = read_settings(file)?;
                match &mut self.resolver {
                    Some(resolver) => resolver.apply(settings, &mut self.effects),
                    None => self.resolver = Some(Resolver::new(settings, Dice::new(random))),
                }
                // What it closes by the numbers of the old rules is asked for before the keeper hears that these are over.
                self.carry_out()?;
                self.report(&Report::Applied { generation })
            }
            (Order::Datagrams { number }, Some(socket)) => {
                rustix::io::ioctl_fionbio(&socket, true)?;
                self.poller.add(&socket, Source::Datagrams(number))?;
                self.datagrams.insert(number, socket);
                Ok(())
            }
            (Order::Close { number }, _) => {
                self.datagrams.remove(&number);
                self.streams.stop(number);
                Ok(())
            }
            (Order::Listener { number }, Some(socket)) => self.streams.listen(&self.poller, number, socket),
            (Order::Exchange { ticket }, socket) => {
                let begun = socket.is_some_and(|socket| self.exchanges.begin(&self.poller, ticket, socket));
                if let Some(resolver) = self.resolver.as_mut().filter(|_| !begun) {
                    resolver.failed(ticket, now(), &mut self.effects);
                }
                Ok(())
            }
            (Order::Changed { ticket, done }, _) => {
                if let Some(resolver) = &mut self.resolver {
                    resolver.changed(ticket, done, now(), &mut self.effects);
                }
                Ok(())
            }
            (Order::Settings { .. } | Order::Datagrams { .. } | Order::Listener { .. }, None) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "an order came without its descriptor"))
            }
        }
    }

    /// Tells the keeper. It never blocks for long: a keeper that does not read is about to end.
    fn report(&self, report: &Report) -> io::Result<()> {
        loop {
            match self.control.send(report, None) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.poller.wait_writable(&self.control)?
                }
                other => return other,
            }
        }
    }

    fn on_datagrams(&mut self, number: u32) {
        for _ in 0..TURN {
            let Some(socket) = self.datagrams.get(&number) else { return };
            let received = recvfrom(socket, &mut *self.buffer, RecvFlags::empty());
            let (length, address) = match received {
                Ok((_, length, Some(address))) if length <= LONGEST_QUERY => {
                    match SocketAddr::try_from(address) {
                        Ok(address) => (length, address),
                        Err(_) => continue,
                    }
                }
                Ok(_) | Err(Errno::INTR | Errno::CONNREFUSED) => continue,
                Err(_) => return,
            };
            let handle = u64::from(number) << 16 | u64::from(address.port());
            let client = Client { handle, address: address.ip(), stream: false };
            let Some(resolver) = &mut self.resolver else { return };
            let packet = self.buffer.get(..length).unwrap_or_default();
            resolver.query(client, packet, now(), &mut self.effects);
            if let [Effect::Answer { client, packet }] = self.effects.as_slice() {
                // The usual case, without a detour.
                send_datagram(socket, *client, packet);
                self.effects.clear();
            } else if self.carry_out().is_err() {
                return;
            }
        }
    }

    fn on_stream(&mut self, number: u32) {
        let Some(resolver) = &mut self.resolver else { return };
        for (address, message) in self.streams.read(number, &mut self.buffer, now()) {
            let client = Client { handle: STREAM | u64::from(number), address, stream: true };
            resolver.query(client, &message, now(), &mut self.effects);
        }
        self.streams.write(&self.poller, number);
    }

    fn on_exchange(&mut self, ticket: u32) {
        let Some(resolver) = &mut self.resolver else { return };
        match self.exchanges.read(&self.poller, ticket, &mut self.buffer) {
            Ok(messages) => {
                for message in messages {
                    resolver.answer(ticket, &message, now(), &mut self.effects);
                }
            }
            Err(_) => resolver.failed(ticket, now(), &mut self.effects),
        }
    }

    /// Carries out what the machine wants.
    fn carry_out(&mut self) -> io::Result<()> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Answer { client, packet } if client.handle & STREAM != 0 => {
                    let number = u32::try_from(client.handle & !STREAM).unwrap_or(u32::MAX);
                    self.streams.push(&self.poller, number, &packet);
                }
                Effect::Answer { client, packet } => {
                    let number = u32::try_from(client.handle >> 16).unwrap_or(u32::MAX);
                    if let Some(socket) = self.datagrams.get(&number) {
                        send_datagram(socket, client, &packet);
                    }
                }
                Effect::Ask { ticket, server, stream, packet } => {
                    self.exchanges.expect(ticket, stream, packet);
                    let server = u16::try_from(server).unwrap_or(u16::MAX);
                    self.report(&Report::Exchange { ticket, server, stream })?;
                }
                Effect::Forget(ticket) => self.exchanges.forget(ticket),
                Effect::Change { ticket, changes } => self.report(&Report::Change { ticket, changes })?,
                Effect::Denied(denied) => self.report(&Report::Denied {
                    client: denied.client,
                    name: denied.name.to_string(),
                    kind: denied.kind,
                    address: denied.address,
                })?,
            }
        }
        Ok(())
    }
}

/// A client that cannot be told anything has gone.
fn send_datagram(socket: &OwnedFd, client: Client, packet: &[u8]) {
    let [.., high, low] = client.handle.to_be_bytes();
    let to = SocketAddr::new(client.address, u16::from_be_bytes([high, low]));
    let _ = sendto(socket.as_fd(), packet, SendFlags::NOSIGNAL, &to);
}

fn read_settings(file: OwnedFd) -> io::Result<Settings> {
    let mut file = File::from(file);
    file.rewind()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
