//! Packets as bytes: put together for an attacker, who does not keep to what a kernel would send, and seen on the wire.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::place::Place;

pub const ICMP: u8 = 1;
pub const UDP: u8 = 17;
pub const ICMP6: u8 = 58;

/// Everything that arrives at a network namespace's links from now on (packet(7)).
pub struct Sniffer(OwnedFd);

impl Sniffer {
    pub fn at(place: &Place) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // `ETH_P_ALL`
        let all = Protocol::from_raw(NonZeroU32::new(u32::from(3_u16.to_be())).unwrap());
        let open = || socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(all)).unwrap();
        Self(place.inside(open))
    }

    /// The frames so far.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok((length, _)) = recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
            frames.push(buffer[..length].to_vec());
        }
        frames
    }

    /// How many of them were for an address.
    pub fn arrived(&self, at: IpAddr) -> usize {
        self.frames().iter().filter(|frame| destination(frame) == Some(at)).count()
    }

    /// Those that hold some bytes.
    pub fn with(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = self.frames();
        frames.retain(|frame| frame.windows(bytes.len()).any(|window| window == bytes));
        frames
    }
}

/// Where a frame's IP packet goes.
pub fn destination(frame: &[u8]) -> Option<IpAddr> {
    let packet = frame.get(14..)?;
    match frame.get(12..14)? {
        [8, 0] => Some(Ipv4Addr::from(*packet.get(16..20)?.first_chunk::<4>()?).into()),
        [0x86, 0xdd] => Some(Ipv6Addr::from(*packet.get(24..40)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// The Internet checksum (RFC 1071).
pub fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    [high, low]
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_be_bytes()
}

/// An IP packet with any source; options are IPv4's.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    fragment(from, to, protocol, options, payload, 0)
}

/// The same, where it is a part of a larger one: `place` is its offset in units of 8 bytes, with 0x2000 if more follow (IPv4).
pub fn fragment(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    options: &[u8],
    payload: &[u8],
    place: u16,
) -> Vec<u8> {
    let mut packet = Vec::new();
    if from.is_ipv4() {
        let words = 5 + options.len() / 4;
        packet.extend([0x40 | u8::try_from(words).unwrap(), 0]);
        packet.extend(short(words * 4 + payload.len()));
        packet.extend([0x12, 0x34]);
        packet.extend(place.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        packet.extend(bytes(from));
        packet.extend(bytes(to));
        packet.extend(options);
        let sum = checksum(&[&packet]);
        packet[10..12].copy_from_slice(&sum);
    } else {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(short(payload.len()));
        packet.extend([protocol, 255]);
        packet.extend(bytes(from));
        packet.extend(bytes(to));
    }
    packet.extend(payload);
    packet
}

/// What a transport's checksum is over besides its own bytes.
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = bytes(from);
    header.extend(bytes(to));
    if from.is_ipv4() {
        header.extend([0, protocol]);
    } else {
        header.extend([0, 0]);
    }
    header.extend(short(length));
    if from.is_ipv6() {
        header.extend([0, 0, 0, protocol]);
    }
    header
}

pub fn udp(from: IpAddr, to: IpAddr, port: u16, text: &[u8]) -> Vec<u8> {
    let mut datagram = 5555_u16.to_be_bytes().to_vec();
    datagram.extend(port.to_be_bytes());
    datagram.extend(short(8 + text.len()));
    datagram.extend([0, 0]);
    datagram.extend(text);
    let sum = checksum(&[&pseudo(from, to, UDP, datagram.len()), &datagram]);
    datagram[6..8].copy_from_slice(&sum);
    datagram
}

pub fn icmp6(from: IpAddr, to: IpAddr, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let sum = checksum(&[&pseudo(from, to, ICMP6, message.len()), &message]);
    message[2..4].copy_from_slice(&sum);
    message
}

/// A frame with an IP packet.
pub fn frame(to: [u8; 6], from: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let kind = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    [&to[..], &from, &kind, packet].concat()
}

/// A frame with an answer of ARP's: `address` is at `mac`.
pub fn arp_answer(to: [u8; 6], mac: [u8; 6], address: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &address.octets(), &to, &target.octets()].concat();
    [&to[..], &mac, &[8, 6], &body].concat()
}

/// A program that sends frames of any content by a link.
pub struct Sender(PathBuf);

const SOURCE: &str = r#"
#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <sys/socket.h>
int main(int count, char **words) {
    unsigned char frame[65536];
    char line[140000];
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(words[1])};
    int sent = 0, fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0 || at.sll_ifindex == 0) { perror("socket"); return 1; }
    while (fgets(line, sizeof line, stdin)) {
        int length = 0, byte;
        while (sscanf(line + 2 * length, "%2x", &byte) == 1) frame[length++] = byte;
        if (sendto(fd, frame, length, 0, (void *)&at, sizeof at) == length) sent++;
    }
    printf("%d", sent);
    return 0;
}
"#;

