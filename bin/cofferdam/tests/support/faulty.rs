//! The program whose steps fail on demand: a build with the feature `cofferdam-runtime/fault-injection`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Ran;

/// Where it is: as `cargo xtask ci` says, or built now, in a target folder of its own so that the program that other tests
/// run meanwhile stays as it is.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("COFFERDAM_FAULTY").map_or_else(build, PathBuf::from))
}

/// It takes minutes where nothing of it is built yet: a test that seems to hang says so.
fn build() -> PathBuf {
    let start = std::time::Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "cofferdam", "--package", "cofferdam-runtime"])
        .args(["--features", "cofferdam-runtime/fault-injection", "--message-format=json"])
        .arg("--target-dir")
        .arg(root.join("target/faulty-build"))
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    let program = programs.next_back().unwrap();
    eprintln!("the program whose steps fail was built in {:?}", start.elapsed());
    program
}

/// One step of a start as the program records it (`COFFERDAM_STEPS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub name: String,
    /// What `COFFERDAM_FAIL_AT` must be for this very step to fail.
    pub fail_at: String,
}

/// A file for the steps of one start, which also a container's own ids may write to.
pub fn steps_file(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("steps");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    path
}

/// The steps that were recorded, each once. `varying` are texts that differ from start to start: ids.
pub fn recorded(file: &Path, varying: &[&str]) -> Vec<Recorded> {
    let mut times: HashMap<(String, String), u32> = HashMap::new();
    let mut steps = Vec::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let [pid, name, subject] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let subject = varying.iter().fold(subject.to_owned(), |subject, text| subject.replace(text, "*"));
        let step = format!("{name} {subject}");
        // A start that is fast enough has no pause in which to attend to init.
        if subject == "attend to init" {
            continue;
        }
        // Each process counts for itself.
        let time = times.entry((pid.to_owned(), step.clone())).or_insert(0);
        *time += 1;
        let recorded = Recorded { name: name.to_owned(), fail_at: format!("{step}@{time}") };
        if !steps.contains(&recorded) {
            steps.push(recorded);
        }
    }
    steps
}

/// The failure names the step, and is the one that was injected.
pub fn assert_told(ran: &Ran, step: &Recorded) {
    // A limit is told by its own name, as a part of the making of the cgroup.
    let name = if step.name == "set cgroup limit" { "make cgroup" } else { &step.name };
    // The OCI face says it in runc's words, which its callers look for.
    let runcs = name.ends_with("mount") && ran.err.contains("error mounting");
    assert!(runcs || ran.err.contains(name), "{} is not named: {ran:?}", step.fail_at);
    assert!(ran.err.contains("injected fault"), "{}: another failure came first: {ran:?}", step.fail_at);
}
