//! `cargo xtask bench resolver`: answers a second on one core, and memory, of a zone's resolver as it runs in production: its own
//! process, behind its filter, proven. It works on one core and the clients on the other; what is counted is the processor time
//! that the resolver itself took, so that a busy machine changes nothing.
//!
//! Everything happens in a network namespace without any link but its own loopback.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cofferdam_kernel::namespace::{Namespace, unshare};
use cofferdam_names::ZoneName;
use cofferdam_resolver::address::Near;
use cofferdam_resolver::keeper::{self, Denial, Member, NamedChange, Place, World, ZonePolicy};
use cofferdam_resolver::local::Container;
use cofferdam_resolver::settings::Forwarding;
use cofferdam_resolver::wire::{Answering, CLASS_IN, Name, Query, Rcode, Record, Writer, kind};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use super::statistics::Spread;
use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};

/// The goals of the issue.
const ANSWERS: f64 = 20_000.0;
const KIB: u64 = 4096;
/// Names that are kept while it is measured.
const NAMES: usize = 1000;
/// Questions that are under way at once.
const WINDOW: usize = 32;
/// Addresses of clients that were used.
static CLIENTS: AtomicU16 = AtomicU16::new(1);
/// Clock ticks of /proc/PID/stat in a second (`USER_HZ`).
const TICKS: f64 = 100.0;

#[derive(Serialize)]
struct Results {
    cached_answers_per_core_second: f64,
    container_names_per_core_second: f64,
    cached_round_trip_ms: Spread,
    start_ms: Spread,
    resolver_kib: Memory,
    keeper_kib: Memory,
}

/// From /proc/PID/smaps_rollup.
#[derive(Debug, Serialize)]
struct Memory {
    /// What nobody else has.
    own: u64,
    /// With its share of what others have as well (the program).
    proportional: u64,
}

/// Nothing is opened, and nobody is told.
struct Quiet;

impl World for Quiet {
    fn host_addresses(&mut self) -> std::io::Result<Near> {
        Ok(Near::of([([127, 0, 0, 1].into(), 8)]))
    }

    fn policy(&mut self, _zone: &ZoneName) -> std::io::Result<Option<ZonePolicy>> {
        Ok(None)
    }

    fn change(&mut self, _zone: &ZoneName, _changes: &[NamedChange]) -> std::io::Result<()> {
        Ok(())
    }

