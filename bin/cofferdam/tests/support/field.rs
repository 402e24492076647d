//! A field for attacks by real packets: who attacks, who is attacked, one more beside, and the world around them.

use std::net::IpAddr;

use super::hosts::{Hosts, Node, zone, zone_with};
use super::packets::{self, Sender, Sniffer, UDP, frame, ip};
use super::{Home, busybox_home, eventually, skip};

/// A zone whose containers may change their own network and speak raw, and may reach `victim` at one port.
pub const EVIL: &str = "[process]\ncapabilities_max = [\"NET_ADMIN\", \"NET_RAW\"]\n\
                    [network]\negress = [\"internet\", \"zone:victim udp/80\"]\ningress = [\"any\"]\n";
pub const RIGHTS: [&str; 4] = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"];

/// The attacker, the attacked, one more container beside it, and the world around them.
pub struct Field {
    pub home: Home,
    pub hosts: Hosts,
    pub attacker: Node,
    pub victim: Node,
    pub beside: Node,
    pub sender: Sender,
    _folder: tempfile::TempDir,
}

impl Field {
    pub fn new(test: &str) -> Option<Self> {
        let home = busybox_home(test)?;
        let folder = tempfile::tempdir().unwrap();
        let Some(sender) = Sender::build(folder.path()) else {
            skip(test, "there is no C compiler");
            return None;
        };
        let hosts = Hosts::around_here();
        zone_with(&home, "evil", EVIL);
        zone(&home, "victim", "egress = [\"internet\"]\ningress = [\"any\", \"host\", \"zone:evil udp/80\"]");
        let flags = [&["--zone", "evil"][..], &RIGHTS].concat();
        let attacker = Node::start(&home, &flags);
        let victim = Node::start(&home, &["--zone", "victim", "-p", "8080:80"]);
        let beside = Node::start(&home, &["--zone", "victim"]);
        victim.place.serve("[::]:80");
        Some(Self { home, hosts, attacker, victim, beside, sender, _folder: folder })
    }

    /// Sends packets by the attacker's link to the host.
    pub fn send(&self, packets: &[Vec<u8>]) {
        let [own, hosts] = self.attacker.macs;
        let frames: Vec<Vec<u8>> = packets.iter().map(|packet| frame(hosts, own, packet)).collect();
        self.sender.send(&self.attacker.place, "eth0", &frames);
    }

    /// A datagram of the attacker's with its own source.
    pub fn datagram(&self, to: IpAddr, port: u16, text: &str) -> Vec<u8> {
        let from = self.attacker.addresses[usize::from(to.is_ipv6())];
        ip(from, to, UDP, &[], &packets::udp(from, to, port, text.as_bytes()))
    }

    /// Whether the packets that were sent before have all been looked at: an honest one that came later has arrived.
    pub fn settle(&self, at: &Sniffer) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let mut sent = 0;
        let arrived = eventually(|| {
            if sent < 5 {
                self.send(&[self.datagram(self.victim.addresses[0], 80, "honest")]);
                sent += 1;
            }
            seen.extend(at.frames());
            seen.iter().any(|frame| holds(frame, b"honest"))
        });
        assert!(arrived, "what the attacker may send arrives");
        seen
    }
}

pub fn holds(frame: &[u8], text: &[u8]) -> bool {
    frame.windows(text.len()).any(|window| window == text)
}

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
