//! Runs the `.bats` files one by one, each in namespaces of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::tap::{self, Case, Outcome};
use crate::command::{command, quietly};

/// What runs inside the namespaces: loopback up, then bats on a terminal, as the suite demands one. The shell stays
/// pid 1, as it buries what the cases orphan; script(1) in its place loops over a child that it never made.
const INSIDE: &str = r#"set -e
ip link set lo up
script -qefc "bats --tap $BATS_ARGUMENTS $BATS_FILE.bats" /dev/null
exit 0"#;

/// How long bats may take to end when all results are there. A case that fails half-way can leave a program running for
/// which bats would wait for ever.
const AFTER_THE_LAST_RESULT: Duration = Duration::from_secs(15);

/// Runs the whole suite or the named files; the log of each file goes to the folder `logs`.
pub(super) fn run(
    source: &Path,
    runtime: &Path,
    filter: Option<&str>,
    files: &[String],
    logs: &Path,
) -> Result<Vec<Case>> {
    let folder = source.join("tests/integration");
    fs::create_dir_all(logs).with_context(|| format!("make {}", logs.display()))?;
    let files = if files.is_empty() { all_files(&folder)? } else { files.to_vec() };
    let mut cases = Vec::new();
    for file in &files {
        let started = Instant::now();
        let log = logs.join(format!("{file}.tap"));
        {
            let _alone = alone(source)?;
            let cgroups_before = cgroups();
            run_file(&folder, runtime, filter, file, &log)?;
            remove_cgroups(&cgroups_before);
        }
        let text = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
        let text = String::from_utf8_lossy(&text);
        let mut found: Vec<Case> =
            text.lines().filter_map(|line| tap::parse(file, line.trim_end())).collect();
        if filter.is_none() {
            let script = fs::read_to_string(folder.join(format!("{file}.bats")));
            let cut_off = tap::missing(file, &script.with_context(|| format!("read {file}.bats"))?, &found);
            found.extend(cut_off);
        }
        let count = |outcome| found.iter().filter(|case| case.outcome == outcome).count();
        println!(
            "{file:<22} {:>3} passed {:>3} failed {:>3} skipped  {:>4} s",
            count(Outcome::Pass),
            count(Outcome::Fail),
            count(Outcome::Skip),
            started.elapsed().as_secs()
        );
        cases.extend(found);
    }
    ensure!(!cases.is_empty(), "no case ran: see {}", logs.display());
    Ok(cases)
}

/// Keeps other runs of the suite on this machine waiting until the value is dropped: its cases give fixed names to their
/// containers, and thereby to their cgroups, of which there is one tree for all.
fn alone(source: &Path) -> Result<File> {
    let path = source.join(".running");
    let lock = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    lock.lock().with_context(|| format!("wait for {}", path.display()))?;
    Ok(lock)
}

fn all_files(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.context("list the suite")?.path();
        if path.extension().is_some_and(|extension| extension == "bats") {
            files.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    files.sort();
    Ok(files)
}

fn run_file(folder: &Path, runtime: &Path, filter: Option<&str>, file: &str, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("make {}", log.display()))?;
    let filter = filter.map(|filter| format!("--filter '{filter}'")).unwrap_or_default();
    // An input that never ends: at the end of its input, script(1) stops passing on what the cases print.
    let (input, _keeps_it_open) = std::io::pipe().context("make a pipe")?;
    // A namespace for pids makes sure that whatever a case leaves running ends with its file.
    let namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut child = command("timeout", ["--kill-after=5", "600", "nice"])
        .args(namespaces)
        .args(["bash", "-c", INSIDE])
        .current_dir(folder)
        .env("RUNC", runtime)
        .env("BATS_FILE", file)
        .env("BATS_ARGUMENTS", filter)
        // No limit per case: bats keeps it with a background job, for which cases that call `wait` would wait too.
        .env("TMPDIR", "/var/tmp")
        .stdin(input)
        .stdout(output.try_clone().context("share the log")?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("run {file}.bats"))?;
    let mut all_told: Option<Instant> = None;
    loop {
        if child.try_wait().context("wait for bats")?.is_some() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
        if all_told.is_none()
            && fs::read(log).is_ok_and(|text| tap::is_complete(&String::from_utf8_lossy(&text)))
        {
            all_told = Some(Instant::now());
        }
        if all_told.is_some_and(|since| since.elapsed() > AFTER_THE_LAST_RESULT) {
            // To timeout(1), which passes it on and waits; a second one does no harm.
            quietly(&mut command("kill", [child.id().to_string()]))?;
            child.wait().context("wait for bats")?;
            return Ok(());
        }
    }
}

/// Every cgroup on this machine.
fn cgroups() -> BTreeSet<PathBuf> {
    fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        let Ok(listing) = fs::read_dir(folder) else { return };
        for entry in listing.filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                collect(&entry.path(), found);
                found.insert(entry.path());
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

/// Removes what the suite left: only groups that were not there before and that bear its name.
fn remove_cgroups(before: &BTreeSet<PathBuf>) {
    for group in cgroups().difference(before).collect::<Vec<_>>().into_iter().rev() {
        let name = group.to_string_lossy();
        if name.contains("runc-cgroups-integration-test") || name.contains("/test_") {
            // A group that is still in use stays, as it would after any run of the suite.
            let _ = fs::remove_dir(group);
        }
    }
}