impl Sender {
    /// Builds it; none without a C compiler.
    pub fn build(folder: &Path) -> Option<Self> {
        let source = folder.join("send.c");
        std::fs::write(&source, SOURCE).unwrap();
        let program = folder.join("send");
        let built = Command::new("gcc").args(["-O1", "-static", "-o"]).arg(&program).arg(&source).status();
        built.is_ok_and(|status| status.success()).then_some(Self(program))
    }

    pub fn program(&self) -> &Path {
        &self.0
    }

    /// Sends all of them, which the link must take.
    pub fn send(&self, place: &Place, link: &str, frames: &[Vec<u8>]) {
        let mut lines = String::new();
        for frame in frames {
            lines.extend(frame.iter().map(|byte| format!("{byte:02x}")));
            lines.push('\n');
        }
        let sent = place.inside(|| {
            let mut command = Command::new(&self.0);
            command.arg(link).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
            String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
        });
        assert_eq!(sent, frames.len().to_string(), "frames that the link took");
    }
}

/// The first packet of an SCTP association (RFC 9260): an INIT, with the CRC32c of its bytes.
pub fn sctp_init(port: u16, tag: u32) -> Vec<u8> {
    let mut packet = 5555_u16.to_be_bytes().to_vec();
    packet.extend(port.to_be_bytes());
    packet.extend([0; 8]);
    packet.extend([1, 0, 0, 20]);
    packet.extend(tag.to_be_bytes());
    packet.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    let sum = packet.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    });
    packet[8..12].copy_from_slice(&(!sum).to_le_bytes());
    packet
}

/// Sends what a protocol without sockets here would, from the calling thread's namespace.
pub fn raw_from_here(to: IpAddr, protocol: u8, packet: &[u8]) {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = Protocol::from_raw(NonZeroU32::new(u32::from(protocol)).unwrap());
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
    sendto(&socket, packet, SendFlags::empty(), &SocketAddr::new(to, 0)).unwrap();
}

/// Asks an address for an echo from the calling thread's namespace, by a raw socket; whether one came back.
pub fn ping_from_here(to: IpAddr, patience: Duration) -> bool {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (family, protocol, ask, answer) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, rustix::net::ipproto::ICMP, 8, 0),
        IpAddr::V6(_) => (AddressFamily::INET6, rustix::net::ipproto::ICMPV6, 128, 129),
    };
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
    let mut message = vec![ask, 0, 0, 0];
    message.extend(number.to_be_bytes());
    message.extend([0, 1]);
    if to.is_ipv4() {
        // The kernel itself does that of ICMPv6.
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum);
    }
    let end = Instant::now() + patience;
    if sendto(&socket, &message, SendFlags::empty(), &SocketAddr::new(to, 0)).is_err() {
        return false;
    }
    let mut buffer = vec![0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(left)).unwrap();
        let Ok((length, _)) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty()) else { continue };
        let received = &buffer[..length];
        let message = if to.is_ipv4() { received.get(20..).unwrap_or_default() } else { received };
        if message.first() == Some(&answer) && message.get(4..6) == Some(&number.to_be_bytes()[..]) {
            return true;
        }
    }
}
