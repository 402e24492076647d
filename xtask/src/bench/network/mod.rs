//! `cargo xtask bench network`: what containers' networks carry, ours beside docker's, podman's and a bare cable, in one run; and
//! what one container more costs beside many. Every engine is in a world of its own, whose network has no link to the machine's.

pub(crate) mod load;
mod peers;
mod scale;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::bundle::Ground;
use super::statistics::Spread;
use crate::ci::debian;
use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};
use peers::{Figures, Peer};

const PACKAGES: [&str; 9] = [
    "busybox-static",
    "conmon",
    "containerd",
    "crun",
    "docker.io",
    "iperf3",
    "iproute2",
    "iptables",
    "podman",
];
const PEERS: [&str; 4] = ["bare", "docker", "podman", "cofferdam"];
/// The goal for link, addresses, rules and gate together, in milliseconds, and how much it may grow with its neighbours.
const ADDED_MS: f64 = 3.0;
const GROWTH: f64 = 1.2;

struct Options {
    rounds: usize,
    seconds: u32,
    peers: Vec<&'static str>,
    sizes: Vec<usize>,
    output: Option<PathBuf>,
    /// The program to measure; none to build it first.
    program: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize)]
struct Results {
    /// By way and engine.
    ways: BTreeMap<&'static str, BTreeMap<&'static str, Way>>,
    costs: Vec<scale::Cost>,
}

#[derive(Debug, Serialize)]
struct Way {
    gbit_per_second: Spread,
    round_trip_us: Spread,
    connections_per_second: Spread,
}

impl Way {
    fn of(figures: &[Figures]) -> Option<Self> {
        let spread = |value: fn(&Figures) -> f64| Spread::of(&figures.iter().map(value).collect::<Vec<_>>());
        Some(Self {
            gbit_per_second: spread(|it| it.gbit_per_second)?,
            round_trip_us: spread(|it| it.load.round_trip_us)?,
            connections_per_second: spread(|it| it.load.connections_per_second)?,
        })
    }
}

/// Measures, prints, writes JSON.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&PACKAGES)?;
    if options.program.is_none() {
        let build = ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"];
        quietly(&mut command(&cargo(), build))?;
    }
    let program = options.program.clone().unwrap_or_else(|| workspace.release_program());
    let mut results = Results::default();
    if !options.peers.is_empty() {
        let ground = Ground::lay("/var/tmp/cofferdam-bench-network".into())?;
        let measured = carry(&options, &ground, &program.display().to_string());
        let removed = std::fs::remove_dir_all(&ground.folder);
        results.ways = measured?;
        removed.with_context(|| format!("remove {}", ground.folder.display()))?;
    }
    if !options.sizes.is_empty() {
        println!("-- one container more");
        results.costs = scale::measure(&options.sizes)?;
    }
    print(&results);
    let output = options.output.unwrap_or_else(|| workspace.target.join("bench/network.json"));
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(&results).context("write the results as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

type Ways = BTreeMap<&'static str, BTreeMap<&'static str, Way>>;

/// All peers take turns, so that what else the machine does meets each of them.
fn carry(options: &Options, ground: &Ground, ours: &str) -> Result<Ways> {
    let mut peers = Vec::new();
    for name in &options.peers {
        println!("-- setting up {name}");
        peers.push(Peer::open(name, ground, ours).with_context(|| format!("set up {name}"))?);
    }
    let mut all: BTreeMap<(&'static str, &'static str), Vec<Figures>> = BTreeMap::new();
    for round in 1..=options.rounds {
        println!("-- round {round}");
        for peer in &mut peers {
            let name = peer.name;
            let direct = peer.direct(options.seconds).with_context(|| format!("{name}, direct"))?;
            all.entry(("container to container", name)).or_default().push(direct);
            if let Some(published) = peer.published(options.seconds) {
                let published = published.with_context(|| format!("{name}, published"))?;
                all.entry(("by a published port", name)).or_default().push(published);
            }
        }
    }
    let mut ways = Ways::new();
    for ((way, name), figures) in all {
        ways.entry(way).or_default().extend(Way::of(&figures).map(|way| (name, way)));
    }
    Ok(ways)
}

fn print(results: &Results) {
    for (way, engines) in &results.ways {
        println!("\n{way:<24} {:>8} {:>14} {:>16}", "Gbit/s", "round trip us", "connections/s");
        for (name, figures) in engines {
            println!(
                "  {name:<22} {:>8.1} {:>14.1} {:>16.0}",
                figures.gbit_per_second.median,
                figures.round_trip_us.median,
                figures.connections_per_second.median
            );
        }
        let of = |name: &str| engines.get(name).map(|way| way.gbit_per_second.median);
        for (peer, goal) in [("docker", 1.0), ("podman", 1.0), ("bare", 0.95)] {
            if let (Some(ours), Some(theirs)) = (of("cofferdam"), of(peer)) {
                println!("  ours / {peer}: {:.2} (goal {goal})", ours / theirs);
            }
        }
    }
    if let Some(first) = results.costs.first() {
        println!("\nbeside   its zone   connect ms  read back ms   together ms   removed ms   link gone ms");
        for cost in &results.costs {
            println!(
                "{:>6} {:>10} {:>12.2} {:>13.2} {:>13.2} {:>12.2} {:>14.2}",
                cost.containers,
                format!("{:?}", cost.zone).to_lowercase(),
                cost.connect_ms.median,
                cost.read_back_ms.median,
                cost.added_ms.median,
                cost.removed_ms.median,
                cost.gone_ms.median
            );
        }
        let known = || results.costs.iter().filter(|cost| cost.zone == first.zone);
        let worst = known().map(|cost| cost.added_ms.median).fold(0.0, f64::max);
        println!(
            "together at most {worst:.2} ms (goal {ADDED_MS}), grows by {:.2} (goal {GROWTH})",
            worst / first.added_ms.median
        );
    }
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        rounds: 3,
        seconds: 3,
        peers: PEERS.to_vec(),
        sizes: vec![10, 100, 1000],
        output: None,
        program: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--rounds" => options.rounds = value.parse().context("read --rounds")?,
            "--seconds" => options.seconds = value.parse().context("read --seconds")?,
            "--peers" => {
                options.peers =
                    PEERS.into_iter().filter(|peer| value.split(',').any(|it| it == *peer)).collect();
            }
            "--sizes" => {
                let sizes = value.split(',').filter(|size| !size.is_empty()).map(str::parse);
                options.sizes = sizes.collect::<Result<_, _>>().context("read --sizes")?;
            }
            "--program" => {
                let program = std::fs::canonicalize(value);
                options.program = Some(program.with_context(|| format!("find {value}"))?);
            }
            "--output" => options.output = Some(value.into()),
            _ => bail!(
                "usage: bench network [--rounds N] [--seconds N] [--peers A,B] [--sizes N,N] [--output FILE] \
                 [--program FILE]"
            ),
        }
    }
    Ok(options)
}