    fn denied(&mut self, _denial: &Denial<'_>) {}

    fn ended(&mut self, zone: &ZoneName, why: &str) {
        eprintln!("the resolver of {zone}: {why}");
    }
}

/// The keeper's part of this program.
pub(crate) fn keep(number: &str, place: &str) -> Result<ExitCode> {
    let listener = cofferdam_kernel::inherited::take(number.parse()?)?;
    keeper::run(listener, serde_json::from_str(place)?, &mut Quiet)?;
    Ok(ExitCode::SUCCESS)
}

/// Measures, prints, writes JSON. Missed goals are shown, not an error.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let questions = match arguments {
        [] => 200_000,
        [flag, number] if flag == "--questions" => number.parse().context("--questions N")?,
        _ => bail!("usage: bench resolver [--questions N]"),
    };
    let workspace = Workspace::load()?;
    quietly(&mut command(&cargo(), ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"]))?;
    unshare(Namespace::Network).context("leave the network")?;
    cofferdam_kernel::link::bring_loopback_up().context("bring up the loopback")?;
    serve_upstream()?;
    let ground = Ground::lay(&workspace.release_program())?;
    let start_ms = starts(&ground, 20)?;
    let member = member("bench", 1);
    let joined = ground.join(&member)?;
    // The first question starts it.
    ask(&member, &["c1".to_owned()], 1)?;
    let resolver = ground.resolver()?;
    on_core(Some(resolver), 0)?;
    on_core(None, 1)?;
    let names: Vec<String> = (0..NAMES).map(|number| format!("name-{number}.example.org")).collect();
    ask(&member, &names, NAMES)?;
    let results = Results {
        cached_answers_per_core_second: per_core_second(resolver, &member, &names, questions)?,
        container_names_per_core_second: per_core_second(resolver, &member, &["c1".to_owned()], questions)?,
        cached_round_trip_ms: round_trips(&member, &names)?,
        start_ms,
        resolver_kib: memory(resolver)?,
        keeper_kib: memory(ground.keeper_pid()?)?,
    };
    drop(joined);
    print(&results);
    let output = workspace.target.join("bench/resolver.json");
    std::fs::create_dir_all(workspace.target.join("bench")).context("make the folder of results")?;
    let text = serde_json::to_string_pretty(&results).context("write the results as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn print(results: &Results) {
    let met = |met: bool| if met { "met" } else { "missed" };
    let cached = results.cached_answers_per_core_second;
    println!(
        "cached answers a second on one core   {cached:>10.0}  goal {ANSWERS:.0}: {}",
        met(cached >= ANSWERS)
    );
    println!("container names a second on one core  {:>10.0}", results.container_names_per_core_second);
    println!("round trip of a cached answer, ms     {:>10.3}", results.cached_round_trip_ms.median);
    println!("a zone's first container waits, ms    {:>10.2}", results.start_ms.median);
    let (resolver, keeper) = (&results.resolver_kib, &results.keeper_kib);
    let own = resolver.own + keeper.own;
    println!(
        "memory of the resolver, KiB           {:>10}  proportional {}",
        resolver.own, resolver.proportional
    );
    println!(
        "memory of the keeper, KiB             {:>10}  proportional {}",
        keeper.own, keeper.proportional
    );
    println!("memory of both, KiB                   {own:>10}  goal {KIB}: {}", met(own <= KIB));
}

/// A state folder with its keeper, which is this program.
struct Ground {
    folder: tempfile::TempDir,
    place: Place,
    keepers: std::cell::RefCell<Vec<Child>>,
}

impl Ground {
    fn lay(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        std::fs::write(path("resolv.conf"), "nameserver 127.0.9.1\n").context("write resolv.conf")?;
        let place = Place {
            realm: path("").display().to_string(),
            folder: path("run"),
            program: program.to_owned(),
            keys: path("keys"),
            resolv_conf: path("resolv.conf"),
        };
        Ok(Self { folder, place, keepers: std::cell::RefCell::default() })
    }

    fn join(&self, member: &Member) -> Result<OwnedFd> {
        let joined = keeper::join(&self.socket(), member, |listener| {
            rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty())?;
            let mut keeper = Command::new(std::env::current_exe()?);
            keeper.arg("resolver-keeper").arg(listener.as_raw_fd().to_string());
            keeper.arg(serde_json::to_string(&self.place)?).stdin(Stdio::null());
            self.keepers.borrow_mut().push(keeper.spawn()?);
            Ok(())
        });
        joined.context("join a zone")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("keeper.sock")
    }

    fn resolver(&self) -> Result<Pid> {
        let shown = keeper::show(&self.socket()).context("ask the keeper")?;
        let pid = shown.iter().find_map(|shown| shown.pid).and_then(Pid::from_raw);
        pid.context("no resolver runs")
    }

    fn keeper_pid(&self) -> Result<Pid> {
        let keepers = self.keepers.borrow();
        let last =
            keepers.last().map(Child::id).and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        last.context("no keeper runs")
    }
}

impl Drop for Ground {
    /// A keeper ends by itself after its containers, and leaves nothing.
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        let live = |keeper: &mut Child| matches!(keeper.try_wait(), Ok(None));
        while Instant::now() < end && self.keepers.get_mut().iter_mut().any(live) {
            std::thread::sleep(Duration::from_millis(50));
        }
        for keeper in self.keepers.get_mut() {
            let _ = keeper.kill();
            let _ = keeper.wait();
        }
    }
}

fn member(zone: &str, last: u8) -> Member {
    Member {
        container: Container {
            id: format!("{last:064x}"),
            #[allow(clippy::unwrap_used, reason = "the names are written above")]
            zone: zone.parse().unwrap(),
            names: vec![format!("c{last}")],
            parts: Vec::new(),
            addresses: vec![[10, 9, 0, last].into()],
        },
        link: Some("lo".to_owned()),
        gateways: vec![[127, 0, last, 53].into()],
        port: 53,
        policy: ZonePolicy {
            reaches: Vec::new(),
            forwarding: Forwarding::All,
            allowed_ranges: Vec::new(),
            outside: false,
            log: false,
        },
    }
}

