//! `cargo xtask bench image`: what a pull costs, ours beside Debian's docker, podman, skopeo and umoci, in one run on one machine.
//!
//! Everything is on an ext4 of its own in a file (the root disk's discards would cost more than the pulls), in one world without a
//! link to the outside: `docker-registry`, the engines and their states. The floors are what no pull can be without: the
//! download, SHA-256 of the blobs, and gunzip of them on both cores.

mod ground;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::statistics::Spread;
use super::worker::{Request, World};
use crate::ci::debian;
use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};
use ground::{FIRST, Ground, SECOND};

/// What the benchmark needs installed.
const PACKAGES: [&str; 10] = [
    "busybox-static",
    "curl",
    "docker-registry",
    "docker.io",
    "isal",
    "iptables",
    "podman",
    "skopeo",
    "time",
    "umoci",
];

/// How often each is measured, if the command line does not say.
const RUNS: usize = 5;

/// What was measured; times in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Results {
    /// Bytes of the image's blobs.
    blob_bytes: u64,
    times: BTreeMap<String, Spread>,
    /// KiB of our largest process in a pull.
    peak_kib: u64,
    failures: Vec<String>,
}

/// One command that is timed, and what is done before each run of it, untimed.
struct Case {
    name: String,
    before: String,
    argv: Vec<String>,
}

impl Case {
    fn new(name: &str, before: impl Into<String>, line: &str) -> Self {
        Self {
            name: name.to_owned(),
            before: before.into(),
            argv: line.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn script(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), before: String::new(), argv: vec!["bash".into(), "-c".into(), text] }
    }
}

/// Measures, prints, writes JSON. Missed goals are shown, not an error.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (runs, folder) = parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&PACKAGES)?;
    quietly(&mut command(&cargo(), ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"]))?;
    let ours = workspace.release_program().display().to_string();
    let mut ground = Ground::lay(&folder)?;
    let mut results = Results { blob_bytes: ground.blob_bytes()?, ..Results::default() };
    let docker = ground.start_docker().err().map(|error| format!("docker: {error:#}"));
    results.failures.extend(docker);
    for case in cases(&ground, &ours) {
        println!("-- {}", case.name);
        match measure(&mut ground.world, &case, runs) {
            Ok(spread) => drop(results.times.insert(case.name, spread)),
            Err(error) => results.failures.push(format!("{}: {error:#}", case.name)),
        }
    }
    results.peak_kib = peak(&mut ground, &ours)?;
    let output = workspace.target.join("bench/image.json");
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(&results).context("write the results as JSON")?;
    std::fs::write(&output, text).with_context(|| format!("write {}", output.display()))?;
    drop(ground);
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    print(&results);
    println!("results: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: &[String]) -> Result<(usize, PathBuf)> {
    let (mut runs, mut folder) = (RUNS, PathBuf::from("/var/tmp/cofferdam-bench-image"));
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--runs" => runs = value.parse().with_context(|| format!("--runs {value}"))?,
            "--folder" => folder = value.into(),
            _ => bail!("usage: bench image [--runs N] [--folder DIR]"),
        }
    }
    Ok((runs, folder))
}

