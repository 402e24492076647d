//! The process around the machine, on real sockets of the loopback: this test is its keeper, and its servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cofferdam_resolver::allow::NameRule;
use cofferdam_resolver::control::{Control, Order, Report};
use cofferdam_resolver::local::Container;
use cofferdam_resolver::settings::Forwarding;
use cofferdam_resolver::wire::{Answering, CLASS_IN, Name, Query, Rcode, Record, Reply, Writer, kind};
use cofferdam_resolver::{Change, Limits, Settings, worker};
use rustix::fs::{MemfdFlags, memfd_create};

/// A name server that answers every question with one address, and what it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Names that begin with `big` are cut by UDP; `silent` ones are not answered there.
    fn start() -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                count.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = reply(&buffer[..length], 1) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(question) = read_framed(&mut stream) else { continue };
                let answer = reply(&question, 60).unwrap();
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                let _ = stream.write_all(&[&length[..], &answer].concat());
            }
        });
        Self { address, asked }
    }
}

fn reply(question: &[u8], most: u8) -> Option<Vec<u8>> {
    let query = Query::read(question).unwrap();
    let name = query.question.name.to_string();
    if name.starts_with("silent") {
        return None;
    }
    let rcode = if name.starts_with("absent") { Rcode::NxDomain } else { Rcode::NoError };
    let to = Answering { id: query.id, recursion_desired: true, rcode };
    let big = name.starts_with("big");
    let limit = if big && most == 1 { 64 } else { 65_535 };
    let count = if big { 60 } else { 1 };
    let mut writer = Writer::answer(to, &query.echoed, limit);
    let record = |last| Record::address_of(query.question.name.clone(), [8, 8, 8, last].into(), 300);
    let records: Vec<Record> = (0..count).map(record).collect();
    if rcode == Rcode::NoError {
        writer.answers(records.iter().map(|record| (record, record.ttl)));
    }
    Some(writer.finish(None, None))
}

