//! Two containers of each engine in a world of its own, and another host beside it: who carries how much between them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::load::Load;
use crate::bench::bundle::Ground;
use crate::bench::worker::{Request, World};

/// The host beside the engine's, with an address of the internet's.
const BESIDE: &str = "
ip netns add outside
ip link add uplink type veth peer name out netns outside
ip addr add 192.0.2.1/24 dev uplink
ip link set dev uplink up
ip -n outside addr add 192.0.2.2/24 dev out
ip -n outside link set out up
ip -n outside link set lo up
ip -n outside route add default via 192.0.2.1";

/// Two namespaces and a cable, without any engine: the floor.
const BARE: &str = "
ip netns add one
ip netns add two
ip link add v0 netns one type veth peer name v0 netns two
ip -n one addr add 10.0.0.1/24 dev v0
ip -n two addr add 10.0.0.2/24 dev v0
for name in one two; do ip -n $name link set v0 up; ip -n $name link set lo up; done";

/// The ports of the two servers, inside and published.
const THROUGHPUT: u16 = 5201;
const LOAD: u16 = 5202;

/// Clients and servers are on a processor each: otherwise a round trip takes 8 or 75 microseconds as the scheduler likes.
const PROCESSORS: [usize; 2] = [0, 1];

/// One figure of each kind for one way.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    pub(super) gbit_per_second: f64,
    #[serde(flatten)]
    pub(super) load: Load,
}

/// An engine with two containers that run.
pub(super) struct Peer {
    pub(super) name: &'static str,
    world: World,
    /// How the client enters its namespace, and the server's address there.
    client: String,
    server: String,
    published: bool,
}

impl Peer {
    /// Sets an engine up.
    pub(super) fn open(name: &'static str, ground: &Ground, ours: &str) -> Result<Self> {
        if name == "bare" {
            return Self::bare();
        }
        let setup = format!("mkdir -p /run/netns; {BESIDE}");
        let (mut world, prefix, run) = match name {
            "docker" => docker(&setup, ground)?,
            "podman" => podman(&setup, ground)?,
            _ => cofferdam(&setup, ground, ours)?,
        };
        let ports = format!("-p {THROUGHPUT}:{THROUGHPUT} -p {LOAD}:{LOAD}");
        world.script(&format!("{prefix} run -d --name server {ports} {run}"))?;
        world.script(&format!("{prefix} run -d --name client {run}"))?;
        let pid = |world: &mut World, name: &str| {
            world.script(&format!("{prefix} inspect --format '{{{{.State.Pid}}}}' {name}"))
        };
        let (server, client) = (pid(&mut world, "server")?, pid(&mut world, "client")?);
        let inside = format!("nsenter -t {} -n", server.trim());
        let address =
            format!("{inside} ip -4 -o addr show dev eth0 | awk '{{ sub(\"/.*\", \"\", $4); print $4 }}'");
        let address = world.script(&address)?.trim().to_owned();
        serve(&mut world, &inside)?;
        let client = format!("nsenter -t {} -n", client.trim());
        Ok(Self { name, world, client, server: address, published: true })
    }

    fn bare() -> Result<Self> {
        let mut world = World::open(&format!("mkdir -p /run/netns; {BARE}"), &BTreeMap::new())?;
        serve(&mut world, "ip netns exec two")?;
        let client = "ip netns exec one".to_owned();
        Ok(Self { name: "bare", world, client, server: "10.0.0.2".to_owned(), published: false })
    }

    /// From container to container.
    pub(super) fn direct(&mut self, seconds: u32) -> Result<Figures> {
        let (client, server) = (self.client.clone(), self.server.clone());
        self.measure(&client, &server, seconds)
    }

    /// From another host by the published port; none where there is no such thing.
    pub(super) fn published(&mut self, seconds: u32) -> Option<Result<Figures>> {
        self.published.then(|| self.measure("ip netns exec outside", "192.0.2.1", seconds))
    }

