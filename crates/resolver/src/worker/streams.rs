//! Clients that come by TCP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{SocketFlags, acceptfrom_with};

use super::LONGEST_QUERY;
use super::framed::Framed;
use super::poller::{Poller, Source};

/// Connections of one client.
const MOST_OF_ONE: usize = 8;
/// Connections of all.
const MOST: usize = 256;
/// From this many on, a client may have only this many.
const CROWDED: usize = 128;
const MOST_WHEN_CROWDED: usize = 1;
/// Milliseconds that a connection may be silent.
const PATIENCE: u64 = 5_000;
/// Connections that are taken in one turn.
const TURN: usize = 16;

#[derive(Debug)]
struct Stream {
    framed: Framed,
    client: IpAddr,
    silent_since: u64,
    waits_for_room: bool,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Streams {
    listeners: HashMap<u32, OwnedFd>,
    streams: HashMap<u32, Stream>,
    next: u32,
}

impl Streams {
    /// Takes connections from one more socket.
    pub(super) fn listen(&mut self, poller: &Poller, number: u32, socket: OwnedFd) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        poller.add(&socket, Source::Listener(number))?;
        self.listeners.insert(number, socket);
        Ok(())
    }

    /// Takes no more from that socket.
    pub(super) fn stop(&mut self, number: u32) {
        self.listeners.remove(&number);
    }

    /// Takes the connections that wait; what is too many is closed at once.
    pub(super) fn accept(&mut self, poller: &Poller, number: u32, now: u64) -> io::Result<()> {
        let Some(listener) = self.listeners.get(&number) else { return Ok(()) };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let mut new = Vec::new();
        for _ in 0..TURN {
            match acceptfrom_with(listener, flags) {
                Ok((socket, Some(address))) => {
                    new.extend(SocketAddr::try_from(address).ok().zip(Some(socket)))
                }
                Ok((_, None)) | Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => {}
                Err(_) => break,
            }
        }
        for (address, socket) in new {
            let client = address.ip();
            let has = self.streams.values().filter(|stream| stream.client == client).count();
            let crowded = self.streams.len() >= CROWDED && has >= MOST_WHEN_CROWDED;
            if has >= MOST_OF_ONE || self.streams.len() >= MOST || crowded {
                continue;
            }
            self.next = self.next.wrapping_add(1);
            poller.add(&socket, Source::Stream(self.next))?;
            let framed = Framed::new(socket, LONGEST_QUERY);
            self.streams
                .insert(self.next, Stream { framed, client, silent_since: now, waits_for_room: false });
        }
        Ok(())
    }

    /// The questions that have come on a connection.
    pub(super) fn read(&mut self, number: u32, buffer: &mut [u8], now: u64) -> Vec<(IpAddr, Vec<u8>)> {
        let Some(stream) = self.streams.get_mut(&number) else { return Vec::new() };
        let mut questions = Vec::new();
        let open = stream.framed.fill(buffer).unwrap_or(false);
        let whole = loop {
            match stream.framed.next() {
                Ok(Some(message)) => questions.push((stream.client, message)),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        // Half a question does not keep a connection alive.
        if !questions.is_empty() {
            stream.silent_since = now;
        }
        if !open || !whole {
            self.streams.remove(&number);
            return Vec::new();
        }
        questions
    }

    /// Answers on a connection, if it is still there.
    pub(super) fn push(&mut self, poller: &Poller, number: u32, packet: &[u8]) {
        if let Some(stream) = self.streams.get_mut(&number) {
            if stream.framed.push(packet).is_err() {
                self.streams.remove(&number);
                return;
            }
            self.write(poller, number);
        }
    }

    /// Writes what waits.
    pub(super) fn write(&mut self, poller: &Poller, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let done = stream.framed.flush().and_then(|left| {
            if left != stream.waits_for_room {
                poller.want_room(&stream.framed, Source::Stream(number), left)?;
                stream.waits_for_room = left;
            }
            Ok(())
        });
        if done.is_err() {
            self.streams.remove(&number);
        }
    }

    /// Ends connections that were silent for too long.
    pub(super) fn end_idle(&mut self, now: u64) {
        self.streams.retain(|_, stream| stream.silent_since + PATIENCE > now);
    }

    /// When the next one has been silent for too long.
    pub(super) fn deadline(&self) -> u64 {
        let silent = self.streams.values().map(|stream| stream.silent_since).min();
        silent.map_or(u64::MAX, |since| since + PATIENCE)
    }
}