fn read_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// The keeper's side.
struct Keeper {
    control: Arc<Control>,
    udp: SocketAddr,
    tcp: SocketAddr,
    changes: Arc<Mutex<Vec<Change>>>,
    denied: Arc<Mutex<Vec<String>>>,
    worker: Option<JoinHandle<std::io::Result<()>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Keeper {
    fn start(server: SocketAddr, forwarding: Forwarding) -> Self {
        let (here, there) = Control::pair().unwrap();
        let worker = std::thread::spawn(move || worker::run(there));
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let mut file = std::fs::File::from(memfd_create(c"settings", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(&serde_json::to_vec(&settings(forwarding)).unwrap()).unwrap();
        here.send(&Order::Settings { generation: 7 }, Some(file.as_fd())).unwrap();
        assert_eq!(here.receive::<Report>().unwrap().unwrap().0, Report::Applied { generation: 7 });
        here.send(&Order::Datagrams { number: 3 }, Some(udp.as_fd())).unwrap();
        here.send(&Order::Listener { number: 3 }, Some(tcp.as_fd())).unwrap();
        let control = Arc::new(here);
        let (changes, denied) = (Arc::<Mutex<Vec<Change>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let keeper = std::thread::spawn({
            let (control, changes, denied) =
                (Arc::clone(&control), Arc::clone(&changes), Arc::clone(&denied));
            move || keep(&control, server, &changes, &denied)
        });
        let (worker, keeper) = (Some(worker), Some(keeper));
        Self { control, udp: udp_at, tcp: tcp_at, changes, denied, worker, keeper }
    }

    fn ask(&self, name: &str, kind: u16) -> Reply {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&question(name, kind), self.udp).unwrap();
        let mut buffer = [0; 4096];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.udp);
        Reply::read(&buffer[..length]).unwrap()
    }

    /// The names denied, once there are `count`: a report may come after the answer to the client.
    fn denied(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            if self.denied.lock().unwrap().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.denied.lock().unwrap().clone()
    }

    fn ask_by_stream(&self, names: &[&str]) -> Vec<Reply> {
        let mut stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for name in names {
            let question = question(name, kind::A);
            let length = u16::try_from(question.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &question].concat()).unwrap();
        }
        names.iter().map(|_| Reply::read(&read_framed(&mut stream).unwrap()).unwrap()).collect()
    }
}

impl Drop for Keeper {
    /// The worker ends when its keeper has gone.
    fn drop(&mut self) {
        rustix::net::shutdown(self.control.as_fd(), rustix::net::Shutdown::Both).unwrap();
        let worker = self.worker.take().unwrap().join();
        let keeper = self.keeper.take().unwrap().join();
        // A test that fails already is told for its own reason: a second panic would end the whole program.
        if !std::thread::panicking() {
            worker.unwrap().unwrap();
            keeper.unwrap();
        }
    }
}

fn keep(control: &Control, server: SocketAddr, changes: &Mutex<Vec<Change>>, denied: &Mutex<Vec<String>>) {
    while let Ok(Some((report, _))) = control.receive::<Report>() {
        match report {
            Report::Exchange { ticket, server: number, stream } => {
                assert!(number < 2);
                let socket: OwnedFd = if stream {
                    TcpStream::connect(server).unwrap().into()
                } else {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(server).unwrap();
                    socket.into()
                };
                let _ = control.send(&Order::Exchange { ticket }, Some(socket.as_fd()));
            }
            Report::Change { ticket, changes: new } => {
                changes.lock().unwrap().extend(new);
                let _ = control.send(&Order::Changed { ticket, done: true }, None);
            }
            Report::Denied { name, .. } => denied.lock().unwrap().push(name),
            Report::Applied { .. } => {}
        }
    }
}

fn settings(forwarding: Forwarding) -> Settings {
    Settings {
        zone: "blue".parse().unwrap(),
        reaches: vec![],
        containers: vec![Container {
            id: "ab".repeat(32),
            zone: "blue".parse().unwrap(),
            names: vec!["web".to_owned()],
            parts: Vec::new(),
            addresses: vec![[10, 0, 0, 1].into(), "fd00::1".parse().unwrap()],
        }],
        forwarding,
        allowed_ranges: vec![],
        host_addresses: vec![],
        neighbours: vec![],
        servers: 2,
        servers_version: 1,
        limits: Limits::default(),
    }
}

fn by_name(pattern: &str) -> Forwarding {
    Forwarding::Names(vec![NameRule { pattern: pattern.parse().unwrap(), rule: 4 }])
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    Writer::query(99, &[name.wire(), &kind.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat())
}

fn addresses(reply: &Reply) -> Vec<IpAddr> {
    reply.answers.iter().filter_map(Record::address).collect()
}

#[test]
fn containers_and_forwarded_names_are_answered() {
    let server = Server::start();
    let keeper = Keeper::start(server.address, Forwarding::All);
    assert_eq!(addresses(&keeper.ask("web", kind::A)), [IpAddr::from([10, 0, 0, 1])]);
    assert_eq!(addresses(&keeper.ask("web.blue", kind::AAAA)), ["fd00::1".parse::<IpAddr>().unwrap()]);
    assert_eq!(keeper.ask("nobody", kind::A).rcode, Rcode::NxDomain);
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
    assert_eq!(addresses(&keeper.ask("a.example", kind::A)), [IpAddr::from([8, 8, 8, 0])]);
    assert_eq!(addresses(&keeper.ask("a.example", kind::A)), [IpAddr::from([8, 8, 8, 0])]);
    assert_eq!(keeper.ask("absent.example", kind::A).rcode, Rcode::NxDomain);
    assert_eq!(server.asked.load(Ordering::SeqCst), 2, "the second answer was kept");
    let pointer = keeper.ask("1.0.0.10.in-addr.arpa", kind::PTR);
    assert_eq!(pointer.answers.len(), 1);
}

#[test]
fn a_cut_answer_is_fetched_by_tcp_and_given_by_tcp() {
    let server = Server::start();
    let keeper = Keeper::start(server.address, Forwarding::All);
    // 32 addresses fit the datagram that the question offers.
    assert_eq!(keeper.ask("big.example", kind::A).answers.len(), 32);
    let replies = keeper.ask_by_stream(&["big.example", "web", "b.example"]);
    assert_eq!(replies.iter().map(|reply| reply.answers.len()).sum::<usize>(), 34);
}

#[test]
fn addresses_are_opened_by_their_keeper_and_other_names_never_leave() {
    let server = Server::start();
    let keeper = Keeper::start(server.address, by_name("*.example.org"));
    assert_eq!(addresses(&keeper.ask("a.example.org", kind::A)).len(), 1);
    assert_eq!(keeper.changes.lock().unwrap().len(), 1);
    for (name, kind) in [("evil.test", kind::A), ("example.org", kind::TXT), ("data.evil.test", kind::TXT)] {
        assert_eq!(keeper.ask(name, kind).rcode, Rcode::NxDomain);
    }
    assert_eq!(keeper.ask("a.example.org", kind::TXT).answers.len(), 0);
    assert_eq!(server.asked.load(Ordering::SeqCst), 1, "one question left, for the allowed name");
    assert_eq!(keeper.denied(3), ["evil.test", "example.org", "data.evil.test"]);
}

#[test]
fn a_silent_server_ends_in_a_failure() {
    let server = Server::start();
    let keeper = Keeper::start(server.address, Forwarding::All);
    assert_eq!(keeper.ask("silent.example", kind::A).rcode, Rcode::ServFail);
    assert_eq!(server.asked.load(Ordering::SeqCst), 4);
}

#[test]
fn one_client_cannot_hold_all_streams() {
    let server = Server::start();
    let keeper = Keeper::start(server.address, Forwarding::All);
    let held: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(keeper.tcp).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let closed = held.into_iter().filter(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        matches!((&*stream).read(&mut [0; 1]), Ok(0))
    });
    assert_eq!(closed.count(), 12);
    assert_eq!(keeper.ask("web", kind::A).answers.len(), 1);
}

/// What reaches a socket that is connected to an address without a port, and what does not.
#[test]
fn a_socket_for_one_client_takes_that_clients_packets_from_any_port() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = udp.local_addr().unwrap();
    udp.connect(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), 0)).unwrap();
    udp.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for port in 0..3 {
        let client = UdpSocket::bind("127.0.0.2:0").unwrap();
        client.send_to(&[port], at).unwrap();
        let mut buffer = [0; 8];
        let (_, from) = udp.recv_from(&mut buffer).unwrap();
        assert_eq!((buffer[0], from), (port, client.local_addr().unwrap()));
        udp.send_to(b"x", from).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        assert_eq!(client.recv_from(&mut buffer).unwrap().1, at);
    }
    let stranger = UdpSocket::bind("127.0.0.3:0").unwrap();
    let _ = stranger.send_to(b"y", at);
    assert!(udp.recv_from(&mut [0; 8]).is_err());
}