/// What the first container of a zone waits for: the keeper runs already.
fn starts(ground: &Ground, runs: usize) -> Result<Spread> {
    let _held = ground.join(&member("held", 2))?;
    let mut times = Vec::new();
    for number in 0..runs {
        let start = Instant::now();
        let joined = ground.join(&member(&format!("zone-{number}"), 3))?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        drop(joined);
        // Its sockets are closed when the keeper has seen its end.
        std::thread::sleep(Duration::from_millis(30));
    }
    Spread::of(&times).context("no run")
}

fn on_core(pid: Option<Pid>, core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(pid, &set).with_context(|| format!("use core {core}"))
}

/// A name server that answers every question with one address, for an hour.
fn serve_upstream() -> Result<()> {
    let socket = UdpSocket::bind("127.0.9.1:53").context("listen as a name server")?;
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Some(Ok(query)) = buffer.get(..length).map(Query::read) else { continue };
            let to = Answering { id: query.id, recursion_desired: true, rcode: Rcode::NoError };
            let mut writer = Writer::answer(to, &query.echoed, 1232);
            let record = Record::address_of(query.question.name, [8, 8, 8, 8].into(), 3600);
            writer.answers([(&record, 3600)].into_iter());
            let _ = socket.send_to(&writer.finish(None, None), from);
        }
    });
    Ok(())
}

fn questions(names: &[String]) -> Result<Vec<Vec<u8>>> {
    let question = |name: &String| {
        let name: Name = name.parse()?;
        Ok(Writer::query(7, &[name.wire(), &kind::A.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat()))
    };
    names.iter().map(question).collect()
}

/// Asks so many questions, a window of them at once, and counts what was answered. No client may ask more than its share, so
/// each thousand comes from an address of its own.
fn ask(member: &Member, names: &[String], count: usize) -> Result<usize> {
    let questions = questions(names)?;
    let to = SocketAddr::new(*member.gateways.first().context("no gateway")?, member.port);
    let mut buffer = [0; 4096];
    let mut answered = 0;
    for first in (0..count).step_by(1000) {
        let [high, low] = CLIENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let socket = UdpSocket::bind((IpAddr::from([127, 100, high, low]), 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let (mut sent, mut received, here) = (0, 0, 1000.min(count - first));
        while received < here {
            while sent < here && sent - received < WINDOW {
                let question = questions.get((first + sent) % questions.len()).context("no question")?;
                socket.send(question)?;
                sent += 1;
            }
            let length = socket.recv(&mut buffer).context("the resolver does not answer")?;
            // An answer without a code of failure and with a record.
            ensure!(length > 12 && buffer[3] & 0xF == 0 && buffer[7] > 0, "it answers with a failure");
            received += 1;
        }
        answered += received;
    }
    Ok(answered)
}

fn per_core_second(resolver: Pid, member: &Member, names: &[String], count: usize) -> Result<f64> {
    let before = processor_seconds(resolver)?;
    let answered = ask(member, names, count)?;
    let took = processor_seconds(resolver)? - before;
    ensure!(took > 0.0, "too few questions to be measured: --questions N");
    #[allow(clippy::cast_precision_loss, reason = "a count of questions")]
    let answered = answered as f64;
    Ok(answered / took)
}

fn round_trips(member: &Member, names: &[String]) -> Result<Spread> {
    let mut times = Vec::new();
    for name in names {
        let start = Instant::now();
        ask(member, std::slice::from_ref(name), 1)?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Spread::of(&times).context("no run")
}

fn proc_text(pid: Pid, name: &str) -> Result<String> {
    let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
    std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

/// User and system time (proc_pid_stat(5), fields 14 and 15).
fn processor_seconds(pid: Pid) -> Result<f64> {
    let text = proc_text(pid, "stat")?;
    let after = text.rsplit_once(") ").context("no name in /proc/PID/stat")?.1;
    let ticks: Result<Vec<f64>, _> = after.split(' ').skip(11).take(2).map(str::parse).collect();
    Ok(ticks.context("read /proc/PID/stat")?.iter().sum::<f64>() / TICKS)
}

fn memory(pid: Pid) -> Result<Memory> {
    let text = proc_text(pid, "smaps_rollup")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line
            .and_then(|line| line.split_ascii_whitespace().next())
            .and_then(|word| word.parse::<u64>().ok());
        number.with_context(|| format!("no {name} in smaps_rollup"))
    };
    let own = field("Private_Clean:")? + field("Private_Dirty:")?;
    Ok(Memory { own, proportional: field("Pss:")? })
}
