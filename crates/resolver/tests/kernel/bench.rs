//! What the tests stand on: a world of their own, a name server in it, a keeper, containers that ask.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cofferdam_kernel::namespace::{Namespace, unshare};
use cofferdam_names::ZoneName;
use cofferdam_resolver::address::Near;
use cofferdam_resolver::keeper::{self, Denial, Member, NamedChange, Place, World, ZonePolicy};
use cofferdam_resolver::local::Container;
use cofferdam_resolver::settings::Forwarding;
use cofferdam_resolver::wire::{Answering, CLASS_IN, Name, Query, Rcode, Record, Reply, Writer, kind};

/// No packet of these tests can leave.
pub fn leave_network() {
    unshare(Namespace::Network).unwrap();
    cofferdam_kernel::link::bring_loopback_up().unwrap();
}

/// Writes down what is asked of it.
struct Log(PathBuf);

impl Log {
    fn add(&self, line: &str) {
        let mut file = File::options().append(true).create(true).open(&self.0).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

impl World for Log {
    fn host_addresses(&mut self) -> std::io::Result<Near> {
        Ok(Near::of([("8.8.4.4".parse().unwrap(), 32), ("9.9.9.1".parse().unwrap(), 24)]))
    }

    /// As a file beside the log says, if there is one.
    fn policy(&mut self, zone: &ZoneName) -> std::io::Result<Option<ZonePolicy>> {
        match std::fs::read(self.0.with_file_name(format!("{zone}.policy"))) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(_) => Ok(None),
        }
    }

    fn change(&mut self, zone: &ZoneName, changes: &[NamedChange]) -> std::io::Result<()> {
        for NamedChange { pattern, address, ttl } in changes {
            self.add(&format!("{zone} {pattern} {address} {ttl:?}"));
        }
        Ok(())
    }

    fn denied(&mut self, denial: &Denial<'_>) {
        let container = denial.container.and_then(|id| id.get(..4)).unwrap_or("?");
        self.add(&format!("denied {} {container} {}", denial.zone, denial.name));
    }

    fn ended(&mut self, zone: &ZoneName, why: &str) {
        self.add(&format!("ended {zone}: {why}"));
    }
}

/// The keeper's part of this program.
pub fn keep(number: i32, place: &str) {
    let place: Place = serde_json::from_str(place).unwrap();
    let log = Log(place.folder.join("log"));
    let listener = cofferdam_kernel::inherited::take(number).unwrap();
    keeper::run(listener, place, &mut Log(log.0.clone()))
        .inspect_err(|error| log.add(&error.to_string()))
        .unwrap();
}

/// A state folder with its keeper.
pub struct Ground {
    pub folder: tempfile::TempDir,
    keepers: Mutex<Vec<Child>>,
}

impl Ground {
    pub fn new(servers: &[&str]) -> Self {
        let ground = Self { folder: tempfile::tempdir().unwrap(), keepers: Mutex::new(Vec::new()) };
        ground.set_servers(servers);
        ground
    }

    pub fn set_servers(&self, servers: &[&str]) {
        let text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        std::fs::write(self.folder.path().join("resolv.conf"), text).unwrap();
    }

    pub fn place(&self) -> Place {
        let folder = self.folder.path();
        Place {
            realm: folder.display().to_string(),
            folder: folder.join("run"),
            program: std::env::current_exe().unwrap(),
            keys: folder.join("keys"),
            resolv_conf: folder.join("resolv.conf"),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("keeper.sock")
    }

    fn spawn(&self, listener: OwnedFd) -> std::io::Result<()> {
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty())?;
        let place = serde_json::to_string(&self.place())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["keeper", &listener.as_raw_fd().to_string(), &place]);
        self.keepers.lock().unwrap().push(command.spawn()?);
        Ok(())
    }