    fn measure(&mut self, client: &str, server: &str, seconds: u32) -> Result<Figures> {
        let program = std::env::current_exe().context("find this program")?;
        let client = format!("taskset -c {} {client}", PROCESSORS[0]);
        let text =
            self.world.script(&format!("{client} iperf3 -J -t {seconds} -p {THROUGHPUT} -c {server}"))?;
        let report: serde_json::Value = serde_json::from_str(&text).context("read iperf3's report")?;
        let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
        let text =
            self.world.script(&format!("{client} {} net-load ask {server}:{LOAD}", program.display()))?;
        Ok(Figures {
            gbit_per_second: bits.context("iperf3 tells no throughput")? / 1e9,
            load: serde_json::from_str(&text).context("read a load's report")?,
        })
    }
}

/// Starts both servers in a namespace.
fn serve(world: &mut World, inside: &str) -> Result<()> {
    let program = std::env::current_exe().context("find this program")?;
    let inside = format!("taskset -c {} {inside}", PROCESSORS[1]);
    for line in [
        format!("{inside} iperf3 -s -p {THROUGHPUT}"),
        format!("{inside} {} net-load serve {LOAD}", program.display()),
    ] {
        let argv = line.split(' ').map(str::to_owned).collect();
        world.ask(&Request::Background { argv, log: "/run/bench-server.log".to_owned() })?;
    }
    // Until they listen.
    world.script(&format!(
        "for i in $(seq 100); do {inside} ss -ltn | grep -q :{LOAD} && exit 0; sleep 0.1; done; exit 1"
    ))?;
    Ok(())
}

type Opened = (World, String, String);

fn docker(setup: &str, ground: &Ground) -> Result<Opened> {
    let mut world = World::open(setup, &BTreeMap::new())?;
    let socket = "unix:///run/bench-docker.sock";
    let daemon = format!(
        "dockerd --host {socket} --data-root {} --exec-root /run/bench-docker --pidfile /run/bench-docker.pid \
         --storage-driver overlay2",
        ground.path("docker")
    );
    let argv = daemon.split_whitespace().map(str::to_owned).collect();
    world.ask(&Request::Background { argv, log: ground.path("dockerd.log") })?;
    let prefix = format!("/usr/bin/docker --host {socket}");
    let wait = format!(
        "for i in $(seq 100); do {prefix} version >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1"
    );
    world.script(&wait).with_context(|| format!("start dockerd: see {}", ground.path("dockerd.log")))?;
    world.script(&format!("{prefix} import {} busybox", ground.path("busybox.tar")))?;
    Ok((world, prefix, "busybox sleep 100000".to_owned()))
}

fn podman(setup: &str, ground: &Ground) -> Result<Opened> {
    let settings = ground.folder.join("containers.conf");
    // Podman's defaults for these are above the hard limits of the test machine.
    let text = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n";
    std::fs::write(&settings, text).context("write containers.conf")?;
    let environment = BTreeMap::from([("CONTAINERS_CONF".to_owned(), settings.display().to_string())]);
    let setup = format!("umount /sys/fs/cgroup/unified 2>/dev/null || true; {setup}");
    let mut world = World::open(&setup, &environment)?;
    let prefix = format!(
        "podman --root {} --runroot /run/bench-podman --storage-driver overlay --cgroup-manager cgroupfs \
         --events-backend file --runtime crun",
        ground.path("podman")
    );
    world.script(&format!("{prefix} import {} busybox", ground.path("busybox.tar")))?;
    Ok((world, prefix, "busybox sleep 100000".to_owned()))
}

fn cofferdam(setup: &str, ground: &Ground, program: &str) -> Result<Opened> {
    let state = ground.path("cofferdam");
    std::fs::create_dir_all(&state).with_context(|| format!("make {state}"))?;
    let setup = format!(
        "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/cofferdam && mount --bind {state} /var/lib/cofferdam; {setup}"
    );
    let world = World::open(&setup, &BTreeMap::new())?;
    Ok((world, program.to_owned(), "--zone default host -- sleep 100000".to_owned()))
}
