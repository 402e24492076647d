//! What the containers of one test could have left on the machine. Other tests run at the same time, so everything is
//! recognised by the test's own folder and by its containers' ids.

use std::path::{Path, PathBuf};

use super::cgroups;

/// The variable by which processes of a test are recognised; every command of [`super::Home`] and [`super::Bundle`] has it.
pub const MARK: &str = "COFFERDAM_TEST_HOME";

/// Everything that belongs to the folder of a test: processes, mounts and cgroups, a line each.
pub fn of(home: &Path, ids: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = processes_of(home, ids).into_iter().map(|found| found.to_string()).collect();
    lines.extend(mounts_of(home));
    let groups = cgroups(|name| ids.iter().any(|id| name.contains(id.as_str())));
    lines.extend(groups.into_iter().map(|path| format!("cgroup {}", path.display())));
    lines
}

/// A process that belongs to a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub command: String,
    /// Whether it runs our program, and not a container's.
    pub ours: bool,
    /// Whether it is in another pid namespace than this test.
    pub inside: bool,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} {}", self.pid, self.command)
    }
}

/// The processes that belong to a test's folder: by their environment, their arguments (a shim that has executed itself
/// anew has no environment, and names its container), their program, or the mounts of the namespace that they are in.
pub fn processes_of(home: &Path, ids: &[String]) -> Vec<Process> {
    let text = home.to_str().unwrap();
    let own = link("/proc/self/ns/mnt");
    let own_pids = link("/proc/self/ns/pid");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        if pid == std::process::id().cast_signed() {
            continue;
        }
        let dir = entry.path();
        let read = |name: &str| {
            std::fs::read(dir.join(name))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        let arguments = read("cmdline");
        // It outlives its last container by a second, so that the next one finds it; tests/names.rs sees it go.
        if arguments.starts_with("cofferdam\0resolver-keeper\0") {
            continue;
        }
        // So does this one; tests/rootless_network.rs sees it go, with its pasta.
        if arguments.starts_with("cofferdam\0rootless-host\0") {
            continue;
        }
        let elsewhere = link(dir.join("ns/mnt")).is_some_and(|namespace| Some(namespace) != own);
        let belongs = read("environ").contains(text)
            || arguments.contains(text)
            || ids.iter().any(|id| arguments.contains(id.as_str()))
            || link(dir.join("exe")).is_some_and(|exe| exe.starts_with(home))
            || (elsewhere && read("mountinfo").contains(text));
        // A zombie whose parent has not come to reap it yet is no process any more.
        if !belongs || state(&dir).is_none_or(|state| state == 'Z') {
            continue;
        }
        let command = arguments.replace('\0', " ").trim().to_owned();
        let exe = link(dir.join("exe")).unwrap_or_default();
        let ours = exe.file_name().is_some_and(|name| name.to_string_lossy().contains("cofferdam"));
        let inside = link(dir.join("ns/pid")).is_some_and(|namespace| Some(namespace) != own_pids);
        found.push(Process { pid, command, ours, inside });
    }
    found
}

fn state(dir: &Path) -> Option<char> {
    let text = std::fs::read_to_string(dir.join("stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

fn link(path: impl AsRef<Path>) -> Option<PathBuf> {
    std::fs::read_link(path).ok()
}

/// The mounts of this test's own namespace that are in the folder or come from it.
pub fn mounts_of(home: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let text = home.to_str().unwrap();
    table.lines().filter(|line| line.contains(text)).map(|line| format!("mount {line}")).collect()
}

/// What is in an engine's folders although it has no container: run folders, containers' folders,
/// definitions with their id ranges, and files that are none of the engine's.
pub fn in_state(home: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for folder in ["run", "state/containers"] {
        let found = names(&home.join(folder)).into_iter().filter(|name| name != "resolver");
        lines.extend(found.map(|name| format!("{folder}/{name}")));
    }
    let plans = names(&home.join("run/resolver")).into_iter().filter(|name| name.ends_with(".plan.json"));
    lines.extend(plans.map(|name| format!("run/resolver/{name}")));
    let known = [
        "builder",
        "containers",
        "definitions",
        "denials.jsonl",
        "events.jsonl",
        "images",
        "keys",
        "networks",
        "rootless",
        "zones",
    ];
    let others = names(&home.join("state")).into_iter().filter(|name| !known.contains(&name.as_str()));
    lines.extend(others.map(|name| format!("state/{name}")));
    lines.extend(rows(home).into_iter().map(|id| format!("definition of {id}")));
    lines
}

/// The ids that have a definition, each of which holds an id range.
pub fn rows(home: &Path) -> Vec<String> {
    let files = names(&home.join("state/definitions"));
    let ids = files.iter().filter_map(|name| name.split('.').next());
    ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// The ids of all containers that an engine ever made below this folder, by its events and what is there now.
pub fn ids_ever(home: &Path) -> Vec<String> {
    let events = std::fs::read_to_string(home.join("state/events.jsonl")).unwrap_or_default();
    let mut ids: Vec<String> = events.lines().filter_map(id_of_event).collect();
    ids.extend(names(&home.join("run")));
    ids.extend(names(&home.join("state/containers")).iter().map(|name| name.replace(".removing-", "")));
    ids.extend(rows(home));
    ids.retain(|id| id.len() == 64);
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn id_of_event(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(event["id"].as_str()?.to_owned())
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
