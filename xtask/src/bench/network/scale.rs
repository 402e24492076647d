//! What it costs to connect one container more, beside many: link, addresses, rules and the reading back of all of it, then its
//! removal. The network's own library is measured, in a network namespace without any link to the machine's.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_confinement::network::{Address, Link, MacAddress, Network, ZoneRules};
use cofferdam_kernel::link::bring_loopback_up;
use cofferdam_kernel::namespace::{Namespace, join, unshare};
use cofferdam_network::{Remains, connect, disconnect, observe};
use serde::Serialize;

use crate::bench::statistics::Spread;

/// Zones, and rules in each of them: 1,000 in all.
const ZONES: usize = 50;
const RULES: usize = 20;
/// Containers that are added and removed at each size.
const TRIES: usize = 40;

/// How long the kernel is left alone before each.
const SETTLE: Duration = Duration::from_millis(100);

/// Milliseconds beside so many containers.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) containers: usize,
    pub(super) zone: Zone,
    /// Rules first, then the link.
    pub(super) connect_ms: Spread,
    /// The gate's reading back.
    pub(super) read_back_ms: Spread,
    /// Both together, as a start pays them.
    pub(super) added_ms: Spread,
    /// Until the rules are gone and no packet comes or goes: what a command waits for.
    pub(super) removed_ms: Spread,
    /// Until the kernel has given back the link too, which the container's supervisor sees to afterwards.
    pub(super) gone_ms: Spread,
}

fn place() -> Result<File> {
    unshare(Namespace::Network).context("make a network namespace")?;
    bring_loopback_up().context("bring its loopback up")?;
    File::open("/proc/thread-self/ns/net").context("open it")
}

fn plan(number: usize, zone: usize) -> Result<Network> {
    let rules = (0..RULES).map(|rule| {
        let text = match rule % 4 {
            0 => format!("zone:z{} tcp/{}", (zone + rule) % ZONES, 1000 + rule),
            1 => format!("10.{}.{rule}.0/24 tcp/443 udp/443", zone % 200),
            2 => format!("zone:z{} label:role=r{rule}", (zone + rule) % ZONES),
            _ => format!("203.0.{rule}.0/24"),
        };
        text.parse().context("read a rule")
    });
    let number = u16::try_from(number + 16).context("more containers than addresses")?;
    let [high, low] = number.to_be_bytes();
    Ok(Network {
        realm: "/bench".to_owned(),
        zone: format!("z{zone}").parse().context("name a zone")?,
        link: Link {
            host_name: format!("cfd{number:012x}"),
            name: "eth0".to_owned(),
            host_mac: MacAddress([6, 0xcf, 10, 207, high, low]),
            mac: MacAddress([2, 0xcf, 10, 207, high, low]),
            mtu: 1500,
        },
        addresses: vec![
            Address { address: format!("10.207.{high}.{low}").parse()?, gateway: "10.207.0.1".parse()? },
            Address {
                address: format!("fdcf:0:0:1::{number:x}").parse()?,
                gateway: "fdcf:0:0:1::1".parse()?,
            },
        ],
        segments: Vec::new(),
        labels: BTreeMap::from([("role".to_owned(), format!("r{}", number % 20))]),
        published: Vec::new(),
        rules: ZoneRules {
            trust: true,
            egress: rules.collect::<Result<Vec<_>>>()?,
            ingress: vec!["any".parse()?, "host".parse()?],
            connections: Some(16384),
            connections_per_second: None,
            zone_connections: None,
            log: false,
        },
        resolver: false,
        outlet: None,
    })
}

/// Measures beside each of these numbers of containers, which grow.
pub(super) fn measure(sizes: &[usize]) -> Result<Vec<Cost>> {
    let host = place()?;
    let back = || join(Namespace::Network, host.as_fd()).context("come back to the host");
    let (mut held, mut costs) = (Vec::new(), Vec::new());
    let hold = |number: usize| {
        let inside = place()?;
        back()?;
        connect(&plan(number, number % ZONES)?, inside.as_fd(), &|| Ok(None))?.keep();
        anyhow::Ok(inside)
    };
    for &size in sizes {
        while held.len() < size.max(ZONES) {
            held.push(hold(held.len()).context("connect a container")?);
        }
        // The rules of a zone stay when its last container goes: beside few containers there are as many rules.
        for number in size..held.len() {
            let plan = plan(number, number % ZONES)?;
            disconnect(&plan).and_then(Remains::clear).context("disconnect a container")?;
        }
        held.truncate(size);
        costs.push(beside(size, Zone::Known, &back)?);
        costs.push(beside(size, Zone::New, &back)?);
        println!("   {size} containers: measured");
    }
    Ok(costs)
}

/// Whether the rules of the container's zone are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Zone {
    Known,
    /// Its first container brings them.
    New,
}

fn beside(size: usize, zone: Zone, back: &dyn Fn() -> Result<()>) -> Result<Cost> {
    let mut all = [const { Vec::new() }; 5];
    for number in 0..TRIES {
        let place_of_zone = match zone {
            Zone::Known => number % ZONES,
            // Of its own number of containers and tries: no other run has made it.
            Zone::New => ZONES + size * TRIES + number,
        };
        let plan = plan(size + number, place_of_zone)?;
        let inside = place()?;
        back()?;
        // The kernel takes the namespace before apart in the background, under the lock that links need.
        std::thread::sleep(SETTLE);
        let start = Instant::now();
        connect(&plan, inside.as_fd(), &|| Ok(None)).context("connect a container")?.keep();
        let connected = start.elapsed();
        let parts = observe(&plan, inside.as_fd()).context("read back")?;
        let added = start.elapsed();
        ensure!(parts.iter().all(cofferdam_network::Part::holds), "a container is not connected as planned");
        let start = Instant::now();
        let remains = disconnect(&plan).context("disconnect a container")?;
        let removed = start.elapsed();
        remains.clear().context("remove the link")?;
        let gone = start.elapsed();
        for (times, time) in all.iter_mut().zip([connected, added - connected, added, removed, gone]) {
            times.push(time.as_secs_f64() * 1000.0);
        }
    }
    let spread = |times: &Vec<f64>| Spread::of(times).context("no runs");
    Ok(Cost {
        containers: size,
        zone,
        connect_ms: spread(&all[0])?,
        read_back_ms: spread(&all[1])?,
        added_ms: spread(&all[2])?,
        removed_ms: spread(&all[3])?,
        gone_ms: spread(&all[4])?,
    })
}
