//! A question as a container's own libraries would ask it, by UDP.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use cofferdam_resolver::wire::{CLASS_IN, Name, Reply, Writer, kind};

/// How many addresses a name server of the calling thread's namespace has for a name; none where it does not answer.
pub fn addresses_of(server: IpAddr, name: &str) -> Option<usize> {
    let name: Name = name.parse().unwrap();
    let question = [name.wire(), &kind::A.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat();
    let socket = UdpSocket::bind(if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut packet = vec![0; 4096];
    // The first question starts the resolver: with many at once it may be late.
    for _ in 0..3 {
        socket.send_to(&Writer::query(7, &question), (server, 53)).unwrap();
        if let Ok((length, _)) = socket.recv_from(&mut packet) {
            return Some(Reply::read(&packet[..length]).unwrap().answers.len());
        }
    }
    None
}