    pub fn join(&self, member: &Member) -> Result<OwnedFd, keeper::JoinError> {
        keeper::join(&self.socket(), member, |listener| self.spawn(listener))
    }

    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("run/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn pid(&self, zone: &str) -> Option<i32> {
        let all = keeper::show(&self.socket()).unwrap();
        all.into_iter().find(|shown| shown.zone.as_str() == zone).and_then(|shown| shown.pid)
    }

    /// Kills the keepers at once.
    pub fn kill_keepers(&self) {
        for child in self.keepers.lock().unwrap().iter_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether the keepers have ended by themselves.
    pub fn keepers_have_ended(&self) -> bool {
        let mut keepers = self.keepers.lock().unwrap();
        keepers.iter_mut().all(|child| child.try_wait().unwrap().is_some_and(|status| status.success()))
    }
}

impl Drop for Ground {
    /// Its containers have gone before it: the keepers end by themselves and leave nothing.
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end
            && self.keepers.get_mut().unwrap().iter_mut().any(|it| matches!(it.try_wait(), Ok(None)))
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill_keepers();
    }
}

/// The folders of a resolver's control group, below every hierarchy.
pub fn groups(pid: i32) -> Vec<PathBuf> {
    let text = proc_text(pid, "cgroup");
    let group = text.lines().find_map(|line| line.split_once(":/cofferdam/")).unwrap().1.to_owned();
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
    let top = PathBuf::from("/sys/fs/cgroup");
    let folders = hierarchies.chain([top]).map(|folder| folder.join("cofferdam").join(&group));
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Waits for something to become so.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A container of a zone that asks at 127.0.LAST.53, with 10.9.0.LAST as its address.
pub fn member(zone: &str, name: &str, last: u8, forwarding: Forwarding, reaches: &[&str]) -> Member {
    Member {
        container: Container {
            id: format!("{last:064x}").chars().rev().collect(),
            zone: zone.parse().unwrap(),
            names: vec![name.to_owned()],
            parts: Vec::new(),
            addresses: vec![[10, 9, 0, last].into()],
        },
        link: Some("lo".to_owned()),
        gateways: vec![[127, 0, last, 53].into()],
        port: 53,
        policy: ZonePolicy {
            reaches: reaches.iter().map(|zone| zone.parse().unwrap()).collect(),
            forwarding,
            allowed_ranges: vec![],
            outside: false,
            log: true,
        },
    }
}

pub fn question(name: &str, kind: u16) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    Writer::query(99, &[name.wire(), &kind.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat())
}

/// Asks as a container does; none where nobody answers.
pub fn try_ask(member: &Member, name: &str, wait: Duration) -> Option<Reply> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(wait)).unwrap();
    socket.connect(SocketAddr::new(member.gateways[0], member.port)).unwrap();
    socket.send(&question(name, kind::A)).ok()?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).ok()?;
    Some(Reply::read(&buffer[..length]).unwrap())
}

pub fn ask(member: &Member, name: &str) -> Reply {
    try_ask(member, name, Duration::from_secs(10)).unwrap_or_else(|| panic!("nobody answers for {name}"))
}

pub fn addresses(reply: &Reply) -> Vec<String> {
    reply.answers.iter().filter_map(Record::address).map(|address| address.to_string()).collect()
}

/// A name server that answers every question with one address.
pub fn serve(at: &str, answer: &str) {
    let socket = UdpSocket::bind((at, 53)).unwrap();
    let answer: IpAddr = answer.parse().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = Query::read(&buffer[..length]).unwrap();
            let to = Answering { id: query.id, recursion_desired: true, rcode: Rcode::NoError };
            let mut writer = Writer::answer(to, &query.echoed, 1232);
            let record = Record::address_of(query.question.name, answer, 300);
            if query.question.kind == kind::A {
                writer.answers([(&record, 300)].into_iter());
            }
            let _ = socket.send_to(&writer.finish(None, None), from);
        }
    });
}

/// A file below /proc/PID.
pub fn proc_text(pid: i32, name: &str) -> String {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(name)).unwrap()
}
