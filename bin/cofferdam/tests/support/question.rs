//! A question as a container's own libraries would ask it, by UDP and by TCP.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use cofferdam_resolver::wire::{CLASS_IN, Name, Reply, Writer, kind};

/// How many addresses a name server of the calling thread's namespace has for a name; none where it does not answer.
pub fn addresses_of(server: IpAddr, name: &str) -> Option<usize> {
    let query = query_for(name);
    let socket = UdpSocket::bind(if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut packet = vec![0; 4096];
    // The first question starts the resolver: with many at once it may be late.
    for _ in 0..3 {
        socket.send_to(&query, (server, 53)).unwrap();
        if let Ok((length, _)) = socket.recv_from(&mut packet) {
            return Some(Reply::read(&packet[..length]).unwrap().answers.len());
        }
    }
    None
}

fn query_for(name: &str) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    Writer::query(7, &[name.wire(), &kind::A.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat())
}

/// A connection to a name server, for one question after another.
pub struct ByTcp(TcpStream);

impl ByTcp {
    pub fn connect(server: IpAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&(server, 53).into(), Duration::from_secs(3))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self(stream))
    }

    /// How many addresses the server has for a name.
    pub fn addresses_of(&mut self, name: &str) -> io::Result<usize> {
        let query = query_for(name);
        let length = u16::try_from(query.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length[..], &query].concat())?;
        let mut length = [0; 2];
        self.0.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut answer)?;
        Ok(Reply::read(&answer).unwrap().answers.len())
    }
}
