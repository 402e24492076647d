//! An internet of the test's own, in a network namespace beside the one that the engine works in: a name server that writes down what it
//! is asked, and servers at public addresses. Neither namespace has a link to the machine's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use cofferdam_kernel::link::bring_loopback_up;
use cofferdam_kernel::namespace::{Namespace, unshare};
use cofferdam_kernel::rtnetlink::{Change, NewVeth, Route, RouteSocket};
use cofferdam_resolver::wire::{Answering, Query, Rcode, Record, Writer, kind};

/// Where the name server is: a private address, as a home's or an office's has.
pub const NAME_SERVER: &str = "192.168.77.53";
/// The servers' addresses; each answers a connection to port 80 with its own.
pub const SERVERS: [&str; 3] = ["9.1.1.1", "9.1.1.2", "9.1.1.3"];

/// What a name server says: the addresses of a name, and for how many seconds.
type Names = Arc<Mutex<BTreeMap<String, (Vec<IpAddr>, u32)>>>;

/// The internet.
pub struct Internet {
    names: Names,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Internet {
    /// Joins the calling thread's namespace, which is [`super::away_from_the_machines_network`]'s, to an internet, and makes its name
    /// server the host's: in a mount namespace of the thread's own.
    pub fn new(folder: &Path) -> Self {
        let internet = Self { names: Names::default(), asked: Arc::default() };
        let (names, asked) = (Arc::clone(&internet.names), Arc::clone(&internet.asked));
        let (send, receive) = std::sync::mpsc::channel();
        let (connected, is_connected) = std::sync::mpsc::channel::<()>();
        let (send_ready, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            unshare(Namespace::Network).unwrap();
            bring_loopback_up().unwrap();
            send.send(File::open("/proc/thread-self/ns/net").unwrap()).unwrap();
            is_connected.recv().unwrap();
            configure();
            serve(&names, &asked);
            send_ready.send(()).unwrap();
        });
        connect(&receive.recv().unwrap());
        connected.send(()).unwrap();
        ready.recv().unwrap();
        ask_here(folder);
        internet
    }

    /// Gives a name addresses.
    pub fn name(&self, name: &str, addresses: &[&str], seconds: u32) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), (addresses, seconds));
    }

    /// Every name that was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn connect(other: &File) {
    let routes = RouteSocket::open().unwrap();
    let veth = NewVeth {
        name: "uplink",
        mac: [2, 0, 0, 0, 0, 1],
        peer_name: "net0",
        peer_mac: [2, 0, 0, 0, 0, 2],
        peer_namespace: other.as_fd(),
        mtu: 1500,
        group: 0,
    };
    routes.make(Change::new_veth(&veth)).unwrap();
    let link = up(&routes, "uplink", &["192.168.77.1/24"]);
    let any: IpAddr = "0.0.0.0".parse().unwrap();
    let gateway = NAME_SERVER.parse().ok();
    routes
        .make(Change::add_route(&Route { to: (any, 0), gateway, link, source: None, protocol: 4 }))
        .unwrap();
}

fn configure() {
    let routes = RouteSocket::open().unwrap();
    let addresses: Vec<String> = std::iter::once(format!("{NAME_SERVER}/24"))
        .chain(SERVERS.iter().map(|address| format!("{address}/32")))
        .collect();
    up(&routes, "net0", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
}

fn up(routes: &RouteSocket, name: &str, addresses: &[&str]) -> u32 {
    let link = routes.link(name).unwrap().unwrap().index;
    routes.set_up(link).unwrap();
    for address in addresses {
        let (address, bits) = address.split_once('/').unwrap();
        let change = Change::add_address(link, address.parse().unwrap(), bits.parse().unwrap(), 0);
        routes.make(change).unwrap();
    }
    link
}

/// Answers in threads that stay in the caller's namespace, until the test program ends.
fn serve(names: &Names, asked: &Arc<Mutex<Vec<String>>>) {
    for address in SERVERS {
        let listener = TcpListener::bind((address, 80)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = writeln!(stream, "hello from {address}");
            }
        });
    }
    let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
    let (names, asked) = (Arc::clone(names), Arc::clone(asked));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Query::read(&buffer[..length]) else { continue };
            // Its letters come in any case, so that an answer is harder to guess.
            let name = query.question.name.to_string().to_ascii_lowercase();
            asked.lock().unwrap().push(name.clone());
            let found = names.lock().unwrap().get(&name).cloned();
            let rcode = if found.is_some() { Rcode::NoError } else { Rcode::NxDomain };
            let to = Answering { id: query.id, recursion_desired: true, rcode };
            let mut writer = Writer::answer(to, &query.echoed, 1232);
            let (addresses, seconds) = found.unwrap_or_default();
            let wanted = addresses.into_iter().filter(|address| {
                query.question.kind == if address.is_ipv4() { kind::A } else { kind::AAAA }
            });
            let records: Vec<Record> = wanted
                .map(|address| Record::address_of(query.question.name.clone(), address, seconds))
                .collect();
            writer.answers(records.iter().map(|record| (record, seconds)));
            let _ = socket.send_to(&writer.finish(None, None), from);
        }
    });
}

/// Puts another `/etc/resolv.conf` before this thread, and all commands that it runs.
fn ask_here(folder: &Path) {
    unshare(Namespace::Mount).unwrap();
    let file = folder.join("resolv.conf");
    std::fs::write(&file, format!("nameserver {NAME_SERVER}\n")).unwrap();
    let mount =
        |args: &[&str]| assert!(Command::new("mount").args(args).status().unwrap().success(), "{args:?}");
    mount(&["--make-rprivate", "/"]);
    mount(&["--bind", file.to_str().unwrap(), "/etc/resolv.conf"]);
}