/// Everything that is timed. Each engine pulls into a store that does not have the image.
fn cases(ground: &Ground, ours: &str) -> Vec<Case> {
    let (first, second) = (ground.image(FIRST), ground.image(SECOND));
    let cofferdam = format!("{ours} --root {}", ground.path("cofferdam"));
    let (docker, podman) = (ground.docker(), ground.podman());
    let (layout, bundle) = (ground.path("skopeo"), ground.path("bundle"));
    let skopeo = format!("skopeo copy -q --src-tls-verify=false docker://{first} oci:{layout}:x");
    let gone = |remove: &str, image: &str| format!("{remove} {image} >/dev/null 2>&1 || true; sync");
    let blobs = ground.blobs();
    let parallel = |word: &dyn Fn(&str) -> String| {
        let each: Vec<String> = blobs.iter().map(|blob| format!("{} &", word(blob))).collect();
        format!("{} wait", each.join(" "))
    };
    let registry = ground.registry();
    vec![
        Case::script(
            "floor: download",
            parallel(&|hex| format!("curl -s -o /dev/null http://{registry}/v2/{FIRST}/blobs/sha256:{hex}")),
        ),
        Case::script(
            "floor: sha256",
            parallel(&|hex| format!("sha256sum {} >/dev/null", ground.blob_path(hex))),
        ),
        Case::script(
            "floor: gunzip on both cores",
            parallel(&|hex| format!("igzip -d -c {} >/dev/null", ground.blob_path(hex))),
        ),
        Case::new(
            "pull: cofferdam",
            gone(&format!("{cofferdam} rmi -f"), &first),
            &format!("{cofferdam} pull -q {first}"),
        ),
        Case::new(
            "pull: docker",
            gone(&format!("{docker} rmi -f"), &first),
            &format!("{docker} pull -q {first}"),
        ),
        Case::new(
            "pull: podman",
            gone(&format!("{podman} rmi -f"), &first),
            &format!("{podman} pull -q --tls-verify=false {first}"),
        ),
        Case::new("copy: skopeo", format!("rm -rf {layout}; sync"), &skopeo),
        Case {
            before: format!("rm -rf {layout} {bundle}; sync"),
            ..Case::script(
                "pull: skopeo and umoci",
                format!("{skopeo} && umoci unpack --image {layout}:x {bundle} >/dev/null"),
            )
        },
        // The other image has the same layers and one small one more.
        Case::new(
            "second image: cofferdam",
            gone(&format!("{cofferdam} rmi -f"), &second),
            &format!("{cofferdam} pull -q {second}"),
        ),
        Case::new(
            "second image: docker",
            gone(&format!("{docker} rmi -f"), &second),
            &format!("{docker} pull -q {second}"),
        ),
        Case::new(
            "second image: podman",
            gone(&format!("{podman} rmi -f"), &second),
            &format!("{podman} pull -q --tls-verify=false {second}"),
        ),
        Case::new("run of it: cofferdam", "", &format!("{cofferdam} run --rm --pull never {first} true")),
        Case::new("run of image host: cofferdam", "", &format!("{cofferdam} run --rm host -- true")),
    ]
}

fn measure(world: &mut World, case: &Case, runs: usize) -> Result<Spread> {
    let mut times = Vec::new();
    // The first round warms caches, of all alike.
    for round in 0..=runs {
        if !case.before.is_empty() {
            world.script(&case.before)?;
        }
        let taken = world.time(&case.argv, 1, 0)?;
        if round > 0 {
            times.extend(taken);
        }
    }
    Spread::of(&times).context("nothing was measured")
}

/// KiB of our largest process while it pulls.
fn peak(ground: &mut Ground, ours: &str) -> Result<u64> {
    let (image, root) = (ground.image(FIRST), ground.path("cofferdam"));
    let text = format!(
        "{ours} --root {root} rmi -f {image} >/dev/null 2>&1; \
         /usr/bin/time -f %M {ours} --root {root} pull -q {image} 2>&1 >/dev/null | tail -1"
    );
    ground.world.script(&text)?.trim().parse().context("read the peak of memory")
}

fn print(results: &Results) {
    println!("\n{:<36} {:>10} {:>9} {:>9}", "", "median ms", "p10", "p90");
    for (name, spread) in &results.times {
        println!("{name:<36} {:>10.1} {:>9.1} {:>9.1}", spread.median, spread.p10, spread.p90);
    }
    println!(
        "blobs: {:.1} MB; peak memory of our pull: {:.1} MiB",
        mega(results.blob_bytes),
        mega(results.peak_kib * 1024)
    );
    let median = |name: &str| results.times.get(name).map(|spread| spread.median);
    let ours = median("pull: cofferdam");
    let least = |names: &[&str]| names.iter().filter_map(|name| median(name)).min_by(f64::total_cmp);
    let most = |names: &[&str]| names.iter().filter_map(|name| median(name)).max_by(f64::total_cmp);
    let goals = [
        (
            "pull / fastest peer",
            ours,
            least(&["pull: docker", "pull: podman", "pull: skopeo and umoci"]),
            0.45,
        ),
        (
            "pull / slowest floor",
            ours,
            most(&["floor: download", "floor: sha256", "floor: gunzip on both cores"]),
            1.3,
        ),
        (
            "run of it / run of image host",
            median("run of it: cofferdam"),
            median("run of image host: cofferdam"),
            1.0,
        ),
    ];
    for (name, ours, theirs, at_most) in goals {
        match ours.zip(theirs).map(|(ours, theirs)| ours / theirs) {
            Some(ratio) => {
                let verdict = if ratio <= at_most { "reached" } else { "MISSED" };
                println!("{name:<36} at most {at_most:.2}, is {ratio:.2}  {verdict}");
            }
            None => println!("{name:<36} at most {at_most:.2}, not measured"),
        }
    }
    for failure in &results.failures {
        println!("not measured: {failure}");
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes of a benchmark are far below 2^52")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// Starts a program that stays in the world.
fn background(world: &mut World, line: &str, log: String) -> Result<()> {
    let argv = line.split_whitespace().map(str::to_owned).collect();
    world.ask(&Request::Background { argv, log }).map(drop)
}
