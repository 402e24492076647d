//! A network namespace of the test's own, without any link to the machine's, and what is sent and answered in it.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use cofferdam_kernel::link::bring_loopback_up;
use cofferdam_kernel::namespace::{Namespace, join, unshare};
use cofferdam_kernel::rtnetlink::{Change, NewVeth, Route, RouteSocket};

/// How long a packet may take that is to arrive, and how long one is waited for that is not to.
pub const SOON: Duration = Duration::from_secs(3);
pub const NEVER: Duration = Duration::from_millis(120);

/// A network namespace.
pub struct Place(File);

impl Place {
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(Namespace::Network).unwrap();
            bring_loopback_up().unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(made.join().unwrap())
    }

    /// Where the calling thread is.
    pub fn here() -> Self {
        Self(File::open("/proc/thread-self/ns/net").unwrap())
    }

    /// Where a process is.
    pub fn of_process(pid: i32) -> Self {
        Self(File::open(format!("/proc/{pid}/ns/net")).unwrap())
    }

    /// The same once more.
    pub fn again(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Works in it, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                join(Namespace::Network, self.fd()).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// A thread that answers each connection with the address it came from, and each datagram with itself, until the test ends.
    pub fn serve(&self, address: &str) {
        let address: SocketAddr = address.parse().unwrap();
        let (tcp, udp) =
            self.inside(|| (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap()));
        std::thread::spawn(move || {
            use std::io::Write;
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let from = stream.peer_addr().unwrap().ip();
                let _ = stream.write_all(from.to_string().as_bytes());
            }
        });
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(&buffer[..length], from);
            }
        });
    }

    /// Connects by TCP and gives what is answered.
    pub fn tcp(&self, to: &str, patience: Duration) -> io::Result<String> {
        let to: SocketAddr = to.parse().unwrap();
        self.inside(|| tcp_from_here(to, patience))
    }

    /// Sends a datagram and waits for its answer.
    pub fn udp(&self, to: &str, patience: Duration) -> io::Result<()> {
        let to: SocketAddr = to.parse().unwrap();
        self.inside(|| udp_from_here(to, patience))
    }

    pub fn reaches(&self, to: &str) -> bool {
        self.tcp(to, SOON).is_ok() && self.udp(to, SOON).is_ok()
    }

    pub fn is_kept_from(&self, to: &str) -> bool {
        self.tcp(to, NEVER).is_err() && self.udp(to, NEVER).is_err()
    }

    /// Joins two by a cable: this one has the first address, the other the second and its way to everything through the first.
    pub fn cable(&self, name: &str, other: &Self, ours: &[&str], theirs: &[&str]) {
        self.inside(|| {
            let routes = RouteSocket::open().unwrap();
            let veth = NewVeth {
                name,
                mac: [2, 0, 0, 0, 0, 1],
                peer_name: "up0",
                peer_mac: [2, 0, 0, 0, 0, 2],
                peer_namespace: other.fd(),
                mtu: 1500,
                group: 0,
            };
            routes.make(Change::new_veth(&veth)).unwrap();
            give(&routes, name, ours);
        });
        other.inside(|| {
            let routes = RouteSocket::open().unwrap();
            give(&routes, "up0", theirs);
            for gateway in ours {
                add_default_way(&routes, "up0", gateway.split_once('/').unwrap().0.parse().unwrap());
            }
        });
    }

    /// Its way to everything that it has no other way to.
    pub fn default_way(&self, link: &str, gateways: &[IpAddr]) {
        self.inside(|| {
            let routes = RouteSocket::open().unwrap();
            gateways.iter().for_each(|gateway| add_default_way(&routes, link, *gateway));
        });
    }
}

/// Connects by TCP and gives what is answered.
pub fn tcp_from_here(to: SocketAddr, patience: Duration) -> io::Result<String> {
    use std::io::Read;
    let mut stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Sends a datagram and waits for its answer.
pub fn udp_from_here(to: SocketAddr, patience: Duration) -> io::Result<()> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send_to(b"x", to)?;
    socket.recv_from(&mut [0; 8]).map(drop)
}

fn add_default_way(routes: &RouteSocket, link: &str, gateway: IpAddr) {
    let link = routes.link(link).unwrap().unwrap().index;
    let any: IpAddr = if gateway.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
    let route = Route { to: (any, 0), gateway: Some(gateway), link, source: None, protocol: 4 };
    routes.make(Change::add_route(&route)).unwrap();
}

fn give(routes: &RouteSocket, name: &str, addresses: &[&str]) {
    let link = routes.link(name).unwrap().unwrap().index;
    routes.set_up(link).unwrap();
    for address in addresses {
        let (address, bits) = address.split_once('/').unwrap();
        let change = Change::add_address(link, address.parse().unwrap(), bits.parse().unwrap(), 0);
        routes.make(change).unwrap();
    }
}
