//! `cargo xtask bench image`: what a pull costs, ours beside Debian's docker, podman, skopeo and umoci, in one run on one machine.
//!
//! Everything is on an ext4 of its own in a file (the root disk's discards would cost more than the pulls), in one world without a
//! link to the outside: `docker-registry`, the engines and their states. The floors are what no pull can be without: the
//! download, SHA-256 of the blobs, and gunzip of them on both cores.

mod content;
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
use ground::{FIRST, Ground, MANY, SECOND};

/// What the benchmark needs installed.
const PACKAGES: [&str; 11] = [
    "busybox-static",
    "curl",
    "docker-registry",
    "docker.io",
    "isal",
    "iptables",
    "openssl",
    "podman",
    "skopeo",
    "time",
    "umoci",
];

/// How often each is measured, if the command line does not say.
const RUNS: usize = 5;

/// How many containers are started in a row in each round; without a network, which image `host` has none of by itself.
const STARTS: usize = 10;

/// How often processor time is measured.
const PROCESSOR_RUNS: usize = 3;

/// What was measured; times in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Results {
    /// Files of the image: those of this machine's packages.
    files: usize,
    /// Bytes of its layers' tars, and of its blobs.
    tar_bytes: u64,
    blob_bytes: u64,
    times: BTreeMap<String, Spread>,
    /// Milliseconds on processors, in the program and in the kernel for it: of the floors and of our pull and load.
    processor: BTreeMap<String, f64>,
    /// KiB of our largest process in a pull.
    peak_kib: u64,
    failures: Vec<String>,
}

/// One command that is timed, and what is done before each run of it, untimed.
struct Case {
    name: String,
    before: String,
    argv: Vec<String>,
    /// How often it runs in each round.
    times: usize,
}

impl Case {
    fn new(name: &str, before: impl Into<String>, line: &str) -> Self {
        let argv = line.split_whitespace().map(str::to_owned).collect();
        Self { name: name.to_owned(), before: before.into(), argv, times: 1 }
    }

    fn script(name: &str, text: String) -> Self {
        let argv = vec!["bash".into(), "-c".into(), text];
        Self { name: name.to_owned(), before: String::new(), argv, times: 1 }
    }
}

/// Measures, prints, writes JSON. Missed goals are shown, not an error.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let Arguments { runs, folder, program } = Arguments::parse(arguments)?;
    let workspace = Workspace::load()?;
    debian::install_what_is_missing(&PACKAGES)?;
    let ours = match program {
        Some(program) => program.display().to_string(),
        None => {
            let build = ["build", "--release", "--package", "cofferdam", "--bin", "cofferdam"];
            quietly(&mut command(&cargo(), build))?;
            workspace.release_program().display().to_string()
        }
    };
    let mut ground = Ground::lay(&folder)?;
    let mut results = Results {
        files: ground.files(),
        tar_bytes: ground.tar_bytes()?,
        blob_bytes: ground.blob_bytes()?,
        ..Results::default()
    };
    let docker = ground.start_docker().err().map(|error| format!("docker: {error:#}"));
    results.failures.extend(docker);
    measure(&mut ground, &ours, runs, &mut results);
    results.peak_kib = peak(&mut ground, &ours)?;
    results.processor = processor(&mut ground, &ours)?;
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

struct Arguments {
    runs: usize,
    folder: PathBuf,
    /// One that was built before.
    program: Option<PathBuf>,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Self> {
        let folder = PathBuf::from("/var/tmp/cofferdam-bench-image");
        let mut parsed = Self { runs: RUNS, folder, program: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--runs" => parsed.runs = value.parse().with_context(|| format!("--runs {value}"))?,
                "--folder" => parsed.folder = value.into(),
                "--program" => parsed.program = Some(value.into()),
                _ => bail!("usage: bench image [--runs N] [--folder DIR] [--program FILE]"),
            }
        }
        Ok(parsed)
    }
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
            // Not sha256sum: Debian's does without the processor's own instructions.
            parallel(&|hex| format!("openssl dgst -sha256 {} >/dev/null", ground.blob_path(hex))),
        ),
        Case::script(
            "floor: gunzip on both cores",
            parallel(&|hex| format!("igzip -d -c {} >/dev/null", ground.blob_path(hex))),
        ),
        Case::new(
            "pull: cofferdam",
            gone(&format!("{cofferdam} rmi -f {second}; {cofferdam} rmi -f"), &first),
            &format!("{cofferdam} pull -q {first}"),
        ),
        Case::new(
            "pull: docker",
            gone(&format!("{docker} rmi -f {second}; {docker} rmi -f"), &first),
            &format!("{docker} pull -q {first}"),
        ),
        Case::new(
            "pull: podman",
            gone(&format!("{podman} rmi -f {second}; {podman} rmi -f"), &first),
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
        Case::script(
            "floor: copy of the blobs",
            format!("cat {} > {}", paths(ground).join(" "), ground.path("copy")),
        ),
        Case::new("save: cofferdam", "", &format!("{cofferdam} save -o {} {first}", ground.path("ours.tar"))),
        Case::new("save: docker", "", &format!("{docker} save -o {} {first}", ground.path("docker.tar"))),
        Case::new(
            "load: cofferdam",
            gone(&format!("{cofferdam} rmi -f {second}; {cofferdam} rmi -f"), &first),
            &format!("{cofferdam} load -q -i {}", ground.path("ours.tar")),
        ),
        Case::new(
            "load: docker",
            gone(&format!("{docker} rmi -f {second}; {docker} rmi -f"), &first),
            &format!("{docker} load -q -i {}", ground.path("docker.tar")),
        ),
        Case {
            times: STARTS,
            ..Case::new("run of image host", "", &format!("{cofferdam} run --rm --network none host -- true"))
        },
        Case {
            times: STARTS,
            ..Case::new(
                "run of a pulled image",
                "",
                &format!("{cofferdam} run --rm --network none --pull never {first} /bin/true"),
            )
        },
        Case {
            times: STARTS,
            ..Case::new(
                "run of an image of 100 layers",
                format!("{cofferdam} pull -q {}", ground.image(MANY)),
                &format!("{cofferdam} run --rm --network none --pull never {} /bin/true", ground.image(MANY)),
            )
        },
    ]
}

fn paths(ground: &Ground) -> Vec<String> {
    ground.blobs().iter().map(|hex| ground.blob_path(hex)).collect()
}

/// Times everything in rounds, so that what else the machine does meets all alike. The first round warms caches.
fn measure(ground: &mut Ground, ours: &str, runs: usize, results: &mut Results) {
    let mut cases: Vec<(Case, Vec<f64>)> =
        cases(ground, ours).into_iter().map(|case| (case, Vec::new())).collect();
    for round in 0..=runs {
        println!("-- round {round} of {runs}");
        cases.retain_mut(|(case, times)| match once(&mut ground.world, case) {
            Ok(taken) => {
                if round > 0 {
                    times.extend(taken);
                }
                true
            }
            Err(error) => {
                results.failures.push(format!("{}: {error:#}", case.name));
                false
            }
        });
    }
    for (case, times) in cases {
        if let Some(spread) = Spread::of(&times) {
            results.times.insert(case.name, spread);
        }
    }
}

fn once(world: &mut World, case: &Case) -> Result<Vec<f64>> {
    if !case.before.is_empty() {
        world.script(&case.before)?;
    }
    world.time(&case.argv, case.times, 0)
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

/// What stands behind the limits: with so many processors nothing takes less time than its share of this sum.
fn processor(ground: &mut Ground, ours: &str) -> Result<BTreeMap<String, f64>> {
    let measured = ["floor: ", "pull: cofferdam", "load: cofferdam"];
    let cases = cases(ground, ours);
    let mut processor = BTreeMap::new();
    for case in cases.iter().filter(|case| measured.iter().any(|begin| case.name.starts_with(begin))) {
        let quoted: Vec<String> =
            case.argv.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let timed = format!("TIMEFORMAT='%U %S'; time {} >/dev/null 2>/dev/null", quoted.join(" "));
        let mut spent = Vec::new();
        for _ in 0..PROCESSOR_RUNS {
            ground.world.script(&case.before)?;
            let printed = ground.world.script(&format!("{{ {timed}; }} 2>&1"))?;
            let parts: Option<Vec<f64>> = printed.split_whitespace().map(|part| part.parse().ok()).collect();
            let parts = parts.filter(|parts| parts.len() == 2);
            spent.push(parts.with_context(|| format!("read {printed:?}"))?.iter().sum::<f64>() * 1000.0);
        }
        if let Some(spread) = Spread::of(&spent) {
            processor.insert(case.name.clone(), spread.median);
        }
    }
    Ok(processor)
}

fn print(results: &Results) {
    println!("\n{:<36} {:>10} {:>9} {:>9}", "", "median ms", "p10", "p90");
    for (name, spread) in &results.times {
        println!("{name:<36} {:>10.1} {:>9.1} {:>9.1}", spread.median, spread.p10, spread.p90);
    }
    println!(
        "the image: {} files of this machine's packages, {:.1} MiB of tars, {:.1} MiB of blobs",
        results.files,
        mega(results.tar_bytes),
        mega(results.blob_bytes)
    );
    println!("peak memory of our pull: {:.1} MiB", mega(results.peak_kib * 1024));
    for (name, spent) in &results.processor {
        println!("on processors: {name:<36} {spent:>6.0} ms");
    }
    let median = |name: &str| results.times.get(name).map(|spread| spread.median);
    let ours = median("pull: cofferdam");
    let least = |names: &[&str]| names.iter().filter_map(|name| median(name)).min_by(f64::total_cmp);
    let most = |names: &[&str]| names.iter().filter_map(|name| median(name)).max_by(f64::total_cmp);
    let floors = ["floor: download", "floor: sha256", "floor: gunzip on both cores"].map(median);
    if let (Some(ours), [Some(download), Some(sha256), Some(gunzip)]) = (ours, floors) {
        // Each of them has all processors for itself; a pull does all three on the same.
        println!("pull / sum of its floors: {:.2}", ours / (download + sha256 + gunzip));
    }
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
        ("run of it / of image host", median("run of a pulled image"), median("run of image host"), 1.0),
        (
            "run of 100 layers / of image host",
            median("run of an image of 100 layers"),
            median("run of image host"),
            1.0,
        ),
        ("peak memory of a pull / 100 MiB", Some(mega(results.peak_kib * 1024)), Some(100.0), 1.0),
        (
            "save / slowest limit",
            median("save: cofferdam"),
            most(&["floor: copy of the blobs", "floor: sha256"]),
            1.0,
        ),
        (
            "load / slowest limit",
            median("load: cofferdam"),
            most(&["floor: copy of the blobs", "floor: sha256", "floor: gunzip on both cores"]),
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
